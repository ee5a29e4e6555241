"""The rows of a file most worth labelling, written so that a human only corrects. Knows files, bundles and runs; trains nothing."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limbeck.catalog import find
from limbeck.data.choose import choose
from limbeck.data.files import write_whole
from limbeck.data.read import fingerprint, read_records
from limbeck.data.rejected import Rejected
from limbeck.errors import DataError, InputFileError, RunFolderError
from limbeck.label_sets import as_questions
from limbeck.runtime.predict import Predictor
from limbeck.text import clean

PARTING = "|"
"""Between labels of which several apply (data.label_separator); by itself it says that none does."""
COLUMNS = ("text", "label", "predicted", "probability", "why", "where")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text worth labelling: what the model says of it (None without a model), why it was chosen, and where it stands."""

    text: str
    predicted: str | None
    probability: float | None
    why: str
    where: str


@dataclass(frozen=True, slots=True)
class LabelSample:
    """What was chosen, of how many rows without a label, and the rows that could not be used."""

    suggestions: tuple[Suggestion, ...]
    rows: int
    rejected: tuple[Rejected, ...]

    def note(self) -> str:
        """What was chosen, in one sentence."""
        kinds = Counter(s.why for s in self.suggestions)
        parts = ", ".join(f"{kinds[why]:,} {why}" for why in ("typical", "unsure") if kinds[why])
        note = f"{len(self.suggestions):,} of {self.rows:,} rows without a label: {parts or 'none is new'}"
        return note + (f"; {len(self.rejected):,} rows could not be used" if self.rejected else "")

    def write(self, path: Path) -> None:
        """Write a CSV file that is training data once its labels were looked through.

        `label` holds what the model says, for a human to correct; `predicted` keeps it.

        Raises:
            InputFileError: the file cannot be written.
        """
        with write_whole(path) as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(COLUMNS)
            for s in self.suggestions:
                probability = "" if s.probability is None else f"{s.probability:.4f}"
                writer.writerow([clean(s.text), s.predicted or "", s.predicted or "", probability, s.why, s.where])


def label_sample(
    source: str | Path,
    n: int,
    *,
    predictor: Predictor | None = None,
    known: Sequence[str] = (),
    text: str = "text",
    label: str = "label",
    seed: int = 0,
) -> LabelSample:
    """Choose the rows of a source that are most worth labelling (`limbeck.data.choose`).

    Args:
        source: rows of any known format; those that bear a label are known already.
        n: how many to choose.
        predictor: a loaded bundle; without it texts alone decide, and none is unsure.
        known: further texts that have labels.
        text: the column that holds the text.
        label: the column that holds labels, where there is one.
        seed: decides which rows of a large file are looked at.

    Raises:
        InputFileError: the source is missing or cannot be opened.
        DataError: it cannot be read, or holds no row without a label.
    """
    rejected: list[Rejected] = []
    several = predictor is not None and predictor.several
    records = read_records(
        source, text=text, label=label, label_optional=True, reject=rejected.append, max_rejected_share=1.0, several=several
    )
    free = [r for r in records if r.label is None]
    if not free:
        raise DataError(f"{source}: all {len(records):,} rows have a label in column '{label}'. Give rows without labels.")
    texts = [r.payload for r in free]
    logits = None if predictor is None else predictor.logits(texts)
    if logits is not None and several:  # the label that the model is least sure of
        logits = as_questions(logits)[np.arange(len(logits)), np.abs(logits).argmin(axis=1)]
    chosen = choose(
        texts,
        n,
        logits_NC=logits,
        known=[*known, *(r.payload for r in records if r.label is not None)],
        seed=seed,
    )
    answers = [] if predictor is None else predictor.predict([texts[c.index] for c in chosen])
    said: list[tuple[str | None, float | None]] = [
        (PARTING.join(a.labels) or PARTING, None) if several else (a.label, a.probability) for a in answers
    ]
    said = said or [(None, None)] * len(chosen)
    suggestions = tuple(
        Suggestion(texts[c.index], name, probability, c.why, free[c.index].where)
        for c, (name, probability) in zip(chosen, said, strict=True)
    )
    return LabelSample(suggestions, len(free), tuple(rejected))


def texts_of_run(folder: Path) -> list[str]:
    """The texts that a run has labels of, to train on or to judge by.

    Raises:
        RunFolderError: the folder holds no run.
        InputFileError: its data are not where they were.
        DataError: its data are not what they were.
    """
    try:
        resolved = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))
        section, sums = resolved["recipe"]["data"], resolved["data"]
        several = bool(getattr(find("tasks", resolved["recipe"]["task"]), "several", False))
    except FileNotFoundError as error:
        raise RunFolderError(
            f"{folder} holds no run: there is no resolved.json. Give the --out of a run, or --bundle."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{folder / 'resolved.json'} cannot be read as that of a run. Give --bundle instead.") from error
    texts: list[str] = []
    for use in ("train", "test", "valid"):
        source = section.get(use)
        if source is None:
            continue
        try:
            now = fingerprint(source)
        except InputFileError as error:
            raise InputFileError(
                f"{error} The run {folder} was trained on it; stand where you stood then, or give --bundle {folder / 'bundle'} "
                "and --labelled FILE."
            ) from error
        if now != sums.get(use):
            raise DataError(
                f"{source} is not what the run {folder} was trained on (sha256 differs). Give --bundle and --labelled FILE."
            )
        how: dict[str, Any] = {"several": several, "separator": section.get("label_separator")}
        records = read_records(
            source, text=section["text"], label=section["label"], reject=_skip, max_rejected_share=1.0, **how
        )
        texts += [r.payload for r in records if r.label is not None]
    return texts


def _skip(rejected: Rejected) -> None:
    """The run has written these rows to its rejected.jsonl."""
