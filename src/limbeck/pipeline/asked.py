"""Which training texts a teacher is asked about, where the recipe says how many calls they may take. Knows rounds and a run's folder; trains no student.

    OUT/asked.jsonl    of each such text its key, the round in which it was chosen, and why

The first texts are chosen by themselves alone (`limbeck.data.choose`). Then a linear model of words learns what the teacher said of them, and what it
is unsure of weighs more in the next choice. Each round doubles what is known, and none depends on how many follow: whoever allows more calls later
pays for few texts that were not asked before.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from limbeck.data.choose import choose
from limbeck.data.split import Splits
from limbeck.disk import write_whole
from limbeck.errors import RecipeError, RunFolderError
from limbeck.evidence import Basis
from limbeck.pipeline.baseline import baseline_scores
from limbeck.pipeline.teacher import LOGITS, ask_teacher
from limbeck.pipeline.views import views_of
from limbeck.run import Run
from limbeck.types import Json, Record, View, digest

ASKED = "asked.jsonl"
FIRST = 256
"""Texts of the first round."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A text that is asked about: its key, the number of its round, and why it was chosen."""

    key: str
    round: int
    why: str


def asked_about(run: Run, teacher: Any, splits: Splits) -> Splits:
    """The splits with those training rows alone that the teacher is asked about: all of them where the recipe names no number of calls.

    Each round is written down before it is asked, so a run that is taken up asks for the same texts.

    Raises:
        RecipeError: the calls do not reach for the rows that have to be asked.
        RunFolderError: what was chosen at first cannot be read, and cannot be chosen again.
    """
    if run.recipe.teacher.calls is None:
        return splits
    rows = _by_key(splits)
    found: list[_Chosen] = []
    for number, (_, end) in enumerate(_rounds(most_rows(run, teacher, splits))):
        run.progress("asked", len(found), end, f"round {number + 1}")
        found = _settled(run, splits, found, number, partial(_round, run, teacher, splits, found, number, end))
    run.progress("asked", len(found), len(found), told_of_asked(run)[0])
    return replace(splits, train=tuple(rows[c.key] for c in found))


def first_asked(run: Run, teacher: Any, splits: Splits) -> Splits:
    """The same with the rows of the first round alone, for which nothing has to be asked; so the checks before a run ask about no others."""
    if run.recipe.teacher.calls is None:
        return splits
    end = next(_rounds(most_rows(run, teacher, splits)))[1]
    found = _settled(run, splits, [], 0, partial(_round, run, teacher, splits, [], 0, end))
    rows = _by_key(splits)
    return replace(splits, train=tuple(rows[c.key] for c in found))


