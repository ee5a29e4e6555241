"""Counts of two minutes: what they say, what fades, and that several processes add up."""

import os

import pytest

from limbeck.serve.live import SECONDS, SETTLED, Live


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_second_is_shown_when_it_is_over(clock: Clock) -> None:
    live = Live(["a", "b"], clock=clock)
    for _ in range(30):
        live.answer("b", 0.002, waiting=3)
    assert sum(live.data()["rate"]) == 0
    clock.now += 1
    found = live.data()
    assert (found["rate"][-1], found["queue"][-1], found["answers"]) == (30, 3, 30)
    assert found["now"]["rate"] == 30 / SETTLED
    assert found["intents"] == [{"intent": "b", "count": 30}]


def test_percentiles_are_right_to_half_a_bucket(clock: Clock) -> None:
    live = Live(["a"], clock=clock)
    for number in range(1, 1001):
        live.answer("a", number * 1e-4)
    clock.now += 1
    now = live.data()["now"]
    for percent, milliseconds in ((50, 50), (95, 95), (99, 99)):
        assert now[f"p{percent}_ms"] == pytest.approx(milliseconds, rel=0.06)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9, 1e9])
def test_times_out_of_reach_are_counted_at_the_edge(seconds: float, clock: Clock) -> None:
    live = Live([], clock=clock)
    live.answer("a", seconds)
    clock.now += 1
    assert live.data()["now"]["p50_ms"] is not None


def test_where_nothing_was_answered_there_is_no_time(clock: Clock) -> None:
    found = Live(["a"], clock=clock).data()
    assert found["p50_ms"] == [None] * SECONDS
    assert (found["now"]["teacher_share"], found["intents"]) == (None, [])


def test_what_is_older_than_two_minutes_fades_but_stays_in_the_total(clock: Clock) -> None:
    live = Live(["a"], clock=clock)
    live.answer("a", 0.001, "teacher")
    clock.now += SECONDS + 1
    assert live.data()["answers"] == 0
    live.answer("a", 0.001)
    clock.now += 1
    found = live.data()
    assert (found["answers"], found["total"]["answers"], found["total"]["teacher"]) == (1, 2, 1)
    assert found["teacher_share"][-1] == 0.0


def test_teacher_persons_and_refusals_are_counted(clock: Clock) -> None:
    live = Live(["a"], clock=clock)
    live.answer("a", 0.001, "teacher")
    live.answer("a", 0.001)
    live.hand_over()
    live.refuse()
    clock.now += 1
    found = live.data()
    assert found["now"]["teacher_share"] == 0.5
    assert found["total"] == {"answers": 2, "teacher": 1, "person": 1, "refused": 1}


def test_names_that_were_not_given_are_not_kept(clock: Clock) -> None:
    live = Live(["a"], clock=clock)
    live.answer("somebody's text", 0.001)
    clock.now += 1
    assert live.data()["intents"] == []
    assert live.data()["answers"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_processes_add_up(clock: Clock) -> None:
    live = Live(["a"], processes=3, clock=clock)
    for number in (1, 2):
        child = os.fork()
        if child == 0:
            live.process(number)
            live.answer("a", 0.001)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    live.answer("a", 0.001)
    clock.now += 1
    assert live.data()["answers"] == 3
