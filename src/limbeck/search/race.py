"""Successive halving towards the smallest that keeps enough. Knows names and scores; trains nothing itself.

Candidates go through rungs of growing length, small ones first. At a rung nobody larger than the first that keeps enough need run. A quarter of
those that ran goes on, two at least: first those that no smaller one equals, by their nearness to the teacher. Where all that went on fall short in
the end, the larger ones that did not need to run get their turn. Where the nearest is looked for, however large, everyone runs and the nearest go on.

Of each family the nearest goes on beside them: families learn at their own paces, and what a few hundred steps say of an encoder beside a bag is not
how they end (docs/diary.md), while sizes of one family keep their order.

Source: Jamieson and Talwalkar (2016), Non-stochastic Best Arm Identification and Hyperparameter Optimization, section 3, for halving; Li et al.
(2018), Hyperband, section 3, for quarters, which cost a third of it here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

LEAST, PART = 2, 4
"""One of `PART` goes on to the next rung, and `LEAST` where there are so many."""


class Score(NamedTuple):
    """What a candidate reached at a rung.

    quality: what has to be enough. nearness: by which those that go on are chosen, more is better; it says more than the quality, which of a few
    hundred rows counts right answers. trained: the share of its plan that it had been trained.
    """

    quality: float
    nearness: float
    trained: float = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a race ended. scores: of each candidate that ran, one for each of its rungs. enough: whether the winner keeps enough."""

    winner: str
    enough: bool
    scores: Mapping[str, tuple[Score, ...]]


def race(families: Mapping[str, str], rungs: int, score: Callable[[str, int], Score], enough: float | None) -> Result:
    """Find the smallest candidate whose quality at the last rung is enough; else the one with the highest, of equals the nearer.

    Args:
        families: of each candidate, from small to large; at least one.
        rungs: how many there are.
        score: of a candidate at a rung, which always comes after its rungs before; the same question may come twice.
        enough: the least quality that is; None: nothing is, the nearest is looked for.
    """
    least = float("inf") if enough is None else enough
    waiting, scores = list(families), dict[str, tuple[Score, ...]]()
    while waiting:
        field, waiting = waiting, []
        for rung in range(rungs):
            ran: dict[str, Score] = {}
            for place, name in enumerate(field):
                ran[name] = score(name, rung)
                scores[name] = (*scores.get(name, ())[:rung], ran[name])
                if ran[name].quality >= least:
                    waiting = [*field[place + 1 :], *waiting]
                    break
            if rung + 1 < rungs:
                # Who keeps enough already goes on however near it is.
                near = {name: float("inf") if s.quality >= least else _number(s.nearness) for name, s in ran.items()}
                field = go_on(near, families, smaller_first=enough is not None)
            else:
                field = list(ran)
        if kept := [name for name in field if ran[name].quality >= least]:
            return Result(kept[0], True, scores)
    finished = [name for name in families if len(scores.get(name, ())) == rungs]
    # Of those that fall short the one that falls least short of what was asked; `max` takes the first, which is the smallest.
    return Result(max(finished, key=lambda name: _worth(scores[name][-1], enough is None)), False, scores)


def _number(nearness: float) -> float:
    return -float("inf") if math.isnan(nearness) else nearness  # what diverged is nearest to nobody


def _worth(reached: Score, nearest: bool) -> tuple[float, ...]:
    return (_number(reached.nearness),) if nearest else (reached.quality, _number(reached.nearness))


def go_on(ran: Mapping[str, float], families: Mapping[str, str], smaller_first: bool = True) -> list[str]:
    """Who goes on to the next rung, from small to large: the nearest, before them those that are nearer than each smaller one, and of each family one.

    Args:
        ran: nearness, from small to large.
        families: of each of them.
        smaller_first: whether those come before them; else the nearest go on, whatever lies below them.

    Example:
        >>> bags = dict.fromkeys("abcde", "bag")
        >>> go_on({"a": 0.5, "b": 0.4, "c": 0.6, "d": 0.6}, bags)
        ['a', 'c']
        >>> go_on({"a": 0.5, "b": 0.4, "c": 0.6, "d": 0.6}, bags, smaller_first=False)
        ['c', 'd']
        >>> go_on({"a": 0.5, "b": 0.4, "c": 0.6, "d": 0.6}, {**bags, "b": "encoder"}, smaller_first=False)
        ['b', 'c', 'd']
    """
    names, best, of_family = list(ran), float("-inf"), dict[str, str]()
    ahead = set[str]()
    for name in names:
        if ran[name] > best and smaller_first:
            ahead.add(name)
            best = ran[name]
        if ran[name] > ran[of_family.setdefault(families[name], name)]:
            of_family[families[name]] = name
    order = sorted(names, key=lambda name: (name not in ahead, -ran[name]))  # stable: of equals the smaller
    kept = {*of_family.values(), *order[: max(LEAST, -(-len(names) // PART))]}
    return [name for name in names if name in kept]
