"""What the processes of a server share: memory, made before they are forked. Knows whose it is; knows nothing of what stands in it."""

from __future__ import annotations

from dataclasses import dataclass

from limbeck.serve.board import Board
from limbeck.serve.live import Live
from limbeck.serve.rates import Rates
from limbeck.serve.visitors import Visitors


@dataclass(frozen=True, slots=True)
class Shared:
    """board: what each process said last. rates: of keys. live: counts of the last two minutes. visitors: of the pages."""

    board: Board
    rates: Rates
    live: Live
    visitors: Visitors
