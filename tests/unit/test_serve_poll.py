"""Looking for the next request before sleeping."""

import asyncio
import time

from limbeck.serve.poll import Poll


async def turns(seconds: float, poll: Poll) -> int:
    """How often the loop comes round in so many seconds."""
    found, loop, until = 0, asyncio.get_running_loop(), time.perf_counter() + seconds
    poll.on()
    selecting, select = 0, loop._selector.select  # type: ignore[attr-defined]

    def counted(timeout: float | None) -> object:
        nonlocal selecting
        selecting += 1
        return select(timeout)

    loop._selector.select = counted  # type: ignore[attr-defined]
    while time.perf_counter() < until:
        await asyncio.sleep(until - time.perf_counter())
        found += 1
    return selecting


def test_the_loop_does_not_sleep_for_a_moment_and_then_it_does() -> None:
    assert asyncio.run(turns(0.05, Poll())) < 10
    short, long = asyncio.run(turns(0.1, Poll(0.005))), asyncio.run(turns(0.1, Poll(0.05)))
    assert 20 < short < long / 2


def test_one_moment_at_a_time() -> None:
    async def many() -> int:
        poll = Poll(0.01)
        for _ in range(100):
            poll.on()
        return len(asyncio.get_running_loop()._ready)  # type: ignore[attr-defined]

    assert asyncio.run(many()) == 1
