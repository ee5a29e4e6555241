"""The queue before a slow model: order, turns, deadlines, bounds."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asking import ask
from bundles import sealed
from limbeck.serve.answer import Answer
from limbeck.serve.app import App
from limbeck.serve.batcher import Batcher, Expired, Overloaded, buckets
from limbeck.serve.limits import Limits
from limbeck.serve.service import Model, Service


class Slow:
    """A model whose rounds end when they are told to; it keeps what each was asked."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []
        self.go = threading.Event()
        self.fails = False

    def __call__(self, texts: Sequence[str], top_k: int) -> tuple[Answer, ...]:
        self.rounds.append(list(texts))
        assert self.go.wait(10)
        if self.fails:
            raise RuntimeError("broken")
        return tuple(Answer(t, 0.5, False, ((t, 0.5), ("x", 0.1))[:top_k]) for t in texts)


def run(make: Any, most: int = 2_048) -> tuple[Any, Slow]:
    async def whole() -> Any:
        return await make(Batcher(slow, thread, most), slow)

    slow = Slow()
    with ThreadPoolExecutor(1) as thread:
        return asyncio.run(whole()), slow


async def started(*asked: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(one) for one in asked]
    await asyncio.sleep(0.05)
    return tasks


def test_what_waits_is_answered_together_and_in_order() -> None:
    async def make(batcher: Batcher, slow: Slow) -> Any:
        tasks = await started(*(batcher.answer([f"t{i}"], 1 + i % 2) for i in range(5)))
        waiting = batcher.waiting
        slow.go.set()
        return waiting, await asyncio.gather(*tasks)

    (waiting, found), slow = run(make)
    assert waiting == 5
    assert [a[0].label for a in found] == ["t0", "t1", "t2", "t3", "t4"]
    assert [len(a[0].top) for a in found] == [1, 2, 1, 2, 1]
    assert sum(map(len, slow.rounds)) == 5
    assert len(slow.rounds) <= 2  # the first alone, since nothing else waited then


def test_a_large_request_keeps_nobody_waiting() -> None:
    async def make(batcher: Batcher, slow: Slow) -> Any:
        tasks = await started(batcher.answer([f"many{i}" for i in range(100)], 1), batcher.answer(["one"], 1))
        slow.go.set()
        many, one = await asyncio.gather(*tasks)
        return many, one, batcher.waiting

    (many, one, waiting), slow = run(make)
    assert [a.label for a in many] == [f"many{i}" for i in range(100)]
    assert one[0].label == "one"
    assert waiting == 0
    assert max(i for i, texts in enumerate(slow.rounds) if "one" in texts) <= 1


def test_nothing_expired_is_computed() -> None:
    async def make(batcher: Batcher, slow: Slow) -> Any:
        tasks = await started(batcher.answer(["first"], 1), batcher.answer(["late"], 1, time.monotonic() + 0.01))
        slow.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    (first, late), slow = run(make)
    assert first[0].label == "first"
    if ["first"] in slow.rounds:  # else both were taken at once, before the deadline
        assert isinstance(late, Expired)
        assert not any("late" in texts for texts in slow.rounds)


def test_too_much_is_refused_with_a_time() -> None:
    async def make(batcher: Batcher, slow: Slow) -> None:
        tasks = await started(batcher.answer(["a", "b"], 1))
        with pytest.raises(Overloaded) as refused:
            await batcher.answer(["c", "d"], 1)
        assert refused.value.seconds >= 1
        slow.go.set()
        await asyncio.gather(*tasks)
        assert len(await batcher.answer(["c", "d", "e"], 1)) == 3

    run(make, most=3)


def test_a_round_that_fails_fails_its_requests_alone() -> None:
    async def make(batcher: Batcher, slow: Slow) -> Any:
        slow.go.set()
        slow.fails = True
        with pytest.raises(RuntimeError, match="broken"):
            await batcher.answer(["a"], 1)
        slow.fails = False
        return await batcher.answer(["b"], 1)

    found, _ = run(make)
    assert found[0].label == "b"


@given(st.lists(st.integers(0, 20_000), max_size=40))
def test_buckets_hold_each_text_once_and_little_padding(lengths: list[int]) -> None:
    found = buckets(lengths)
    assert sorted(i for bucket in found for i in bucket) == list(range(len(lengths)))
    for bucket in found:
        shortest, longest = lengths[bucket[0]], lengths[bucket[-1]]
        assert len(bucket) == 1 or (longest <= 2 * shortest + 32 and longest * len(bucket) <= 8_192)


def test_texts_of_other_lengths_are_answered_apart_and_in_order() -> None:
    async def make(batcher: Batcher, slow: Slow) -> Any:
        slow.go.set()
        return await batcher.answer(["b" * 500, "a", "c" * 480, "d"], 1)

    found, slow = run(make)
    assert slow.rounds == [["a", "d"], ["c" * 480, "b" * 500]]
    assert [a.label[0] for a in found] == ["b", "a", "c", "d"]


def test_a_slow_model_answers_as_a_quick_one(tmp_path: Any) -> None:
    quick = Model.load("tiny", sealed(tmp_path / "bundle").path)
    texts = ["hello", "where is it", "thank you " * 5] * 15
    body = {"input": texts, "top_k": 2}
    answers = [
        ask(App(Service({"tiny": replace(quick, quick=way)})), "/v1/classify", body).json()["results"] for way in (True, False)
    ]
    assert (
        [a["label"] for a in answers[0]]
        == [a["label"] for a in answers[1]]
        == [p.label for p in quick.predictor.predict(texts)]
    )


def test_an_overloaded_server_says_when_to_come_again(tmp_path: Any) -> None:
    model = replace(Model.load("tiny", sealed(tmp_path / "bundle").path), quick=False)
    refused = ask(App(Service({"tiny": model}, limits=Limits(queued=2))), "/v1/classify", {"input": ["a", "b", "c"]})
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "overloaded", "1")
    late = ask(App(Service({"tiny": model}), Limits(deadline_seconds=0.0)), "/v1/classify", {"input": "a"})
    assert (late.status, late.code) == (503, "expired")
