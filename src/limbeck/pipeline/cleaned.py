"""What a student learns of a teacher that errs: its answers corrected, and without those that are likely wrong. Knows signals, labels and views; the store stays
what the teacher said.

    OUT/evidence/suspects.jsonl    of each suspected answer the key of its text, what the teacher says, what is likelier, and why

Letters: N views, C classes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.data.split import Splits
from limbeck.disk import write_whole
from limbeck.errors import RecipeError, TeacherError, listing, nearest
from limbeck.metrics.noise import as_shared, likely_classes, shares_here
from limbeck.metrics.probabilities import confidence, log_softmax
from limbeck.pipeline.baseline import baseline_scores
from limbeck.run import Run
from limbeck.signals.store import SignalStore
from limbeck.types import Json, Record, Signal, View

SUSPECTS = "suspects.jsonl"
_FOLDS = 5
_SURE = 0.98
"""The probability of a label that takes the place of an answer, as fine-tuning takes it too."""
_LOGITS, _DISAGREEMENT = frozenset({"logits_BC"}), frozenset({"disagreement_B"})


@dataclass(frozen=True, slots=True)
class Corrected:
    """A store whose logits are corrected as they are read.

    trained_C, shares_C: of the classes, in what the teacher has learned from and among these texts; None: nothing is corrected. gold: the class of a
    text that takes the place of another answer.
    """

    store: SignalStore
    trained_C: NDArray[np.float64] | None
    shares_C: NDArray[np.float64] | None
    gold: Mapping[str, int]

    def get(self, payloads: Sequence[str], needs: frozenset[str]) -> Signal:
        """The signals of payloads, in order."""
        found = self.store.get(payloads, needs)
        if found.logits_BC is None:
            return found
        logits_BC, known_BC = np.array(found.logits_BC), None if found.known_BC is None else np.array(found.known_BC)
        if self.trained_C is not None and self.shares_C is not None:
            logits_BC = as_shared(logits_BC, self.trained_C, self.shares_C)
        for row, payload in enumerate(payloads):
            if (right := self.gold.get(payload)) is not None and logits_BC[row].argmax() != right:
                logits_BC[row] = np.log((1.0 - _SURE) / (logits_BC.shape[1] - 1))
                logits_BC[row, right] = np.log(_SURE)
                if known_BC is not None:
                    known_BC[row] = 1.0
        return replace(found, logits_BC=logits_BC, known_BC=known_BC)


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a student is taught: signals, and the views that it learns from."""

    store: Any
    views: tuple[View, ...]


def lessons(run: Run, teacher: Any, store: SignalStore, views: Sequence[View], splits: Splits) -> Lessons:
    """The teacher's answers as the recipe wants them: corrected, and without those that it filters.

    Raises:
        TeacherError: nothing is left.
    """
    section = run.recipe.teacher
    asked, there = section.filter, tuple(views)
    if section.prior is None and section.gold == "weigh" and asked == type(asked)():
        return Lessons(store, there)
    corrected = Corrected(store, *_shares(teacher, store, there, section.prior), gold=_gold(run, teacher, there, splits))
    payloads = [v.payload for v in there]
    logits_NC = np.asarray(corrected.get(payloads, _LOGITS).logits_BC)
    why: dict[int, str] = {}
    for row in np.flatnonzero(confidence(logits_NC) < asked.confidence).tolist():
        why[row] = "unsure"
    if asked.disagreement is not None:
        for row in np.flatnonzero(np.asarray(store.get(payloads, _DISAGREEMENT).disagreement_B) > asked.disagreement).tolist():
            why.setdefault(int(row), "disagreed")
    suspects = list(_suspects(run.recipe.entry("tasks"), teacher, there, logits_NC)) if asked.suspects != "off" else []
    if asked.suspects == "drop":
        for row, _ in suspects:
            why.setdefault(row, "suspect")
    if suspects:
        _write(run, suspects)
    left = tuple(v for row, v in enumerate(there) if row not in why)
    if not left:
        raise TeacherError("teacher.filter leaves none of the teacher's answers. Lower its limits.")
    told: Json = {"of": len(there), "left_out": dict(Counter(why.values())), "suspects": len(suspects)}
    said_N = np.asarray(store.get(list(corrected.gold), _LOGITS).logits_BC).argmax(axis=1) if corrected.gold else np.zeros(0)
    told["overridden"] = int(sum(said != right for said, right in zip(said_N, corrected.gold.values(), strict=True)))
    if corrected.shares_C is not None:
        told["shares"] = {name: round(float(s), 4) for name, s in zip(teacher.labels, corrected.shares_C, strict=True)}
    run.decided("filter", lambda: told)
    run.progress("filter", 1, 1, told_of_lessons(told)[0])
    return Lessons(corrected, left)


