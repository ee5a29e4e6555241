"""Offers requests over a fixed set of connections and notes when each answer came. Knows sockets and clocks; judges nothing.

It is an open loop: a request is due when chance says so, whether or not the server has answered the last one, and its latency runs
from that moment. A stall of the server so falls on all who would have come meanwhile (what a closed loop hides is called coordinated
omission). One thread waits on one selector; the selector's own descriptor is waited for with `select`, whose time-out has
microseconds where that of epoll, and so of asyncio, has milliseconds: at 5,000 requests/s they would leave in bursts of five.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import itertools
import math
import random
import select
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from limbeck.bench.arrivals import poisson
from limbeck.bench.histogram import Histogram
from limbeck.bench.http import Address, Answer, Ask, answer
from limbeck.bench.processes import Behind
from limbeck.bench.step import Step
from limbeck.bench.usage import Shares, Usage
from limbeck.errors import ServerError

Tick = Callable[[float, int], None]
"""Called about once a second, with the seconds since the start and the number of requests sent."""
_READ = 65_536
_LEAD = 0.05  # seconds between the last connection and the first request
_REOPEN = 0.02
_CONNECTING = (errno.EINPROGRESS, errno.EWOULDBLOCK, 0)


@dataclass(frozen=True, slots=True)
class Load:
    """What is offered.

    asks: taken in an order by chance. rate: requests/s, or None for as many as the connections carry. seconds: measured, behind `warmup`
    seconds that are not. connections: kept alive; where all are busy, requests wait here, and their latency runs. patience: seconds after
    which a request is given up. most: requests at which it ends, however early. spin: poll without sleeping, for a generator with a core
    of its own: to wake up takes a tenth of a millisecond, which would be charged to the server.
    """

    address: Address
    asks: Sequence[Ask]
    rate: float | None
    seconds: float = 5.0
    warmup: float = 1.0
    connections: int = 64
    patience: float = 10.0
    most: int | None = None
    seed: int = 0
    spin: bool = False


def offer(load: Load, behind: Behind | None = None, tick: Tick | None = None) -> Step:
    """Offer a load, and say what became of it.

    Args:
        load: what is offered.
        behind: the server's processes, where they run on this machine: their time is no other work, and their memory is noted.
        tick: called about once a second.

    Raises:
        ServerError: nobody listens there when it starts.
    """
    run = _Run(load, behind, tick)
    gc.collect()
    gc.disable()  # a pause of ours would be a latency of the server's
    try:
        return run.offered()
    finally:
        gc.enable()
        run.close()


class _Wire:
    """One connection: what was asked on it and since when, what came, what is still to be sent."""

    __slots__ = ("ask", "buffer", "due", "rest", "sent", "socket")

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.ask: Ask | None = None
        self.due = self.sent = 0.0
        self.buffer = self.rest = b""


class _Run:
    def __init__(self, load: Load, behind: Behind | None, tick: Tick | None) -> None:
        self.load, self.behind, self.tick = load, behind, tick
        self.selector = selectors.DefaultSelector()
        self.free: deque[_Wire] = deque()  # the one that has waited longest is asked next, so that all are used
        self.wires: set[_Wire] = set()
        self.busy = self.sent = self.answered = self.reopened = self.memory = self.refused = 0
        self.errors: Counter[str] = Counter()
        self.latency, self.fresh, self.idle = Histogram(), list[float](), 0.0  # the last: seconds polled for nothing
        self.first = self.end = self.next_tick = math.inf

    def offered(self) -> Step:
        load, clock = self.load, time.perf_counter
        for _ in range(load.connections):
            self._open(wait=True)
        begin = clock() + _LEAD
        self.first, self.end = begin + load.warmup, begin + load.warmup + load.seconds
        dues, asks = self._dues(begin), self._asks()
        usage, due, number = Usage(self.behind), next(dues, math.inf), 0
        shares: Shares | None = None
        self.next_tick = begin + 1.0
        while True:
            now = clock()
            while due <= now and self.free:
                measured = due if load.rate is not None else now
                number += measured >= self.first
                self._send(self.free.popleft(), next(asks), measured, now)
                due = next(dues, math.inf)
            if shares is None and (now >= self.end or due == math.inf):  # what follows only waits
                shares = usage.shares(self.idle)
            late = now - due if load.rate is not None else 0.0
            if (due == math.inf and not self.busy) or late > load.patience or now > self.end + load.patience:
                break
            if now >= self.next_tick:
                self.next_tick = now + 1.0
                self._each_second(now, now - begin)
            wait = min(self.next_tick, due if self.free else math.inf) - now
            if wait > 0:
                self._wait(wait)
            for key, events in self.selector.select(0):
                self._ready(key.data, events)
        number += self._give_up(due, dues, clock())
        self._note_memory()
        seconds = min(self.end, clock()) - self.first if load.most is not None else load.seconds
        return self._step(max(seconds, 1e-9), number, shares or usage.shares(self.idle))

    def _wait(self, seconds: float) -> None:
        """Until something has come, or so long."""
        files, clock = [self.selector.fileno()], time.perf_counter
        if not self.load.spin:
            select.select(files, (), (), seconds)
            return
        begin, until = time.process_time(), clock() + seconds
        while clock() < until and not select.select(files, (), (), 0)[0]:
            pass
        self.idle += time.process_time() - begin

    def _step(self, seconds: float, number: int, shares: Shares) -> Step:
        latency = self.latency + Histogram.of(self.fresh)
        return Step(
            self.load.rate, seconds, number, self.answered, latency, dict(self.errors), shares.generator, shares.others,
            shares.delayed, self.reopened, self.memory, self.sent,
        )  # fmt: skip

    def close(self) -> None:
        for wire in self.wires:
            wire.socket.close()
        self.selector.close()

    def _dues(self, begin: float) -> Iterator[float]:
        load = self.load
        moments: Iterator[float]
        if load.rate is not None:
            moments = (begin + moment for moment in poisson(load.rate, load.warmup + load.seconds, load.seed))
        else:
            moments = itertools.takewhile(lambda _: time.perf_counter() < self.end, itertools.repeat(begin))
        return itertools.islice(moments, load.most)

    def _asks(self) -> Iterator[Ask]:
        order = random.Random(self.load.seed).sample(range(len(self.load.asks)), len(self.load.asks))
        return itertools.cycle([self.load.asks[i] for i in order])

    def _open(self, wait: bool = False) -> None:
        address = self.load.address
        try:
            if wait:
                opened = socket.create_connection((address.host, address.port), timeout=self.load.patience)
                opened.setblocking(False)
            else:
                family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
                opened = socket.socket(family, socket.SOCK_STREAM)
                opened.setblocking(False)
                code = opened.connect_ex((address.host, address.port))
                if code not in _CONNECTING:
                    opened.close()
                    raise OSError(code, "no connection")
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            if not wait:
                self._refused()
                return
            raise ServerError(
                f"connection {len(self.wires) + 1} of {self.load.connections} to {address.authority} was not accepted: {error}. "
                "Start the server there, or ask for fewer with --connections"
            ) from error
        wire = _Wire(opened)
        self.wires.add(wire)
        self.selector.register(opened, selectors.EVENT_READ if wait else selectors.EVENT_WRITE, wire)
        if wait:
            self.free.append(wire)

    def _send(self, wire: _Wire, asked: Ask, due: float, now: float) -> None:
        wire.ask, wire.due, wire.sent = asked, due, now
        self.busy += 1
        self.sent += 1
        try:
            count = wire.socket.send(asked.wire)
        except BlockingIOError:
            count = 0
        except OSError:
            self._lost(wire, "closed")
            return
        if count < len(asked.wire):
            wire.rest = asked.wire[count:]
            self.selector.modify(wire.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, wire)

    def _ready(self, wire: _Wire, events: int) -> None:
        if events & selectors.EVENT_WRITE and not self._writable(wire):
            return
        if not events & selectors.EVENT_READ:
            return
        try:
            data = wire.socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(wire, "closed")
            return
        buffer = wire.buffer + data if wire.buffer else data
        try:
            found = answer(buffer)
        except ValueError:
            self._lost(wire, "unreadable")
            return
        if found is None:
            wire.buffer = buffer
        elif wire.ask is None or found.size < len(buffer):
            self._lost(wire, "unasked")
        else:
            self._answered(wire, wire.ask, found)

    def _writable(self, wire: _Wire) -> bool:
        """Whether the connection lives; one that has just been opened is free, one with a rest gets it."""
        if wire.ask is None:
            if wire.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._drop(wire)
                self._refused()
                return False
            self.free.append(wire)
        else:
            with contextlib.suppress(OSError):  # which reading will meet again
                wire.rest = wire.rest[wire.socket.send(wire.rest) :]
            if wire.rest:
                return True
        self.selector.modify(wire.socket, selectors.EVENT_READ, wire)
        return True

    def _answered(self, wire: _Wire, asked: Ask, found: Answer) -> None:
        now = time.perf_counter()
        right = found.status in asked.right
        if not right:
            self.errors[f"status {found.status}"] += 1
        if wire.due >= self.first:
            self.fresh.append(now - wire.due)
            self.answered += right and now <= self.end
        wire.ask, wire.buffer = None, b""
        self.busy -= 1
        if found.keeps:
            self.free.append(wire)
        else:
            self._lost(wire, "closed")

    def _lost(self, wire: _Wire, kind: str) -> None:
        """A connection ends; with a question on it this is an error, else the server may do so."""
        if wire.ask is not None or kind != "closed":
            self.errors[kind] += 1
            self.busy -= wire.ask is not None
        else:
            self.reopened += 1
        if wire.ask is None:
            with contextlib.suppress(ValueError):
                self.free.remove(wire)
        self._drop(wire)
        self._open()

    def _drop(self, wire: _Wire) -> None:
        self.selector.unregister(wire.socket)
        wire.socket.close()
        self.wires.discard(wire)

    def _refused(self) -> None:
        """A server that is just being started again refuses; it is asked again soon, and what is due waits meanwhile."""
        self.refused += 1
        self.next_tick = min(self.next_tick, time.perf_counter() + _REOPEN)

    def _each_second(self, now: float, since: float) -> None:
        again, self.refused = self.refused, 0
        for _ in range(again):
            self._open()
        for wire in [w for w in self.wires if w.ask is not None and now - w.sent > self.load.patience]:
            self._lost(wire, "timeout")
        if len(self.fresh) > 10_000:
            self.latency += Histogram.of(self.fresh)
            self.fresh.clear()
        self._note_memory()
        if self.tick is not None:
            self.tick(since, self.sent)

    def _give_up(self, due: float, dues: Iterator[float], now: float) -> int:
        """Count what has no answer with the time that it has waited, and return how many of them had not even been sent."""
        pending = [wire.due for wire in self.wires if wire.ask is not None]
        self.errors += Counter({"unanswered": len(pending)})
        unsent: list[float] = []
        if self.load.rate is not None and due != math.inf:
            unsent = list(itertools.takewhile(lambda moment: moment <= now, itertools.chain([due], dues)))
            self.errors += Counter({"unsent": len(unsent)})
        measured = [moment for moment in unsent if moment >= self.first]
        self.fresh += [now - moment for moment in [*pending, *measured] if moment >= self.first]
        return len(measured)

    def _note_memory(self) -> None:
        if self.behind is not None:
            self.memory = max([self.memory, *self.behind.memory().values()])
