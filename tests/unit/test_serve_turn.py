"""Requests that arrive together: one call of the model, each its own answer, in its own order."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

import asking  # noqa: F401  skips where the extra serve is absent
from bundles import sealed
from limbeck.serve.answer import Answer, Answers
from limbeck.serve.classify import Asked
from limbeck.serve.poll import Poll
from limbeck.serve.service import Model, Service
from limbeck.serve.turn import Turn


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service.load({"tiny": sealed(tmp_path_factory.mktemp("turn") / "bundle").path})


async def _asked(service: Service, requests: Sequence[Asked]) -> list[Answers | Exception]:
    turn, given = Turn(service, Poll()), dict[int, Answers | Exception]()
    for number, asked in enumerate(requests):
        turn.add(asked, lambda answers, number=number: given.__setitem__(number, answers))  # type: ignore[misc]
    assert not given, "nothing is answered before the turn ends"
    await asyncio.sleep(0)
    return [given[i] for i in range(len(requests))]


def test_each_gets_what_it_would_get_alone(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [Asked(["ta"]), Asked(["hello", "bye"], "tiny", 2), Asked(["thanks"]), Asked(["hello"] * 3)]
    alone = [service.now(r.model, r.texts, r.top_k) for r in requests]
    calls: list[int] = []
    answer = Model.answer

    def counted(self: Model, texts: Sequence[str], top_k: int) -> tuple[Answer, ...]:
        calls.append(len(texts))
        return answer(self, texts, top_k)

    monkeypatch.setattr(Model, "answer", counted)
    found = asyncio.run(_asked(service, requests))
    assert calls == [5, 2]
    for together, single in zip(found, alone, strict=True):
        assert isinstance(together, Answers)
        assert single is not None
        assert [a.label for a in together.results] == [a.label for a in single.results]
        assert [a.confidence for a in together.results] == pytest.approx([a.confidence for a in single.results], abs=1e-6)
        assert [len(a.top) for a in together.results] == [len(a.top) for a in single.results]


def test_nobody_fails_for_anothers_text(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Model.answer

    def fails(self: Model, texts: Sequence[str], top_k: int) -> tuple[Answer, ...]:
        if "poison" in texts:
            raise RuntimeError
        return answer(self, texts, top_k)

    monkeypatch.setattr(Model, "answer", fails)
    first, second, third = asyncio.run(_asked(service, [Asked(["ta"]), Asked(["poison"]), Asked(["bye"])]))
    assert isinstance(first, Answers)
    assert isinstance(second, RuntimeError)
    assert isinstance(third, Answers)


def test_a_model_that_has_someone_behind_it_is_asked_alone(tmp_path: Path) -> None:
    class Teacher:
        def wanted(self, answer: Answer) -> bool:
            return False

    service = Service.load({"tiny": sealed(tmp_path / "bundle").path}, escalate={"tiny": Teacher()})  # type: ignore[dict-item]
    assert not service.quick(None, ["ta"])
    assert not Service.load({"tiny": sealed(tmp_path / "other").path}).quick("tiny", ["ta"] * 17)