def told_of_lessons(found: Json | None) -> tuple[str, ...]:
    """What a report says of it; nothing where the answers were taken as they are."""
    if found is None:
        return ()
    parts = [f"{count:,} {why}" for why, count in sorted(found["left_out"].items())] or ["none"]
    told = f"of the teacher's {found['of']:,} answers to training texts these taught nobody: {', '.join(parts)}"
    if found["suspects"]:
        told += f"; {found['suspects']:,} are named in evidence/{SUSPECTS}"
    if found["overridden"]:
        told += f"; {found['overridden']:,} gave way to a label of the data"
    if "shares" in found:
        told += "; they were corrected to the shares of the classes among these texts"
    return (told,)


def check_lessons(run: Run, gives: frozenset[str], labels: Sequence[str]) -> None:
    """Say what the recipe wants that this teacher cannot give, before it is asked anything.

    Raises:
        TeacherError: the shares do not name the classes, or there is no disagreement.
        RecipeError: suspects are looked for among rows without words.
    """
    section = run.recipe.teacher
    if section.filter.suspects != "off" and not run.recipe.entry("modalities").vocabulary:
        raise RecipeError("teacher.filter.suspects: they are found by their words, and these rows hold none. Leave it out.")
    if section.filter.disagreement is not None and not gives & _DISAGREEMENT:
        raise TeacherError("teacher.filter.disagreement is of an ensemble's members; this teacher has none. Leave it out.")
    if not isinstance(section.prior, Mapping):
        return
    lacking, unknown = sorted(set(labels) - set(section.prior)), sorted(set(section.prior) - set(labels))
    if lacking or unknown:
        what = f"names no share of {listing(lacking)}" if lacking else f"names {listing(unknown)}, which is no class"
        hint = nearest(unknown[0], labels) if not lacking else ""
        raise TeacherError(f"teacher.prior {what}.{hint} It needs the share of each class that the teacher has learned from.")


def _shares(teacher: Any, store: SignalStore, views: Sequence[View], prior: Any) -> tuple[Any, Any]:
    """The shares of the classes in what the teacher has learned from, and among the texts as they are."""
    if prior is None:
        return None, None
    trained_C = np.array([1.0 if prior == "uniform" else prior[label] for label in teacher.labels], np.float64)
    trained_C /= trained_C.sum()
    texts = [v.payload for v in views if not v.operations]
    return trained_C, shares_here(np.exp(log_softmax(np.asarray(store.get(texts, _LOGITS).logits_BC))), trained_C)


def _gold(run: Run, teacher: Any, views: Sequence[View], splits: Splits) -> dict[str, int]:
    """The class of each text whose label is known, where labels take the place of answers."""
    if run.recipe.teacher.gold == "weigh":
        return {}
    index = {label: i for i, label in enumerate(teacher.labels)}
    known: list[View | Record] = [*views, *splits.valid]
    labelled = [(x.payload, x.label) for x in known if x.label is not None]
    return {payload: index[str(label)] for payload, label in labelled}


def _suspects(task: Any, teacher: Any, views: Sequence[View], logits_NC: NDArray[Any]) -> Iterator[tuple[int, Json]]:
    """The rows whose answer is likely wrong, by a linear model of words that has not seen their text, nor another view of it."""
    said_N = logits_NC.argmax(axis=1)
    fold_N = np.array([int(hashlib.sha256("".join(v.keys[:1]).encode()).hexdigest(), 16) % _FOLDS for v in views])
    p_NC = np.zeros(logits_NC.shape)
    for fold in range(_FOLDS):
        learned, judged = np.flatnonzero(fold_N != fold).tolist(), np.flatnonzero(fold_N == fold).tolist()
        texts, labels = [views[i].payload for i in learned], [teacher.labels[said_N[i]] for i in learned]
        found = baseline_scores(task, texts, labels, [views[i].payload for i in judged]) if judged else None
        if found is None:
            p_NC[judged, said_N[judged]] = 1.0  # nothing speaks against it
            continue
        columns = [teacher.labels.index(label) for label in sorted(set(labels))]
        p_NC[np.ix_(judged, columns)] = np.exp(log_softmax(found))
    likely_N = likely_classes(p_NC, said_N)
    for row in np.flatnonzero(likely_N != said_N).tolist():
        said, likely = int(said_N[row]), int(likely_N[row])
        yield (
            row,
            {
                "key": views[row].keys[0],
                "view": "+".join(o.name for o in views[row].operations),
                "teacher": teacher.labels[said],
                "likelier": teacher.labels[likely],
                "label": views[row].label,
                "why": f"a linear model of words that has not seen it gives the teacher's answer {p_NC[row, said]:.2f} and '{teacher.labels[likely]}' "
                f"{p_NC[row, likely]:.2f}",
            },
        )


def _write(run: Run, suspects: Sequence[tuple[int, Json]]) -> None:
    """Write the list in the order of the data; it names texts by their keys, and holds none."""
    (run.folder / "evidence").mkdir(exist_ok=True)
    lines = [(json.dumps(told, ensure_ascii=False) + "\n").encode() for _, told in suspects]
    write_whole(run.folder / "evidence" / SUSPECTS, lines)
