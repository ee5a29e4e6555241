"""Whoever is asked may fail in every way: it is told apart, bounded, and left alone for a while."""

import asyncio

import pytest

from handing_over import BETTER, UNSURE, Teacher, stage
from limbeck.serve.breaker import Breaker
from limbeck.serve.post import UnavailableError


def test_a_breaker_opens_waits_probes_and_closes() -> None:
    now = [0.0]
    breaker = Breaker(failures=2, pause=10.0, longest=35.0, clock=lambda: now[0])
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state == "closed"  # they have to be in a row
    breaker.failed()
    assert (breaker.state, breaker.allows()) == ("open", False)
    for pause in (10.0, 20.0, 35.0, 35.0):
        now[0] += pause - 0.1
        assert not breaker.allows()
        now[0] += 0.2
        assert breaker.state == "half-open"
        assert breaker.allows()
        assert not breaker.allows()  # one probes
        breaker.failed()
        assert breaker.state == "open"
    now[0] += 36.0
    assert breaker.allows()
    breaker.passed()
    assert breaker.allows()  # the probe was given up, so another one may
    breaker.succeeded()
    assert (breaker.state, breaker.allows(), breaker.opened) == ("closed", True, 5)


def test_who_asks_to_be_left_alone_is() -> None:
    now = [0.0]
    breaker = Breaker(failures=5, pause=1.0, longest=60.0, clock=lambda: now[0])
    breaker.failed(pause=30.0)
    now[0] = 29.0
    assert not breaker.allows()
    now[0] = 30.5
    assert breaker.allows()


def test_failures_that_come_late_do_not_lengthen_a_pause() -> None:
    now = [0.0]
    breaker = Breaker(failures=1, pause=10.0, clock=lambda: now[0])
    breaker.failed()
    now[0] = 9.0
    breaker.failed()
    now[0] = 10.5
    assert breaker.allows()


def asked(teacher, times: int = 1, breaker=None, **asking):
    """What became of so many questions, asked one after the other."""

    async def run():
        one = stage(teacher, breaker, **asking)
        try:
            return [await one.ask(f"text {i}", UNSURE) for i in range(times)], one
        finally:
            one.close()
            teacher.go.set()

    return asyncio.run(run())


def test_every_way_not_to_answer_is_told_apart() -> None:
    found, one = asked(
        Teacher(BETTER, None, UnavailableError("down"), RuntimeError("a text of a customer"), "hang"), 5, deadline=0.2
    )
    assert found == [BETTER, "no answer", "failed", "failed", "late"]
    assert one.outcomes == {"answered": 1, "no answer": 1, "failed": 2, "late": 1}


def test_who_fails_is_left_alone_and_tried_again() -> None:
    now = [0.0]
    teacher = Teacher(UnavailableError("down"), UnavailableError("down"), BETTER)
    breaker = Breaker(failures=2, pause=10.0, clock=lambda: now[0])

    async def run():
        one = stage(teacher, breaker)
        first = [await one.ask("text", UNSURE) for _ in range(5)]
        now[0] = 11.0
        return first, [await one.ask("text", UNSURE) for _ in range(2)]

    first, later = asyncio.run(run())
    assert first == ["failed", "failed", "unavailable", "unavailable", "unavailable"]
    assert later == [BETTER, BETTER]
    assert len(teacher.texts) == 4


def test_a_text_that_has_no_answer_is_not_the_teachers_failure() -> None:
    found, one = asked(Teacher(None), 20, Breaker(failures=2))
    assert set(found) == {"no answer"}
    assert one.breaker.state == "closed"


def test_too_many_questions_are_not_asked() -> None:
    teacher = Teacher("hang")

    async def run():
        one = stage(teacher, workers=1, waiting=2, deadline=0.3)
        found = await asyncio.gather(*(one.ask("text", UNSURE) for _ in range(5)))
        still = await one.ask("text", UNSURE)  # nobody waits for the first three any more, but their threads are not free
        teacher.go.set()
        await asyncio.sleep(0.2)
        teacher.says = [BETTER]
        return found, still, await one.ask("text", UNSURE), len(teacher.texts)

    found, still, later, texts = asyncio.run(run())
    assert sorted(found) == ["busy", "busy", "late", "late", "late"]
    assert still == "busy"
    assert later == BETTER
    assert texts == 2  # those that waited for the thread were not asked behind their time


def test_a_probe_that_is_given_up_lets_another_one_probe() -> None:
    now = [0.0]
    teacher = Teacher(UnavailableError("down"), "hang", BETTER)

    async def run():
        one = stage(teacher, Breaker(failures=1, pause=1.0, clock=lambda: now[0]), deadline=5.0)
        await one.ask("text", UNSURE)
        now[0] = 2.0
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.ask("text", UNSURE), 0.1)  # the client's own deadline
        teacher.go.set()
        await asyncio.sleep(0.1)
        return await one.ask("text", UNSURE)

    assert asyncio.run(run()) == BETTER


def test_who_waits_while_it_closes_gets_an_answer() -> None:
    teacher = Teacher("hang")

    async def run():
        one = stage(teacher, workers=1, deadline=5.0)
        waiting = [asyncio.ensure_future(one.ask("text", UNSURE)) for _ in range(3)]
        while not teacher.texts:
            await asyncio.sleep(0.01)
        closed, teacher.close = [], lambda: closed.append(len(teacher.texts))
        one.close()
        late = await one.ask("text", UNSURE)
        teacher.go.set()
        return await asyncio.gather(*waiting), late, closed

    found, late, closed = asyncio.run(run())
    assert found == [BETTER] * 3
    assert late == "unavailable"
    assert closed == [3]  # its connections are closed behind the last one
