"""A Python callable as a teacher. Knows what it returns for a list of texts; knows nothing of what it does.

It takes a list of texts and returns, for each: a label; or a dict of probabilities by label (of some labels: the rest belongs to
the others together); or a dict of votes (whole numbers); or all of them an array (texts, labels) of probabilities. Where several labels may apply, it
is a list of labels, or a dict or an array of the probability of each by itself.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from limbeck.callables import imported
from limbeck.errors import TeacherError
from limbeck.payloads import plain
from limbeck.teachers._content import content_of
from limbeck.teachers._labels import Labels, labels_of
from limbeck.teachers._said import Said, Says, fields, understood, way_of
from limbeck.teachers._said_of_several import understood_of_several, way_of_several
from limbeck.teachers._tried import taken, tried
from limbeck.types import Fingerprint, Record, Signal, digest

_TRIED = ("hello", "WHERE IS IT?!", "thank you very much", "123 456", "I would like my money back, please.")
"""What a fingerprint asks: a callable's weights may lie anywhere, but they show in its answers."""
_BATCH, _FEW = 256, 4


class Function:
    """`package.module:callable`, or a callable from Python.

    Args:
        call: texts (or other payloads, as plain arrays) to answers.
        labels: class names, in the order of an array's columns; empty: those of the answers where they name all, else the data's.
        version: part of the fingerprint, for what neither source nor answers show.
        name: in reports.
        reads: the modality of what it is asked, where labels are given; else the data say it.

    Example:
        >>> teacher = Function(lambda texts: ["long" if len(t) > 5 else "short" for t in texts], ["long", "short"])
        >>> teacher.answer(["a", "abcdefgh"], frozenset({"logits_BC"})).logits_BC.argmax(1)
        array([1, 0])
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: package.module:callable; the current folder is searched too. `labels`: the classes. `version`: of what cannot be seen. `reads`: the
        modality of what it is asked: a text comes as a string, a picture as an array (height, width, colours) of uint8."""

        model: str = ""
        labels: Labels = ()
        version: str = ""
        reads: str = "text"

    tolerance: ClassVar[float] = 1e-4
    has_head: ClassVar[bool] = True
    form: ClassVar[str] = "Python"
    parameters: ClassVar[int] = 0

    def __init__(
        self,
        call: Callable[[list[Any]], Any],
        labels: Sequence[str] = (),
        version: str = "",
        name: str = "",
        reads: str = "text",
    ) -> None:
        self._call, self._version = call, version
        self._tried = tried(reads, _TRIED)
        self.name = name or getattr(call, "__qualname__", type(call).__name__)
        self._own: tuple[str, ...] = labels_of(labels, None, "function") if labels else ()
        self.labels = self._own
        self._several = False
        self._says: Says | None = None

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> Function:
        """Import the callable.

        Raises:
            TeacherError: it is not there, or no callable.
        """
        del device
        call = imported(settings.model, "the teacher", TeacherError)
        return cls(call, settings.labels, settings.version, settings.model, settings.reads)

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> Function:
        """A callable whose answers depend on the length of a text."""
        del folder
        weight = np.linspace(-1.0, 1.0, 3) + 0.1 * seed * np.arange(3)

        def lengths(texts: list[str]) -> Any:
            scores = np.log1p([len(t) for t in texts])[:, None] * weight
            raised = np.exp(scores - scores.max(axis=1, keepdims=True))
            return raised / raised.sum(axis=1, keepdims=True)

        return cls(lengths, ["greeting", "question", "thanks"])

    def discover(self, rows: Sequence[Record], labels: Sequence[str]) -> None:
        """Find out in which way it answers, and, where no labels were given, which they are.

        Raises:
            TeacherError: it fails, or answers with something else.
        """
        if rows and not isinstance(rows[0].payload, str):
            some = tried(rows[0].payload.modality, _TRIED)
            # A network that reads pictures of one size has no answer to these, but to the data.
            self._tried = taken(lambda payloads: self._asked(list(map(plain, payloads))), some) or [
                r.payload for r in rows[:_FEW]
            ]
        if self._own:
            return
        said = self._asked([plain(r.payload) for r in rows[:16]] or list(map(plain, self._tried)))
        named = {name for a in said if isinstance(a, dict) for name in a} if isinstance(said, list) else set()
        self._settle(sorted(named) if named >= set(labels) and named else labels, said)

    def answers_with(self, several: bool) -> None:
        """Whether several labels may apply to what it is asked."""
        if several != self._several:
            self._several, self._says = several, None

    @property
    def says(self) -> Says:
        """In which way it answers: asked once, as soon as its labels are known."""
        if self._says is None and self._own:
            self._settle(self._own, self._asked(list(map(plain, self._tried))))
        return self._says or "probabilities"

    def gives(self) -> frozenset[str]:
        """Logits; where it names some classes only, also which."""
        return fields(self.says)

    def fingerprint(self) -> Fingerprint:
        """Source, what it holds, its answers to a few texts, labels and version."""
        try:
            source = inspect.getsource(self._call)
        except (OSError, TypeError):
            source = self.name
        holds = [cell.cell_contents for cell in getattr(self._call, "__closure__", None) or ()]
        logits = self.answer(self._tried, frozenset({"logits_BC"})).logits_BC
        shown = np.round(np.exp(logits - logits.max(axis=1, keepdims=True)), 3) + 0.0
        return {
            "kind": "function",
            "source": hashlib.sha256(source.encode()).hexdigest(),
            "weights": digest([content_of(holds).sha256, content_of(shown).sha256]),
            "labels": digest(self._own),
            "version": self._version,
            **({"labels of a text": "several"} if self._several else {}),
        }

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """What it says, in calls of up to 256 texts."""
        parts = []
        for start in range(0, len(payloads), _BATCH):
            texts = [plain(p) for p in payloads[start : start + _BATCH]]
            parts.append(self._understood(self._asked(texts), self.says).signal(needs))
        return Signal(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in parts[0].given()})

    def _settle(self, labels: Sequence[str], said: Any) -> None:
        self._own = labels_of(labels, None, "function")
        self.labels = self._own
        where = f"teacher {self.name}"
        self._says = way_of_several(said, where) if self._several else way_of(said, self._own, where)
        self._understood(said, self._says)

    def _understood(self, said: Any, says: Says) -> Said:
        understand = understood_of_several if self._several else understood
        return understand(said, says, self._own, f"teacher {self.name}")

    def _asked(self, texts: list[Any]) -> Any:
        try:
            said = self._call(texts)
            said = said.tolist() if hasattr(said, "tolist") and not isinstance(said, np.ndarray) else said
            count = len(said)
        except TeacherError:
            raise
        except Exception as error:  # it is anybody's code
            raise TeacherError(
                f"teacher {self.name} failed on {len(texts)} payloads: {type(error).__name__}: {error!s:.300}"
            ) from error
        if count != len(texts):
            raise TeacherError(
                f"teacher {self.name} gave {count} answers to {len(texts)} payloads; expected one for each, in order"
            )
        return said if isinstance(said, np.ndarray) else list(said)
