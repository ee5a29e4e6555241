"""Successive halving towards the smallest that keeps enough. Knows names and scores; trains nothing itself.

Candidates go through rungs of growing length, small ones first. At a rung nobody larger than the first that keeps enough need run. Half of
those that ran go on: first those that no smaller one equals, by their scores. Where all that went on fall short in the end, the larger
ones that did not need to run get their turn.

Source: Jamieson and Talwalkar (2016), Non-stochastic Best Arm Identification and Hyperparameter Optimization, section 3, for halving.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """How a race ended. scores: of each candidate that ran, one for each of its rungs. enough: whether the winner keeps enough."""

    winner: str
    enough: bool
    scores: Mapping[str, tuple[float, ...]]


def race(ladder: Sequence[str], rungs: int, score: Callable[[str, int], float], enough: float) -> Result:
    """Find the smallest candidate whose score at the last rung is enough; else the best one, of equals the smaller.

    Args:
        ladder: the candidates from small to large; at least one.
        rungs: how many there are.
        score: of a candidate at a rung, which always comes after its rungs before; the same question may come twice.
        enough: the least score that is.
    """
    waiting, scores = list(ladder), dict[str, tuple[float, ...]]()
    while waiting:
        field, waiting = waiting, []
        for rung in range(rungs):
            ran: dict[str, float] = {}
            for place, name in enumerate(field):
                ran[name] = score(name, rung)
                scores[name] = (*scores.get(name, ())[:rung], ran[name])
                if ran[name] >= enough:
                    waiting = [*field[place + 1 :], *waiting]
                    break
            field = list(ran) if rung + 1 == rungs else halved(ran)
        if any(ran[name] >= enough for name in field):
            return Result(next(name for name in field if ran[name] >= enough), True, scores)
    finished = [name for name in ladder if len(scores.get(name, ())) == rungs]
    return Result(max(finished, key=lambda name: scores[name][-1]), False, scores)


def halved(ran: Mapping[str, float]) -> list[str]:
    """Half of them, from small to large: those first that score more than each smaller one, by falling score.

    Args:
        ran: scores, from small to large.

    Example:
        >>> halved({"a": 0.5, "b": 0.4, "c": 0.6, "d": 0.6})
        ['a', 'c']
    """
    names, best = list(ran), float("-inf")
    ahead = set[str]()
    for name in names:
        if ran[name] > best:
            ahead.add(name)
            best = ran[name]
    order = sorted(names, key=lambda name: (name not in ahead, -ran[name]))  # stable: of equals the smaller
    kept = set(order[: (len(names) + 1) // 2])
    return [name for name in names if name in kept]
