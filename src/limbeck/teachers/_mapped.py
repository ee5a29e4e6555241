"""A teacher whose classes are not the data's, by a table of which is which. Knows probabilities and names; knows no kind of teacher.

Letters: B texts, C the teacher's classes, L the data's labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from limbeck.errors import TeacherError, listing, nearest
from limbeck.metrics.probabilities import log_softmax
from limbeck.types import Fingerprint, Signal, Start, digest

_NOT_ITS_OWN = frozenset({"module", "members", "bundle", "precision"})
"""What speaks of the teacher's own classes, so a mapped one does not lend it."""


class Mapped:
    """A teacher in the data's labels: the probability of a label is the sum over the classes that the table maps onto it.

    Args:
        teacher: that knows its classes.
        table: a class to a label, or to None: it is left out, and the others share its probability. A class that is not in the table keeps
            its name.

    Raises:
        TeacherError: the table names a class that the teacher does not have, or leaves fewer than two labels.
    """

    def __init__(self, teacher: Any, table: Mapping[str, str | None]) -> None:
        own = tuple(teacher.labels)
        if unknown := sorted(set(table) - set(own)):
            raise TeacherError(
                f"teacher.map: the teacher has no class {listing(unknown)}.{nearest(unknown[0], own)} It knows {listing(list(own))}."
            )
        targets = [table.get(label, label) for label in own]
        self.labels: tuple[str, ...] = tuple(dict.fromkeys(t for t in targets if t is not None))
        if len(self.labels) < 2:
            raise TeacherError(f"teacher.map leaves the labels {list(self.labels)}; two different ones at least are needed.")
        self._teacher, self._table = teacher, {k: table[k] for k in sorted(table)}
        self._sum_CL = np.array([[float(t == label) for label in self.labels] for t in targets])

    def __getattr__(self, name: str) -> Any:
        if name in _NOT_ITS_OWN or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._teacher, name)

    @property
    def name(self) -> str:
        """The teacher's."""
        return str(getattr(self._teacher, "name", ""))

    def gives(self) -> frozenset[str]:
        """What the teacher gives of the whole text; embeddings and hidden states stay what they are."""
        found: frozenset[str] = self._teacher.gives()
        return found

    def fingerprint(self) -> Fingerprint:
        """The teacher's, and the table."""
        return {**self._teacher.fingerprint(), "map": digest(self._table)}

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """The logarithm of the summed probabilities (B, L); a label is known where all of its classes are."""
        signal = self._teacher.answer(payloads, needs)
        found = signal.given()
        if signal.logits_BC is not None:
            p_BL = np.exp(log_softmax(signal.logits_BC)) @ self._sum_CL
            p_BL = np.maximum(p_BL, np.finfo(np.float32).tiny)
            found["logits_BC"] = np.log(p_BL / p_BL.sum(axis=1, keepdims=True)).astype(np.float32)
        if signal.known_BC is not None:
            found["known_BC"] = ((1.0 - signal.known_BC) @ self._sum_CL == 0.0).astype(np.float32)
        return Signal(**found)

    def start(self, old_ids_V: Any) -> Start | None:
        """The teacher's without its head, which is for other classes."""
        found: Start | None = self._teacher.start(old_ids_V)
        return found if found is None else dataclasses.replace(found, head=None)
