"""How an order of labels is said. Knows names and places; knows nothing of how the order was found."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 12


def moves(said_C: Sequence[int], labels: Sequence[str]) -> str:
    """Which answer stands for which label, where these differ.

    Example:
        >>> moves((1, 0, 2), ["a", "b", "c"])
        "'b' is read as 'a', 'a' as 'b'"
    """
    moved = [(labels[said], labels[c]) for c, said in enumerate(said_C) if said != c]
    told = [f"'{said}' {'is read ' if i == 0 else ''}as '{meant}'" for i, (said, meant) in enumerate(moved[:_SHOWN])]
    return ", ".join(told) + (f" and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else "")


def mended(said_C: Sequence[int], labels: Sequence[str]) -> list[str]:
    """The labels in the order in which the answers come: at the place of each answer the label that it stands for.

    Example:
        >>> mended((1, 2, 0), ["a", "b", "c"])
        ['c', 'a', 'b']
    """
    found = list(labels)
    for c, said in enumerate(said_C):
        found[said] = labels[c]
    return found
