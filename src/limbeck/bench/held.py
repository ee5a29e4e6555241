"""What is measured of one server, in the order in which it is done. Knows the parts of this folder; prints nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from limbeck.bench.generator import Load, Tick, offer
from limbeck.bench.http import Address, Answer, Ask, answer
from limbeck.bench.processes import Behind
from limbeck.bench.search import Found, highest_rate
from limbeck.bench.step import Step
from limbeck.errors import ServerError

OnStep = Callable[[Step], None]
BOUND = 0.020
SHARE_OF_SATURATION = 0.6
"""Where the search begins: below what a closed loop carries, since that rate leaves no room for a queue."""
_LEAST_PATIENCE, _BOUNDS = 1.0, 10.0
_WARMUP = 1.0
_HERE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that can be asked: how it is asked, and its processes where they run here.

    connections: kept alive. seed: of arrivals and the order of the requests. spin: the generator has a core of its own (`Load`).
    """

    address: Address
    asks: Sequence[Ask]
    behind: Behind | None = None
    connections: int = 64
    seed: int = 0
    spin: bool = False

    @classmethod
    def at(cls, address: Address, asks: Sequence[Ask], connections: int = 64, seed: int = 0, spin: bool = False) -> Server:
        """The server at an address, after one question to it.

        Raises:
            ServerError: nobody answers, or not as expected.
        """
        first_answer(address, asks[0])
        behind = Behind(address.port) if address.host in _HERE else None
        return cls(address, asks, behind if behind and behind.pids() else None, connections, seed, spin)

    def of(self, asks: Sequence[Ask]) -> Server:
        """The same server, asked other things."""
        return replace(self, asks=asks)

    def load(self, rate: float | None, seconds: float) -> Load:
        """So many requests a second (None: as many as the connections carry) for so long."""
        warmup = min(_WARMUP, seconds / 3)
        return Load(self.address, self.asks, rate, seconds, warmup, self.connections, seed=self.seed, spin=self.spin)

    def offered(self, rate: float | None, seconds: float, most: int | None = None, tick: Tick | None = None) -> Step:
        """What becomes of them."""
        return offer(replace(self.load(rate, seconds), most=most), self.behind, tick)

    def held(self, bound: float = BOUND, seconds: float = 3.0, on_step: OnStep = lambda _: None, anyway: bool = False) -> Found:
        """The highest rate under a p99 of `bound` seconds.

        Args:
            bound: seconds from the moment a request was due.
            seconds: of each step.
            on_step: called with each step.
            anyway: go on where other work on the machine makes the result void.
        """

        def measure(rate: float, seconds: float) -> Step:
            # A queue that is ten bounds long will not pass; what waits in it need not be waited for.
            patience = max(_LEAST_PATIENCE, _BOUNDS * bound)
            step = offer(replace(self.load(rate, seconds), patience=patience), self.behind)
            on_step(step)
            return step

        saturated = self.offered(None, seconds)
        on_step(saturated)
        return highest_rate(measure, bound, max(1.0, SHARE_OF_SATURATION * saturated.achieved), seconds, anyway=anyway)


def first_answer(address: Address, asked: Ask, patience: float = 10.0) -> Answer:
    """Ask once.

    Raises:
        ServerError: nobody answers, or not with a status that is right.
    """
    got = b""
    try:
        with socket.create_connection((address.host, address.port), timeout=patience) as opened:
            opened.sendall(asked.wire)
            while (found := answer(got)) is None:
                data = opened.recv(65_536)
                if not data:
                    raise ServerError(f"{address.authority} closed the connection after {got[:80]!r} instead of an answer")
                got += data
    except (OSError, ValueError) as error:
        if isinstance(error, ServerError):
            raise
        raise ServerError(f"http://{address.authority}{address.path} does not answer: {error}. Is the server there?") from error
    if found.status not in asked.right:
        body = got.partition(b"\r\n\r\n")[2][:300].decode(errors="replace")
        raise ServerError(
            f"http://{address.authority}{address.path} answered {found.status} to {asked.wire[-80:]!r}, "
            f"expected {', '.join(map(str, sorted(asked.right)))}: {body}"
        )
    return found
