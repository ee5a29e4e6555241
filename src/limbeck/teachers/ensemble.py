"""Several teachers of any kind as one. Knows their answers; knows no kind.

    p(c | text) = sum_m w_m p_m(c | text)        disagreement = H(p) - sum_m w_m H(p_m), nats

Letters: M members, B texts, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, ValidationError

from limbeck import catalog, settings
from limbeck.errors import TeacherError, UnknownNameError, listing
from limbeck.metrics.probabilities import log_softmax
from limbeck.problems import sentences
from limbeck.teachers._said import Says
from limbeck.types import Fingerprint, Json, Record, Signal, digest

Members = Annotated[tuple[dict[str, Any], ...], Field(strict=False)]
Weights = Annotated[tuple[Annotated[float, Field(gt=0.0, strict=False)], ...], Field(strict=False)]


class Ensemble:
    """The weighted mean of its members' probabilities, and how far they disagree (their Jensen-Shannon divergence).

    Args:
        members: teachers that know the classes.
        weights: of the members; empty: all alike. They are divided by their sum.

    Raises:
        TeacherError: fewer than two members, another number of weights, or a member without classes.

    Source: Lakshminarayanan et al. (2017), Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, section 2.4.
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`members`: sections as a recipe's `teacher`, each with its kind. `weights`: one for each; none: all alike."""

        members: Members = ()
        weights: Weights = ()

    has_head: ClassVar[bool] = True

    def __init__(self, members: Sequence[Any], weights: Sequence[float] = ()) -> None:
        if len(members) < 2 or len(weights) not in (0, len(members)):
            raise TeacherError(
                f"teacher.members: an ensemble needs two members at least, and as many weights or none; got {len(members)} members and "
                f"{len(weights)} weights."
            )
        if bare := [m for m in members if not m.has_head]:
            raise TeacherError(
                f"teacher.members: one of kind {type(bare[0]).__name__} knows no classes yet. Only a teacher alone is fine-tuned; "
                "give one with a head (the folder teacher/ of a run)."
            )
        self.members = list(members)
        shares = np.asarray(weights or [1.0] * len(members), np.float64)
        self._weight_M = shares / shares.sum()
        self.tolerance = max(float(m.tolerance) for m in members)
        self.parameters = sum(int(m.parameters) for m in members)
        self.bytes = sum(int(getattr(m, "bytes", 0) or 4 * m.parameters) for m in members)
        self.name = "ensemble of " + ", ".join(str(getattr(m, "name", "") or type(m).__name__) for m in members)
        self.form = "Python"
        self.answers_anything = all(getattr(m, "answers_anything", True) for m in members)
        self.answers_here = all(getattr(m, "answers_here", True) for m in members)
        self.paid = any(getattr(m, "paid", False) for m in members)
        self.shard = 128 if self.paid else 1024
        self.labels: tuple[str, ...] = ()
        self._order_MC: list[list[int]] = []
        if all(m.labels for m in members):
            self._align()

    @classmethod
    def load(cls, settings_: Settings, device: str = "cpu") -> Ensemble:
        """Load all members.

        Raises:
            TeacherError: one cannot be loaded; the message says which.
        """
        return cls([_member(place, section, device) for place, section in enumerate(settings_.members)], settings_.weights)

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> Ensemble:
        """Two callables."""
        entry = catalog.find("teachers", "function")
        return cls([entry.tiny(folder, seed=seed), entry.tiny(folder, seed=seed + 3)], [2.0, 1.0])

    def discover(self, rows: Sequence[Record], labels: Sequence[str]) -> None:
        """Let each member find out what it has to."""
        for member in self.members:
            if hasattr(member, "discover"):
                member.discover(rows, labels)
        self._align()

    def expect(self, labels: Sequence[str], rows: Sequence[Record] = ()) -> None:
        """The data's labels and rows, for members that take them."""
        for member in self.members:
            if hasattr(member, "expect"):
                member.expect(labels, rows)

    def remarks(self) -> tuple[str, ...]:
        """What a report has to say of the members."""
        return tuple(told for member in self.members if hasattr(member, "remarks") for told in member.remarks())

    @property
    def says(self) -> Says:
        """Probabilities if any member gives some, else labels, of which a mean is votes."""
        said = {str(getattr(m, "says", "probabilities")) for m in self.members}
        return "probabilities" if said & {"probabilities", "top_k"} else "votes"

    def gives(self) -> frozenset[str]:
        """Logits and the disagreement."""
        return frozenset({"logits_BC", "disagreement_B"})

    def fingerprint(self) -> Fingerprint:
        """Those of all members, and their weights."""
        found = [dict(m.fingerprint()) for m in self.members]
        return {"kind": "ensemble", "weights": digest(found), "shares": digest([f"{w:.6f}" for w in self._weight_M])}

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """The logarithm of the mean probabilities (B, C), and the disagreement (B,)."""
        logs_MBC = []
        for member, order_C in zip(self.members, self._order_MC, strict=True):
            logs_MBC.append(log_softmax(member.answer(payloads, frozenset({"logits_BC"})).logits_BC)[:, order_C])
        p_MBC = np.exp(logs_MBC)
        mean_BC = np.einsum("m,mbc->bc", self._weight_M, p_MBC)
        log_BC = np.log(np.maximum(mean_BC, np.finfo(np.float32).tiny))
        each_MB = -(p_MBC * np.asarray(logs_MBC)).sum(axis=2)
        disagreement_B = np.maximum(-(mean_BC * log_BC).sum(axis=1) - self._weight_M @ each_MB, 0.0)
        found = {"logits_BC": log_BC.astype(np.float32), "disagreement_B": disagreement_B.astype(np.float32)}
        return Signal(**{name: value for name, value in found.items() if name in needs})

    def close(self) -> None:
        """Close what members hold open."""
        for member in self.members:
            if hasattr(member, "close"):
                member.close()

    # --- what a student may start from: the first member that has a tokenizer -----------------------------------

    @property
    def max_tokens(self) -> int:
        """Of the member that lends its tokenizer."""
        return int(getattr(self._lender(), "max_tokens", 128))

    def tokenizer_json(self) -> Json | None:
        """Of the first member that has one; None: there is none."""
        found: Json | None = self._lender().tokenizer_json() if self._lender() else None
        return found

    def token_embeddings(self) -> Any:
        """Of the same member."""
        return self._lender().token_embeddings() if self._lender() else None

    def start(self, old_ids_V: Any) -> Any:
        """From the same member."""
        return self._lender().start(old_ids_V) if self._lender() else None

    def _lender(self) -> Any:
        return next((m for m in self.members if hasattr(m, "tokenizer_json") and m.tokenizer_json() is not None), None)

    def _align(self) -> None:
        """Members may list the same classes in other orders."""
        first = self.members[0].labels
        for place, member in enumerate(self.members):
            if odd := sorted(set(first) ^ set(member.labels)):
                raise TeacherError(
                    f"teacher.members.{place}: its classes are not those of the first member: only one of the two has {listing(odd)}. "
                    "Rename them (teacher.labels of that member), or leave it out."
                )
        self._order_MC = [[list(m.labels).index(label) for label in first] for m in self.members]
        self.labels = tuple(first)


def _member(place: int, section: Mapping[str, Any], device: str) -> Any:
    kind = str(section.get("kind", "huggingface"))
    try:
        entry = catalog.find("teachers", kind)
        own = {key: value for key, value in section.items() if key != "kind"}
        values = settings.made(entry.Settings, own)
    except UnknownNameError as error:
        raise TeacherError(f"teacher.members.{place}.kind: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(sentences(settings.checker(entry.Settings), error, own))
        raise TeacherError(f"teacher.members.{place}: {wrong}") from error
    return entry.load(values, device)
