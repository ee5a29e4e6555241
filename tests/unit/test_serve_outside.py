"""A model behind an endpoint and a person behind a webhook, asked once, within a deadline and a size."""

import asyncio
import json
import time

import httpx2
import pytest

from bundles import LABELS
from handing_over import PERSON, UNSURE
from limbeck.errors import TeacherError
from limbeck.serve.answer import Answer
from limbeck.serve.outside import Conversations, Person, endpoint
from limbeck.serve.post import Post, UnavailableError
from limbeck.serve.reply import Refusal
from served import ROWS, Served


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Served(tmp_path_factory.mktemp("served"))
    yield server
    server.close()


def test_an_endpoint_answers_with_a_label(served) -> None:
    teacher = endpoint(served.url, "sorter", LABELS)
    texts = [text for text, _ in ROWS]
    found = [teacher.answer(text, UNSURE, time.monotonic() + 5.0) for text in texts]
    assert [answer.label for answer in found] == served.expected(texts)
    assert {answer.answered_by for answer in found} == {"teacher"}
    assert all(len(answer.top) == 2 for answer in found)
    teacher.close()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("429", "status 429"),
        ("500", "status 500"),
        ("timeout", "no answer in time"),
        ("half", "RemoteProtocolError|ReadError"),
        ("invalid", None),
        ("wrong", None),
    ],
)
def test_an_endpoint_that_fails_is_asked_once(fault, expected, served) -> None:
    teacher = endpoint(served.url, "sorter", LABELS)
    before = served.asked()
    served.chat.faults = [fault]
    begin = time.monotonic()
    if expected is None:
        assert teacher.answer("hello", UNSURE, begin + 1.0) is None
    else:
        with pytest.raises(UnavailableError, match=expected) as error:
            teacher.answer("hello", UNSURE, begin + 1.0)
        assert error.value.pause == (0.1 if fault == "429" else None)
    assert time.monotonic() - begin < 2.5
    assert served.asked() == before + 1
    teacher.close()


def test_a_wrong_key_or_model_or_a_closed_door_is_the_endpoints_failure(served, monkeypatch) -> None:
    monkeypatch.setattr(served.chat, "key", "right")
    monkeypatch.setenv("OWN_KEY", "wrong")
    for teacher, expected in (
        (endpoint(served.url, "sorter", LABELS, "OWN_KEY"), "status 401"),
        (endpoint("http://127.0.0.1:9/v1", "sorter", LABELS), "ConnectError"),
    ):
        with pytest.raises(UnavailableError, match=expected) as error:
            teacher.answer("hello", UNSURE, time.monotonic() + 2.0)
        assert "wrong" not in str(error.value)
        teacher.close()


def replying(reply) -> dict:
    """A transport in place of the network, which remembers what it was asked."""
    heard: list[httpx2.Request] = []

    def answer(request):
        heard.append(request)
        return reply

    return {"transport": httpx2.MockTransport(answer), "heard": heard}


def drip():
    for _ in range(100):
        time.sleep(0.05)
        yield b" "


def test_an_answer_that_drips_or_has_no_end_is_not_waited_for() -> None:
    for content, expected in ((drip(), "no whole answer in time"), (iter([b" " * 400_000] * 10), "more than 1,000,000 bytes")):
        post = Post("http://hook/x", transport=replying(httpx2.Response(200, content=content))["transport"])
        begin = time.monotonic()
        with pytest.raises(UnavailableError, match=expected):
            post({}, begin + 0.3)
        assert time.monotonic() - begin < 1.0


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (httpx2.Response(202), PERSON),
        (httpx2.Response(200, json={"label": "thanks"}), Answer("thanks", 1.0, False, (("thanks", 1.0),), "person")),
        (httpx2.Response(200, json={"label": "nonsense"}), PERSON),
        (httpx2.Response(200, json=["thanks"]), PERSON),
        (httpx2.Response(422), None),
        (httpx2.Response(200, text="<html>"), PERSON),
        (httpx2.Response(204), PERSON),
        (httpx2.Response(200, text="null"), PERSON),
        (httpx2.Response(200, content=b"\xff" * 5000), PERSON),
        (httpx2.Response(200, text="[" * 100_000), PERSON),
    ],
)
def test_a_person_takes_over_and_may_answer(reply, expected) -> None:
    said = replying(reply)
    person = Person(Post("https://hook/take", transport=said["transport"]), LABELS, redact=True)
    assert person.answer("I am ann@example.com", UNSURE, time.monotonic() + 1.0) == expected
    body = json.loads(said["heard"][0].content)
    assert body["text"] == "I am [E-MAIL 1]"
    assert (body["label"], body["confidence"]) == ("greeting", 0.4)


def test_a_conversation_is_handed_over_or_refused() -> None:
    said = replying(httpx2.Response(202))
    lines = [{"who": "customer", "text": "ann@example.com here"}]
    asyncio.run(Conversations(Post("https://hook/take", transport=said["transport"]), redact=True)("c1", lines))
    body = {"conversation": "c1", "said": [{"who": "customer", "text": "[E-MAIL 1] here"}]}
    assert json.loads(said["heard"][0].content) == body
    for status in (422, 500):
        nobody = Post("https://hook/take", transport=replying(httpx2.Response(status))["transport"])
        with pytest.raises(Refusal) as refused:
            asyncio.run(Conversations(nobody)("c1", lines))
        assert (refused.value.status, refused.value.code) == (503, "nobody_there")


def test_no_redirect_is_followed_and_a_busy_person_is_left_alone() -> None:
    said = replying(httpx2.Response(307, headers={"location": "http://elsewhere/"}))
    with pytest.raises(UnavailableError, match="status 307"):
        Post("http://hook/x", transport=said["transport"])({}, time.monotonic() + 1.0)
    assert len(said["heard"]) == 1
    busy = Post("http://hook/x", transport=replying(httpx2.Response(503, headers={"retry-after": "7"}))["transport"])
    with pytest.raises(UnavailableError) as error:
        busy({}, time.monotonic() + 1.0)
    assert error.value.pause == 7.0


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "host/v1", "http://", "https://user:secret@host/v1", "https://host/v1?key=secret"]
)
def test_an_address_is_one_and_holds_no_secret(url) -> None:
    with pytest.raises(TeacherError, match="--teacher") as error:
        Post(url)
    assert "secret" not in str(error.value)
