"""What the chat's routes say, bad input included, without a browser and without a socket."""

from pathlib import Path
from typing import Any

import pytest

import asking
from asking import JSON, Response
from bundles import sealed
from chatting import Model, busy, chat
from limbeck import load
from limbeck.errors import InputFileError
from limbeck.serve.app import App
from limbeck.serve.chat import MOST_CHARACTERS, Chat, pages, widget_origins
from limbeck.serve.gate import Gate
from limbeck.serve.keys import Keys, new
from limbeck.serve.live import Live
from limbeck.serve.rates import Rates
from limbeck.serve.replies import of
from limbeck.serve.service import Service


def ask(page: Chat, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    return asking.ask(
        App(page.service, routes=page.routes()),
        path,
        body,
        method=method,
        headers={"host": "127.0.0.1:8000", **(headers or {})},
    )


def say(chat: Chat, text: Any, **more: Any) -> Response:
    return ask(chat, "POST", "/chat/message", {"text": text, "conversation": "c1"}, **more)


@pytest.fixture
def talk() -> tuple[Model, Chat]:
    return chat()


def test_a_message_gets_a_reply_and_who_gave_it(talk) -> None:
    found = say(talk[1], "Where is my parcel?").json()
    assert found.pop("milliseconds") >= 0
    assert found == {
        "intent": "track_order",
        "reply": talk[1].replies.by_intent["track_order"],
        "confidence": 0.973,
        "answered_by": "student",
        "abstain": False,
        "hand_over": False,
    }


def test_an_abstention_gets_the_reply_for_all_else(talk) -> None:
    found = say(talk[1], "sing me a song").json()
    assert (found["abstain"], found["reply"]) == (True, talk[1].replies.otherwise)


def test_the_intent_that_asks_for_a_person_hands_over(talk) -> None:
    assert say(talk[1], "no more robot").json()["hand_over"] is True


def test_a_person_is_told_what_was_said(talk) -> None:
    model, page = talk
    said = [{"who": "customer", "text": "help"}]
    found = ask(page, "POST", "/chat/person", {"conversation": "c1", "said": said})
    assert (found.status, found.json()["hand_over"], found.json()["connected"]) == (200, True, True)
    assert model.told == [("c1", said)]
    assert page.live.data()["total"]["person"] == 1


def test_where_nobody_is_connected_the_page_is_told_so() -> None:
    _, page = chat(connected=False)
    assert ask(page, "GET", "/chat/settings").json()["person"] is False
    assert ask(page, "POST", "/chat/person", {"conversation": "c1", "said": []}).json()["connected"] is False


def test_a_refusal_keeps_its_reason_and_its_time(talk) -> None:
    talk[0].trouble = busy()
    found = say(talk[1], "parcel")
    assert (found.status, found.headers["retry-after"], found.json()["error"]["code"]) == (429, "1", "too_many_requests")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 5000, 400),
        (b'{"text": NaN}', 400),
        (b'{"text": "parcel \\ud800", "conversation": "c"}', 400),
        (b"[]", 422),
        ({"text": 5, "conversation": "c"}, 422),
        ({"text": None, "conversation": "c"}, 422),
        ({"text": " \n", "conversation": "c"}, 422),
        ({"text": "parcel \0", "conversation": "c"}, 422),
        ({"text": "parcel"}, 422),
        ({"text": "parcel", "conversation": ["c"]}, 422),
        ({"text": "parcel", "conversation": "c" * 65}, 413),
        ({"text": "x" * (MOST_CHARACTERS + 1), "conversation": "c"}, 413),
        (b'{"text": "' + b"x" * 10_000_000 + b'"}', 413),
    ],
)
def test_bad_messages_are_refused_with_a_reason(body: Any, status: int, talk) -> None:
    found = ask(talk[1], "POST", "/chat/message", body)
    assert found.status == status, found.body
    assert found.json()["error"]["message"]


@pytest.mark.parametrize("text", ["parcel " + "w" * (MOST_CHARACTERS - 7), "parcel \u202e\U0001f600", "parcel \x01"])
def test_odd_characters_are_answered(text: str, talk) -> None:
    assert say(talk[1], text).status == 200


@pytest.mark.parametrize("said", [None, "x", [1], [{}], [{"who": "customer"}], [{"who": "customer", "text": "a"}] * 21])
def test_bad_conversations_are_refused(said: Any, talk) -> None:
    assert ask(talk[1], "POST", "/chat/person", {"conversation": "c", "said": said}).status == 422
    assert talk[0].told == []


def test_a_form_of_another_page_cannot_write(talk) -> None:
    assert say(talk[1], "parcel", headers={"content-type": "text/plain"}).status == 415