def most_rows(run: Run, teacher: Any, splits: Splits) -> int:
    """How many training texts the calls of the recipe reach for: each takes one for itself and one for each of its views, every sample of it.

    Raises:
        RecipeError: fewer than have to be asked, or the rows hold no words.
    """
    calls, there = run.recipe.teacher.calls, len(_by_key(splits))
    if calls is None:
        return len(splits.train)
    if not run.recipe.entry("modalities").vocabulary:
        raise RecipeError(
            "teacher.calls: which rows are worth asking about is seen by their words, and these rows hold none. Leave it out."
        )
    each = (1 + getattr(views_of(run, teacher)[0], "per_record", 0)) * getattr(teacher, "calls_each", 1)
    found, kinds = min(calls // each, there), Counter(_needed(teacher, splits).values())
    if found < min(max(2, kinds.total()), there):
        least = max(2, kinds.total())
        why = f": {kinds['labelled']:,} have a label, and each of these judges" if kinds["labelled"] else ""
        raise RecipeError(
            f"teacher.calls is {calls:,}, and each text takes {each}, but {least:,} texts have to be asked at least{why}. "
            f"Set it to {least * each:,} or more."
        )
    return found


def about_as_many(run: Run, teacher: Any, splits: Splits) -> Splits:
    """The splits with as many training rows as will be asked about, for an estimate: those that this run has chosen already, then any."""
    if run.recipe.teacher.calls is None:
        return splits
    rows = _by_key(splits)
    ordered = dict.fromkeys([*(c.key for c in _read(run) if c.key in rows), *_shuffled(rows, run.recipe.seed)])
    return replace(splits, train=tuple(rows[key] for key in list(ordered)[: most_rows(run, teacher, splits)]))


def judging(splits: Splits, asked: Splits) -> Splits:
    """Those that control and baseline learn from: where labels are held out, all labels of the training rows, asked about or not."""
    return splits if splits.basis is Basis.LABELS and any(r.label is not None for r in splits.train) else asked


def told_of_asked(run: Run) -> tuple[str, ...]:
    """What a report says of it; nothing where all were asked."""
    rounds: list[Json] = []
    while (found := run.measured(f"asked.{len(rounds)}")) is not None:
        rounds.append(found)
    if not rounds:
        return ()
    kinds = sum((Counter(found["why"]) for found in rounds), Counter[str]())
    parts = ", ".join(f"{count:,} {why}" for why, count in kinds.most_common())
    return (
        f"the teacher was asked about {kinds.total():,} of {rounds[0]['of']:,} training texts ({parts}); the student learned nothing from the others",
    )


def _rounds(total: int) -> Iterator[tuple[int, int]]:
    """From which text to which each round goes."""
    start, end = 0, FIRST
    while start < total:
        yield start, min(end, total)
        start, end = end, 2 * end


def _by_key(splits: Splits) -> dict[str, Record]:
    """The training rows, each text once."""
    rows: dict[str, Record] = {}
    for row in splits.train:
        rows.setdefault(row.key, row)
    return rows


def _shuffled(keys: Iterable[str], seed: int) -> list[str]:
    """The keys in an order of chance, which further keys do not change."""
    return sorted(keys, key=lambda key: hashlib.sha256(f"{seed}/{key}".encode()).digest())


def _needed(teacher: Any, splits: Splits) -> dict[str, str]:
    """Keys of the training rows that are asked about in any case, and why: those that a teacher was tried with, and where each labelled row
    judges, these."""
    tried = list(dict.fromkeys(r.key for r in splits.train))[: max(0, getattr(teacher, "tried", 0) - len(splits.valid))]
    labelled = [r.key for r in splits.train if r.label is not None] if splits.basis is Basis.CROSS_FITTING else []
    return {**dict.fromkeys(tried, "tried"), **dict.fromkeys(labelled, "labelled")}


def _round(run: Run, teacher: Any, splits: Splits, before: Sequence[_Chosen], number: int, end: int) -> list[_Chosen]:
    """The texts of one round."""
    rows, recipe = _by_key(splits), run.recipe
    taken = {c.key for c in before}
    found = [(key, why) for key, why in _needed(teacher, splits).items() if key not in taken][: end - len(before)]
    taken |= {key for key, _ in found}
    free = _shuffled((key for key in rows if key not in taken), recipe.seed)
    if recipe.teacher.choose == "active":
        texts, known = ([rows[key].payload for key in of] for of in (free, sorted(taken)))
        logits_NC = _doubts(run, teacher, splits, [rows[c.key] for c in before], texts)
        wanted = end - len(before) - len(found)
        chosen = [(free[c.index], c.why) for c in choose(texts, wanted, logits_NC=logits_NC, known=known, seed=recipe.seed)]
        found += [(key, str(why)) for key, why in chosen]
        taken |= {key for key, _ in chosen}
    found += [(key, "random") for key in free if key not in taken][: end - len(before) - len(found)]
    return [_Chosen(key, number, why) for key, why in found]


def _doubts(run: Run, teacher: Any, splits: Splits, rows: Sequence[Record], texts: Sequence[str]) -> Any:
    """What a linear model of words says of texts that has learned the teacher's answers to these rows, (N, C); None where it has nothing to learn."""
    if not rows:
        return None
    store = ask_teacher(run, teacher, [View((r.key,), (), run.recipe.seed, r.payload, r.label) for r in rows], splits)
    logits_NC = np.asarray(store.get([r.payload for r in rows], LOGITS).logits_BC)
    said_N = np.ptp(logits_NC, axis=1) > 0.0  # else its answer could not be used
    heard = [(r.payload, teacher.labels[i]) for r, i, said in zip(rows, logits_NC.argmax(axis=1), said_N, strict=True) if said]
    return baseline_scores(run.recipe.entry("tasks"), [text for text, _ in heard], [label for _, label in heard], texts)


def _settled(
    run: Run, splits: Splits, before: Sequence[_Chosen], number: int, choosing: Callable[[], list[_Chosen]]
) -> list[_Chosen]:
    """What was chosen until this round and in it, by the file where that is what resolved.json speaks of; else chosen now, and written down."""
    path, name = run.folder / ASKED, f"asked.{number}"
    settled = run.measured(name)
    there = [c for c in _read(run) if c.round == number]
    if settled is not None and _sum(there) == settled["sha256"]:
        return [*before, *there]
    found = choosing()
    if settled is not None and _sum(found) != settled["sha256"]:
        raise RunFolderError(
            f"{path} is not what this run wrote, and the texts of round {number + 1} cannot be chosen again as they were. Give another --out."
        )
    whole = [*before, *found]
    told = {"of": len(_by_key(splits)), "why": dict(Counter(c.why for c in found))}
    write_whole(path, [(json.dumps(asdict(c)) + "\n").encode() for c in whole])
    run.decided(name, lambda: {**told, "sha256": _sum(found)})
    return whole


def _sum(chosen: Sequence[_Chosen]) -> str:
    return digest([asdict(c) for c in chosen])


def _read(run: Run) -> list[_Chosen]:
    """What the file holds; nothing where it is absent or damaged."""
    try:
        lines: list[Json] = [json.loads(line) for line in (run.folder / ASKED).read_text(encoding="utf-8").splitlines()]
        return [_Chosen(**line) for line in lines]
    except (OSError, ValueError, TypeError):
        return []
