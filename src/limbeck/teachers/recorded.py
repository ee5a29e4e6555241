"""Answers that lie in a file already: labels, probabilities, the best few, votes. Knows rows and columns; asks nobody.

A row has a text and one of

    probabilities   a JSON object (label to probability), or a list in the order of `labels`
    top_k           a JSON object of the best labels with probabilities, or with log-probabilities (none above 0)
    votes           a JSON object (label to how often it was named)
    label           a label

Where several labels may apply, these are the probability of each by itself, or `label` with a list of all that apply.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from limbeck.errors import TeacherError, listing
from limbeck.teachers._labels import Labels, labels_of
from limbeck.teachers._said import Says, fields, understood
from limbeck.teachers._said_of_several import understood_of_several
from limbeck.types import Fingerprint, Signal, digest

COLUMNS: tuple[Says, ...] = ("probabilities", "top_k", "votes", "labels")
_NAMES = {"probabilities": "probabilities", "top_k": "top_k", "votes": "votes", "labels": "label"}


class Recorded:
    """A file of answers: jsonl, csv or tsv (each perhaps with .gz behind), or parquet.

    Args:
        answers: what was said of each text, all in one way.
        says: which way that is.
        labels: the class names.
        fingerprint: of the file.

    Example:
        >>> teacher = Recorded({"hello": "greeting", "bye": "thanks"}, "labels", ["greeting", "thanks"], {"kind": "recorded"})
        >>> teacher.answer(["hello"], frozenset({"logits_BC"})).logits_BC.argmax(1)
        array([0])
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: the file. `text`: the column of texts. `column`: that of answers; None: the first that is there of probabilities,
        top_k, votes and label. `gives`: what it holds; None: what its name says. `labels`: the classes, where the file does not name all.
        """

        model: str = ""
        text: str = "text"
        column: str | None = None
        gives: str | None = None
        labels: Labels = ()

    tolerance: ClassVar[float] = 0.0
    has_head: ClassVar[bool] = True
    answers_anything: ClassVar[bool] = False
    answers_here: ClassVar[bool] = False
    parameters: ClassVar[int] = 0

    def __init__(
        self, answers: Mapping[str, Any], says: Says, labels: Sequence[str], fingerprint: Fingerprint, name: str = "answers"
    ):
        self._answers, self.says, self._own = dict(answers), says, tuple(labels)
        self.labels = tuple(labels)
        self._fingerprint, self.name = dict(fingerprint), name
        self._several = False

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> Recorded:
        """Read the file.

        Raises:
            TeacherError: there is none, or a column is missing, or a row cannot be read.
        """
        del device
        path = Path(settings.model)
        try:
            content = path.read_bytes()
            rows = list(_rows(path.name, content))
        except (OSError, ValueError, EOFError) as error:
            raise TeacherError(
                f"cannot load the teacher '{settings.model}': {error}. A recorded teacher is a file of answers (jsonl, csv, tsv, parquet)."
            ) from error
        columns = list(rows[0]) if rows else []
        says = _says(settings)
        column = settings.column or next((_NAMES[way] for way in COLUMNS if _NAMES[way] in columns), None)
        if settings.text not in columns or column not in columns:
            wanted = settings.column or " or ".join(_NAMES.values())
            raise TeacherError(
                f"{path}: expected the columns '{settings.text}' and {wanted}; there are {listing(columns)}. "
                "Name them: teacher.text, teacher.column (with teacher.gives: probabilities, top_k, votes or labels)."
            )
        says = says or next((way for way in COLUMNS if _NAMES[way] == column), None)
        if says is None:
            raise TeacherError(f"teacher.column is '{column}'; say what it holds: teacher.gives = {' or '.join(COLUMNS)}")
        answers: dict[str, Any] = {}
        for number, row in enumerate(rows, 1):
            if row.get(column) not in (None, ""):
                answers.setdefault(
                    str(row[settings.text]).strip(), _answer(row[column], says, settings, f"{path}, row {number}")
                )
        named: set[str] = {name for a in answers.values() for name in ([a] if isinstance(a, str) else a)}
        labels = labels_of(settings.labels, None if settings.labels else sorted(named), "recorded")
        described = digest([says, settings.text, column])
        sums = {"weights": hashlib.sha256(content).hexdigest(), "columns": described, "labels": digest(labels)}
        return cls(answers, says, labels, {"kind": "recorded", **sums}, f"answers in {path.name}")

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> Recorded:
        """A small file of probabilities for the texts of the contract tests."""
        dice = np.random.default_rng(seed)
        path = folder / "answers.jsonl"
        texts = ["hello", "where is my parcel?", "", "a " * 400, "👍", "thanks " * 3, "x"]
        given = [
            dict(zip(("greeting", "question", "thanks"), map(float, dice.dirichlet([1.0] * 3)), strict=True)) for _ in texts
        ]
        rows = [{"text": text, "probabilities": p} for text, p in zip(texts, given, strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return cls.load(cls.Settings(str(path)))

    def answers_with(self, several: bool) -> None:
        """Whether several labels may apply to a text.

        Raises:
            TeacherError: the file cannot say so.
        """
        if several and self.says not in ("probabilities", "labels"):
            raise TeacherError(
                f"{self.name}: several labels may apply to a text, and the file holds {self.says}, which are of one label among all. "
                "Record the probability of each label, or a list of labels (teacher.column)."
            )
        self._several = several

    def gives(self) -> frozenset[str]:
        """Logits; with top-k also which of them are known."""
        return fields(self.says)

    def fingerprint(self) -> Fingerprint:
        """The file's content, its columns and the labels, and how they are read."""
        return {**self._fingerprint, **({"labels of a text": "several"} if self._several else {})}

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """What was written down of each text.

        Raises:
            TeacherError: of some there is nothing.
        """
        found = [self._answers.get(str(p).strip()) for p in payloads]
        if missing := [str(p) for p, a in zip(payloads, found, strict=True) if a is None]:
            raise TeacherError(
                f"{self.name}: nothing is written of {len(missing):,} of {len(payloads):,} texts, such as {missing[0]!r:.80}. "
                "All rows that train, choose and judge need an answer: record them too, or leave these rows out."
            )
        understand = understood_of_several if self._several else understood
        return understand(found, self.says, self._own, self.name).signal(needs)


