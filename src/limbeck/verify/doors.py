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
from limbeck.runtime.predict import Predictor

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
        difference = abs(line["probability"] - answer.probability)
        if line["label"] != answer.label or not difference <= _TOLERANCE:
            raise ParityError(
                f"row {row + 1}: limbeck predict answers {line['label']} ({line['probability']}), Python answers {answer.label} "
                f"({answer.probability:.6f}). {_FAULT}"
            )
        worst = max(worst, difference)
    return worst


_FAULT = "This is a fault of limbeck: please report it with the bundle's manifest."
