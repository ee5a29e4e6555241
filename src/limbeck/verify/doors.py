"""One bundle through two doors: the command line and Python say the same. Knows processes and answers; knows nothing of models."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from limbeck.bundle import Bundle
from limbeck.errors import ParityError
from limbeck.label_sets import LabelSet
from limbeck.runtime.predict import Predictor
from limbeck.types import Json, Prediction

_TOLERANCE = 1e-5
"""Of a probability: the command line prints six digits, and may batch otherwise."""


def same_through_cli(bundle: Bundle, payloads: Sequence[Any], predictor: Predictor | None = None) -> float:
    """Answer payloads with `limbeck predict BUNDLE --file FILE` in a new process and with `Predictor.predict`, and compare.

    Args:
        bundle: an opened bundle.
        payloads: that its modality can write as JSON.
        predictor: of this bundle; None: it is loaded.

    Returns:
        The largest difference of a probability.

    Raises:
        ParityError: a label or a probability differs, or the command fails.
    """
    predictor = predictor or Predictor(bundle)
    expected, modality = predictor.predict(payloads), predictor.modality
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        # In ASCII, so that even half a surrogate pair arrives as it was.
        lines = (json.dumps({modality.column: modality.to_json(p)}) + "\n" for p in payloads)
        rows.write_text("".join(lines), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "limbeck", "predict", str(bundle.path.resolve()), "--file", str(rows)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ParityError(f"limbeck predict ends with {done.returncode} where Python answers: {last}")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if len(found) != len(expected):
        raise ParityError(f"limbeck predict gives {len(found):,} answers for {len(expected):,} rows. {_FAULT}")
    worst = 0.0
    for row, (line, answer) in enumerate(zip(found, expected, strict=True)):
        printed, given = _told(line), _given(answer)
        difference = max((abs(a - b) for a, b in zip(printed[1], given[1], strict=False)), default=0.0)
        if printed[0] != given[0] or not difference <= _TOLERANCE:
            raise ParityError(
                f"row {row + 1}: limbeck predict answers {printed[0]} {printed[1]}, Python answers {given[0]} {given[1]}. {_FAULT}"
            )
        worst = max(worst, difference)
    return worst


def _told(line: Json) -> tuple[list[str], list[float]]:
    """The labels of a printed line with their probabilities."""
    if "labels" in line:
        return [said["label"] for said in line["labels"]], [said["probability"] for said in line["labels"]]
    return [line["label"]], [line["probability"]]


def _given(answer: Prediction | LabelSet) -> tuple[list[str], list[float]]:
    """Those of an answer."""
    if isinstance(answer, LabelSet):
        return list(answer.labels), list(answer.probabilities)
    return [answer.label], [answer.probability]


_FAULT = "This is a fault of limbeck: please report it with the bundle's manifest."