def _says(settings: Any) -> Says | None:
    if settings.gives is None:
        return None
    if settings.gives not in COLUMNS:
        raise TeacherError(f"teacher.gives is '{settings.gives:.40}'; expected one of {', '.join(COLUMNS)}")
    return next(way for way in COLUMNS if way == settings.gives)


def _answer(cell: Any, says: Says, settings: Any, where: str) -> Any:
    if says == "labels":
        return _named(cell)
    try:
        value = json.loads(cell) if isinstance(cell, str) else cell
        if isinstance(value, Mapping):
            pairs = {str(k): v for k, v in value.items() if v is not None}
        else:
            if says != "probabilities" or len(value) != len(settings.labels):
                raise ValueError(f"a list of {len(value)} numbers, and teacher.labels names {len(settings.labels)} classes")
            pairs = dict(zip(settings.labels, value, strict=True))
        if says == "votes":
            return {k: int(v) for k, v in pairs.items()}
        numbers = {k: float(v) for k, v in pairs.items()}
    except (ValueError, TypeError) as error:
        raise TeacherError(f"{where}: expected {says} as a JSON object, label to number; got {cell!r:.80} ({error})") from error
    if says == "top_k" and numbers and max(numbers.values()) <= 0.0:
        return {k: math.exp(v) for k, v in numbers.items()}
    return numbers


def _named(cell: Any) -> Any:
    """A label, or a list of them; in a csv file such a list is written as JSON."""
    if isinstance(cell, str) and cell.startswith("[") and cell.endswith("]"):
        try:
            cell = json.loads(cell)
        except ValueError:  # a name in brackets
            return cell
    return tuple(map(str, cell)) if isinstance(cell, list) else str(cell)


def _rows(name: str, content: bytes) -> Iterable[dict[str, Any]]:
    if name.endswith(".parquet"):
        import pyarrow.parquet as parquet

        rows: list[dict[str, Any]] = parquet.read_table(io.BytesIO(content)).to_pylist()
        # Arrow gives every row of a struct all keys.
        return [
            {k: dict(v) if isinstance(v, list) and v and isinstance(v[0], tuple) else v for k, v in r.items()} for r in rows
        ]
    if name.endswith(".gz"):
        name, content = name.removesuffix(".gz"), gzip.decompress(content)
    text = content.decode("utf-8-sig")
    if name.endswith((".csv", ".tsv")):
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if name.endswith(".tsv") else ","))
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    if any(not isinstance(row, dict) for row in rows):
        raise ValueError("each line has to be one JSON object")
    return rows
