"""The pages' rate for each address: over all routes, by proxy, with a time to come again."""

from dataclasses import replace
from typing import Any

import pytest

from asking import JSON, ask
from chatting import chat
from limbeck.serve.app import App
from limbeck.serve.chat import widget_origins
from limbeck.serve.rates import Rates
from limbeck.serve.reply import Refusal
from limbeck.serve.visitors import Visitors

SAID = {"text": "parcel", "conversation": "c"}


def visitors(burst: int = 2, proxies: tuple[str, ...] = ()) -> tuple[Visitors, list[float]]:
    """Visitors whose clock stands still until it is told to go on."""
    now = [1000.0]
    return Visitors(0.5, burst, proxies, Rates(2**16, clock=lambda: now[0])), now


def admitted(found: Visitors, *who: Any) -> bool:
    try:
        found.admit(*who)
    except Refusal:
        return False
    return True


def test_an_address_that_asks_too_often_waits_and_no_other() -> None:
    found, now = visitors()
    assert [admitted(found, "192.0.2.1") for _ in range(3)] == [True, True, False]
    with pytest.raises(Refusal) as refused:
        found.admit("192.0.2.1")
    assert dict(refused.value.headers)[b"retry-after"] == b"2"
    assert admitted(found, "192.0.2.2")
    now[0] += 2
    assert [admitted(found, "192.0.2.1") for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (("2001:db8:1:2::1",), ("2001:db8:1:2:ffff::9",), True),  # a subscriber has as many addresses as it likes
        (("2001:db8:1:2::1",), ("2001:db8:1:3::1",), False),
        (("::ffff:192.0.2.1",), ("192.0.2.1",), True),
        (("127.0.0.1", "192.0.2.1"), ("127.0.0.1", "192.0.2.2"), False),  # a proxy on this machine speaks for others
        (
            ("127.0.0.1", "192.0.2.9, 192.0.2.1"),
            ("127.0.0.1", "192.0.2.8, 192.0.2.1"),
            True,
        ),  # who asks may write what stands before
        (("127.0.0.1", "nonsense"), ("127.0.0.1", ""), True),
        (("192.0.2.5", "192.0.2.1"), ("192.0.2.5", "192.0.2.2"), True),  # whoever is not believed
        (("192.0.2.7", "192.0.2.1"), ("192.0.2.7", "192.0.2.2"), False),
        (("", ""), ("odd", ""), True),
    ],
)
def test_who_counts_as_one(first: tuple[str, ...], second: tuple[str, ...], same: bool) -> None:
    found, _ = visitors(burst=1, proxies=("192.0.2.7",))
    assert admitted(found, *first)
    assert admitted(found, *second) is not same


def test_the_pages_say_when_to_come_again_and_files_are_free() -> None:
    found, _ = visitors()
    _, talk = chat(widget_origins(["https://shop.example"]))
    app = App(talk.service, routes=replace(talk, visitors=found).routes())
    assert ask(app, "/chat/settings").status == 200
    assert ask(app, "/chat/message", SAID).status == 200
    for path, body in (("/chat/message", SAID), ("/chat/person", {}), ("/chat/settings", None), ("/live/data", None)):
        refused = ask(app, path, body)
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "rate_limited", "2")
    # A widget can read why, whatever page it stands on.
    widget = ask(app, "/chat/message", SAID, headers={**JSON, "origin": "https://shop.example", "host": "bot.example"})
    assert (widget.status, widget.headers["access-control-allow-origin"]) == (429, "https://shop.example")
    assert {ask(app, path).status for path in ("/", "/live", "/widget.js", "/web/page.css") for _ in range(5)} == {200}
    assert talk.live.data()["total"]["refused"] == 5
    assert ask(app, "/chat/settings", headers={"x-forwarded-for": "192.0.2.1"}).status == 200
