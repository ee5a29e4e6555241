"""POST /v1/classify and the routes beside it, without a socket."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from asking import ask
from bundles import LABELS, sealed
from limbeck import load
from limbeck.serve.answer import Answer
from limbeck.serve.app import App
from limbeck.serve.figure import Figure
from limbeck.serve.limits import Limits
from limbeck.serve.service import Service

LIMITS = Limits(body=5_000, items=3, characters=100, top_k=3)
PATH = "/v1/classify"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed(tmp_path_factory.mktemp("served") / "tiny" / "bundle").path


@pytest.fixture(scope="module")
def service(folder: Path) -> Service:
    return Service.load({"tiny": folder})


@pytest.fixture(scope="module")
def app(service: Service) -> App:
    return App(service, LIMITS)


def test_the_server_says_what_the_bundle_says(app: App, folder: Path) -> None:
    texts = ["where is it", "hello", "ça va 👍"]
    body = ask(app, PATH, {"input": texts, "top_k": 3}).json()
    assert body["model"] == "tiny"
    assert body["milliseconds"] > 0
    for found, expected in zip(body["results"], load(folder).predict(texts), strict=True):
        assert (found["label"], found["abstain"], found["answered_by"]) == (expected.label, expected.abstain, "student")
        assert found["confidence"] == pytest.approx(expected.probability, abs=1e-6)
        assert found["top"][0] == {"label": found["label"], "probability": found["confidence"]}
        probabilities = [t["probability"] for t in found["top"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert {t["label"] for t in found["top"]} == set(LABELS)


def test_one_text_is_a_list_of_one(app: App) -> None:
    one, many = ask(app, PATH, {"input": "hello"}).json(), ask(app, PATH, {"input": ["hello"], "model": "tiny"}).json()
    assert one["results"] == many["results"]
    assert len(one["results"][0]["top"]) == 1


BAD = {
    "not JSON": (b"{", 400, "invalid_json"),
    "empty": (b"", 400, "invalid_json"),
    "not UTF-8": (b'{"input": "\xff"}', 400, "invalid_json"),
    "half of a surrogate pair": (b'{"input": "\\ud800"}', 400, "invalid_json"),
    "a NUL": (b'{"input": "a\\u0000b"}', 422, "invalid_input"),
    "too deep": (b"[" * 2_000, 400, "invalid_json"),
    "deep": (b'{"input": ' + b"[" * 500 + b"]" * 500 + b"}", 422, "invalid_input"),
    "a list": ([], 422, "invalid_body"),
    "nothing": ({}, 422, "invalid_input"),
    "a number": ({"input": 3}, 422, "invalid_input"),
    "null": ({"input": None}, 422, "invalid_input"),
    "no texts": ({"input": []}, 422, "too_many_items"),
    "a number among texts": ({"input": ["a", 1]}, 422, "invalid_input"),
    "too many": ({"input": ["a"] * 4}, 422, "too_many_items"),
    "too long": ({"input": "a" * 101}, 413, "text_too_long"),
    "too large": ({"input": "a" * 6_000}, 413, "body_too_large"),
    "unknown key": ({"input": "a", "topk": 1}, 422, "unknown_key"),
    "unknown model": ({"input": "a", "model": "tinny"}, 404, "model_not_found"),
    "a model that is no name": ({"input": "a", "model": 1}, 422, "invalid_model"),
    "top_k 0": ({"input": "a", "top_k": 0}, 422, "invalid_top_k"),
    "top_k true": ({"input": "a", "top_k": True}, 422, "invalid_top_k"),
    "top_k too many": ({"input": "a", "top_k": 4}, 422, "invalid_top_k"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_reason(app: App, case: str) -> None:
    body, status, code = BAD[case]
    response = ask(app, PATH, body)
    assert (response.status, response.code) == (status, code)
    assert len(response.json()["error"]["message"]) < 300


def test_an_unknown_model_is_told_the_nearest(app: App) -> None:
    assert "Did you mean 'tiny'?" in ask(app, PATH, {"input": "a", "model": "tinny"}).json()["error"]["message"]


def test_paths_methods_and_types(app: App) -> None:
    assert ask(app, "/nowhere").code == "not_found"
    wrong = ask(app, PATH)
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert ask(app, PATH, {"input": "a"}, headers={"content-type": "text/plain"}).status == 415
    assert ask(app, "/health/live").json() == {"status": "live"}
    assert ask(app, "/health/ready").json() == {"status": "ready", "models": ["tiny"]}
    head = ask(app, "/health/live", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "17")


def test_every_reply_has_the_usual_headers(app: App) -> None:
    for response in (ask(app, PATH, {"input": "a"}), ask(app, PATH, b"{"), ask(app, "/nowhere")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in response.headers["content-security-policy"]


def test_a_failure_says_nothing_of_the_inside(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = Service.load({"tiny": folder})

    def fails(*_: object) -> None:
        raise RuntimeError("secret text of a customer")

    service.now = fails  # type: ignore[method-assign]
    response = ask(App(service), PATH, {"input": "secret text of a customer"})
    assert (response.status, response.code) == (500, "internal_error")
    assert "secret" not in response.body.decode() + caplog.text


class Teacher:
    """Asked about every text: knows 'ta', and thinks for long about 'slow'."""

    def wanted(self, answer: Answer) -> bool:
        return True

    def seen(self, text: str, answer: Answer) -> None: ...

    async def __call__(self, text: str, answer: Answer) -> Answer | None:
        await asyncio.sleep(60 if text == "slow" else 0)
        return Answer("thanks", 0.99, False, (("thanks", 0.99),), "teacher") if text == "ta" else None

    def figures(self) -> Iterator[Figure]:
        yield "asked_total", {"who": "teacher"}, 1.0

    def close(self) -> None: ...


def test_an_unsure_answer_is_escalated_and_says_who_answered(service: Service) -> None:
    asked = Service(service.models, escalate={"tiny": Teacher()})
    found = ask(App(asked), PATH, {"input": ["ta", "hello"]}).json()["results"]
    assert [r["answered_by"] for r in found] == ["teacher", "student"]
    assert found[0]["label"] == "thanks"
    figures = list(asked.figures())
    assert ("asked_total", {"model": "tiny", "who": "teacher"}, 1.0) in figures
    assert ("limbeck_answers_total", {"model": "tiny", "answered_by": "teacher"}, 1) in figures


def test_an_escalation_that_takes_too_long_leaves_the_students_answer(service: Service) -> None:
    asked = Service(service.models, escalate={"tiny": Teacher()})
    found = ask(App(asked, Limits(deadline_seconds=0.01)), PATH, {"input": "slow"}).json()["results"]
    assert found[0]["answered_by"] == "student"