@pytest.mark.parametrize("path", ["/", "/live", "/widget.js", "/web/conversation.js", "/web/page.css", "/web/icon.svg"])
def test_pages_are_strict_and_come_once(path: str, talk) -> None:
    found = ask(talk[1], "GET", path)
    assert found.status == 200
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert found.headers["x-content-type-options"] == "nosniff"
    again = ask(talk[1], "GET", path, headers={"if-none-match": found.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", ["/web/../chat.py", "/web/", "/web/chat.py", "/chat.py", "/web/%2e%2e/live.py"])
def test_nothing_else_is_served(path: str, talk) -> None:
    assert ask(talk[1], "GET", path).status == 404


def test_no_file_of_the_pages_has_script_or_style_in_its_markup_or_loads_from_elsewhere() -> None:
    from limbeck.serve import chat

    for path in (Path(chat.__file__).parent / "web").iterdir():
        content = path.read_text(encoding="utf-8")
        assert "innerHTML" not in content, path
        assert "http" not in content.replace("http://www.w3.org/2000/svg", "").replace("https://…/widget.js", ""), path
        if path.suffix == ".html":
            assert " style=" not in content
            assert "<style" not in content
            assert content.count("<script") == content.count('<script type="module" src="web/')


def test_a_foreign_page_is_answered_only_where_the_operator_allows_it() -> None:
    _, page = chat(widget_origins(["https://shop.example"]))
    for path in ("/chat/settings", "/web/service.js"):
        allowed = ask(page, "GET", path, headers={"origin": "https://shop.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
        assert allowed.headers["vary"] == "Origin"
        for other in ("https://other.example", "null", "http://shop.example", "https://shop.example.other.example"):
            found = ask(page, "GET", path, headers={"origin": other})
            assert (found.status, "access-control-allow-origin" in found.headers) == (403, False)
    assert say(page, "parcel", headers={**JSON, "origin": "https://other.example"}).status == 403
    before = ask(page, "OPTIONS", "/chat/message", headers={"origin": "https://shop.example"})
    assert (before.status, before.headers["access-control-allow-headers"]) == (204, "Content-Type")


def test_a_refusal_can_be_read_by_an_allowed_page() -> None:
    model, page = chat(widget_origins(["https://shop.example"]))
    model.trouble = busy()
    found = say(page, "parcel", headers={**JSON, "origin": "https://shop.example"})
    assert (found.status, found.headers["access-control-allow-origin"]) == (429, "https://shop.example")
    assert found.headers["access-control-expose-headers"] == "Retry-After"


def test_our_own_page_needs_no_leave(talk) -> None:
    assert say(talk[1], "parcel", headers={**JSON, "origin": "http://127.0.0.1:8000"}).status == 200


@pytest.mark.parametrize(
    "text", ["", "*", "shop.example", "https://", "https://shop.example/path", "ftp://shop.example", "https://a@b"]
)
def test_an_origin_is_a_scheme_and_a_host(text: str) -> None:
    with pytest.raises(InputFileError, match="no origin of a page"):
        widget_origins([text])


def test_figures_need_the_key_that_watches_but_the_page_that_asks_for_it_does_not(talk, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    sent = {scope: new(file, scope, [scope]) for scope in ("answer", "watch")}
    app = App(talk[0], routes=talk[1].routes(), gate=Gate(Keys.read(file), Rates()))
    assert asking.ask(app, "/live").status == 200
    assert asking.ask(app, "/live/data").status == 401
    for scope, status in (("answer", 403), ("watch", 200)):
        assert asking.ask(app, "/live/data", headers={"authorization": f"Bearer {sent[scope]}"}).status == status


def test_who_is_turned_away_is_counted(talk) -> None:
    talk[0].trouble = busy()
    say(talk[1], "parcel")
    say(talk[1], 5)
    assert talk[1].live.data()["total"]["refused"] == 1


def test_what_a_person_took_over_waits_for_the_person(talk) -> None:
    talk[0].by = "person"
    found = say(talk[1], "parcel").json()
    assert (found["answered_by"], found["hand_over"], found["reply"]) == ("person", True, talk[1].replies.handing_over)


def test_no_text_is_among_the_live_figures(talk) -> None:
    say(talk[1], "my parcel, order 5544332211")
    found = ask(talk[1], "GET", "/live/data")
    assert found.json()["total"]["answers"] == 1
    assert b"5544332211" not in found.body


def test_a_bundle_talks_and_is_counted(tmp_path: Path) -> None:
    service = Service.load({"tiny": sealed(tmp_path / "bundle").path})
    app = App(service, routes=pages(service, of(["greeting"]), (), Live(["greeting"])))
    found = asking.ask(app, "/chat/message", {"text": "hello", "conversation": "c"}).json()
    (said,) = load(tmp_path / "bundle").predict(["hello"])
    assert (found["intent"], found["confidence"]) == (said.label, pytest.approx(said.probability, abs=1e-4))
    assert said.label in found["reply"]
    asking.ask(app, "/v1/classify", {"input": ["hello", "bye"]})
    assert asking.ask(app, "/live/data").json()["total"]["answers"] == 3
