"""What calls cost, in tokens and in money. Knows counts and prices; asks nobody."""

from __future__ import annotations

from dataclasses import dataclass

from limbeck.teachers._paid_answers import Spent

_CHARACTERS_A_TOKEN = 4.0
"""Of English, before an endpoint has counted any."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What asking will take, or took: rows, calls, tokens, and money (None: the recipe has no prices)."""

    rows: int
    calls: int
    tokens_in: int
    tokens_out: int
    money: float | None


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a million tokens in and out; both None: nobody said."""

    tokens_in: float | None
    tokens_out: float | None

    @property
    def known(self) -> bool:
        """Whether there are any."""
        return self.tokens_in is not None or self.tokens_out is not None

    def money(self, tokens_in: float, tokens_out: float) -> float:
        """What so many tokens cost.

        Example:
            >>> Prices(2.0, 8.0).money(500_000, 100_000)
            1.8
        """
        return (tokens_in * (self.tokens_in or 0.0) + tokens_out * (self.tokens_out or 0.0)) / 1e6

    def estimate(self, rows: int, calls: int, tokens_in: float, tokens_out: float) -> Estimate:
        """The same in a row."""
        money = self.money(tokens_in, tokens_out) if self.known else None
        return Estimate(rows, calls, round(tokens_in), round(tokens_out), money)


def tokens(characters: int, calls: int, before: Spent, usual_out: float) -> tuple[float, float]:
    """About how many tokens calls take, in and out: as the endpoint counted those before, else as English has."""
    a_token = before.characters / before.tokens_in if before.tokens_in else _CHARACTERS_A_TOKEN
    each_out = before.tokens_out / before.calls if before.tokens_out else usual_out
    return characters / a_token, each_out * calls
