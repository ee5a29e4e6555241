"""The chat page, the widget and the live figures in a real browser: by keyboard, on a phone and on a desk, and when things go wrong."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("orjson", reason="needs the extra serve")

from browsed import listen, serious
from chatting import Model, Server, busy, chat, foreign
from limbeck.serve.chat import widget_origins

HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""
SIZES = {390: 844, 1280: 800}


class Opened:
    """The chat page in a tab of its own, and the model behind it."""

    def __init__(self, page: Any, url: str, model: Model) -> None:
        self.page, self.url, self.model, self.console = page, url, model, listen(page)

    def open(self, path: str = "/") -> "Opened":
        self.page.goto(self.url + path)
        self.page.get_by_role("heading").first.wait_for()
        return self

    def say(self, text: str) -> None:
        self.page.get_by_label("Your message").fill(text)
        self.page.keyboard.press("Enter")

    def last(self, of: str = "shop") -> Any:
        return self.page.locator(f".row.{of}").last

    def read(self, text: str) -> None:
        self.page.get_by_role("log").get_by_text(text).wait_for()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Model]]:
    model, page = chat()
    with Server().of(page.routes()) as url:
        yield url, model


@pytest.fixture
def opened(browser: Any, server: tuple[str, Model]) -> Iterator[Opened]:
    url, model = server
    model.trouble, model.slow, model.told = None, 0.0, []
    with browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce") as context:
        context.set_default_timeout(60_000)
        yield Opened(context.new_page(), url, model)


def test_a_conversation_by_keyboard_alone(opened: Opened) -> None:
    page = opened.open().page
    assert page.title() == "Pinecroft"
    # The box has the focus, so whoever comes can write.
    page.keyboard.type("Where is")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("my parcel?")
    page.keyboard.press("Enter")
    opened.read("I can look that up.")
    assert opened.last("customer").locator("p").inner_text() == "Where is\nmy parcel?"
    assert opened.last().locator("dd").all_inner_texts() == ["track order", "97 %", "0.4 ms", "small model"]
    order = []
    page.locator("body").click(position={"x": 5, "y": 5})
    for _ in range(5):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"))
        outline = page.evaluate("(s => s.outlineStyle + s.boxShadow)(getComputedStyle(document.activeElement))")
        ring = page.evaluate("getComputedStyle(document.querySelector('.write')).boxShadow")
        assert "solid" in outline or ring != "none", order
    assert order == ["Talk to a person", "Start a new conversation", "Conversation", "", "Send"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("can I pay in instalments")
    page.keyboard.press("Enter")
    opened.read("You can pay by card")
    assert "large model" in opened.last().inner_text()
    assert opened.console == []


def test_whoever_asks_for_a_person_gets_one_and_can_come_back(opened: Opened) -> None:
    opened.open().say("no more robot please")
    opened.read("You asked for a person")
    assert opened.page.locator(".state").inner_text() == "A colleague has been asked"
    opened.say("it is about order 77")
    opened.read("Passed on to a colleague")
    (_, first), (conversation, second) = opened.model.told
    assert [line["who"] for line in first] == ["customer", "shop"]
    assert second == [{"who": "customer", "text": "it is about order 77"}]
    assert len(conversation) == 32
    opened.page.get_by_role("button", name="Back to the assistant").click()
    opened.say("the mug is broken")
    opened.read("I am sorry it arrived like that.")
    opened.page.get_by_role("button", name="Talk to a person").click()
    opened.read("I am passing you on to a colleague. We are there Monday to Saturday from 8 to 20; what you write")
    assert opened.console == []


def test_who_is_not_understood_is_offered_a_person(opened: Opened) -> None:
    opened.open().say("sing me a song")
    opened.read("I am only good at questions")
    assert "perhaps stock" in opened.last().inner_text()
    opened.page.locator(".offer button").click()
    opened.read("You asked for a person")


def test_what_goes_wrong_is_said_in_words_and_can_be_tried_again(opened: Opened) -> None:
    opened.model.trouble = busy()
    opened.open().say("my parcel")
    opened.read("Many people are writing to us right now. Please try again in a second.")
    again = opened.page.get_by_role("button", name="Try again")
    assert again.is_disabled()
    again.click()  # waits until it can be
    opened.read("I can look that up.")
    opened.page.route("**/chat/message", lambda route: route.abort())
    opened.say("the mug")
    opened.read("I cannot reach the server")
    opened.page.unroute("**/chat/message")
    again.click()
    opened.read("I am sorry it arrived like that.")
    opened.say("x" * 4001)
    opened.read("I can read 4,000 characters at once.")
    opened.page.get_by_role("button", name="Edit the message").click()
    assert len(opened.page.get_by_label("Your message").input_value()) == 4001
    assert opened.page.evaluate("document.activeElement.id") == "say"


def test_a_server_that_is_down_when_the_page_comes(opened: Opened) -> None:
    opened.page.route("**/chat/settings", lambda route: route.fulfill(status=503, body="{}"))
    opened.page.goto(opened.url)
    opened.page.get_by_role("alert").wait_for()
    opened.page.unroute("**/chat/settings")
    opened.page.get_by_role("button", name="Try again").click()
    opened.read("Hello, this is Pinecroft.")


def test_what_is_written_is_text_and_stays_when_the_page_is_loaded_again(opened: Opened) -> None:
    text = "<img src=x onerror=alert(1)> my parcel <script>alert(2)</script>"
    opened.open().say(text)
    opened.read("I can look that up.")
    opened.page.reload()
    opened.read("I can look that up.")
    assert opened.last("customer").locator("p").inner_text() == text
    assert opened.page.locator("img, main script").count() == 0
    opened.page.get_by_role("button", name="Start a new conversation").click()
    assert opened.page.locator(".row.customer").count() == 0
    assert opened.console == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_pages_fit_and_are_accessible(width: int, scheme: str, browser: Any, server: tuple[str, Model]) -> None:
    url, model = server
    touch = width < 500
    with browser.new_context(
        viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme, has_touch=touch, reduced_motion="reduce"
    ) as context:
        context.set_default_timeout(60_000)
        opened = Opened(context.new_page(), url, model)
        page = opened.open().page
        assert page.evaluate("document.activeElement.tagName") == ("BODY" if touch else "TEXTAREA")
        opened.say("the mug " + "w" * 400)
        opened.read("I am sorry it arrived like that.")
        opened.say("something else")
        opened.read("I am only good at questions")
        model.trouble = busy()
        opened.say("parcel")
        opened.read("Many people")
        assert serious(page) == {}
        for path in ("/", "/live"):
            opened.open(path)
            page.wait_for_timeout(200)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            # The box to write in is on the screen, whatever stands above it.
            assert path == "/live" or page.get_by_role("button", name="Send").bounding_box()["y"] < SIZES[width]
        assert serious(page) == {}
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(241, 244, 239)") == (scheme == "light")
        assert [said for said in opened.console if "429" not in said] == []


def test_the_figures_move_and_rest_when_nobody_looks(opened: Opened) -> None:
    page = opened.open("/live").page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    total = page.get_by_text("Answers since the start").locator("xpath=following-sibling::dd")
    total.wait_for()
    before = int(total.inner_text())
    for _ in range(7):
        opened.model.live.answer("invoice", 0.002, "teacher")
    page.wait_for_function("n => document.querySelector('.totals dd').textContent === String(n)", arg=before + 7)
    page.get_by_role("row", name="invoice").wait_for()
    assert page.get_by_role("img", name="Answers a second").locator(".line").get_attribute("d").startswith("M0.0")
    assert "7" in page.get_by_role("row", name="invoice").inner_text()
    page.evaluate(HIDE, True)
    page.wait_for_timeout(100)
    asked.clear()
    page.wait_for_timeout(1300)
    assert asked == []
    page.evaluate(HIDE, False)
    page.wait_for_timeout(100)
    assert asked != []
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_role("status").inner_text() == "Paused"
    assert opened.console == []


def test_the_figures_of_a_server_with_keys_are_shown_to_their_holder(opened: Opened) -> None:
    def held(route: Any) -> None:
        if route.request.headers.get("authorization") == "Bearer lk_right":
            route.continue_()
        else:
            route.fulfill(status=401, body='{"error": {"code": "key_missing"}}')

    opened.page.route("**/live/data", held)
    page = opened.open("/live").page
    for key in ("lk_wrong", "lk_right"):
        page.get_by_text("answers only holders of its key").wait_for()
        page.get_by_label("Key of this server").fill(key)
        page.keyboard.press("Enter")
    page.get_by_text("Updated every second").wait_for()
    assert page.get_by_text("Answers since the start").is_visible()
    assert not page.get_by_label("Key of this server").is_visible()


@pytest.fixture
def shops(browser: Any) -> Iterator[tuple[Server, Server, Any]]:
    """A server for the widget, a server for a shop's page, and a tab."""
    with browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce") as context:
        context.set_default_timeout(60_000)
        yield Server(), Server(), context.new_page()


def strict(ours: str) -> str:
    return f"default-src 'none'; script-src {ours}; connect-src {ours}; style-src 'unsafe-inline'; img-src data:"


def test_the_widget_talks_on_a_page_of_somebody_else(shops: tuple[Server, Server, Any]) -> None:
    ours, theirs, page = shops
    said = listen(page)
    _, talk = chat(frozenset({theirs.url}))
    with ours.of(talk.routes()), theirs.of(foreign(f"{ours.url}/widget.js", strict(ours.url))):
        page.goto(theirs.url)
        launch = page.get_by_role("button", name="Chat with Pinecroft")
        launch.focus()
        page.keyboard.press("Enter")
        page.get_by_role("dialog", name="Chat with Pinecroft").wait_for()
        page.get_by_role("log").get_by_text("Hello, this is Pinecroft.").wait_for()
        page.wait_for_function("document.querySelector('limbeck-chat').shadowRoot.activeElement?.id === 'say'")
        page.keyboard.type("where is my parcel")
        page.keyboard.press("Enter")
        page.get_by_role("log").get_by_text("I can look that up.").wait_for()
        # Neither style reaches the other: the page's is red and large, and says so with !important.
        bubble = page.locator(".row.shop p").first
        assert bubble.evaluate("e => getComputedStyle(e).fontSize") == "16px"
        assert bubble.evaluate("e => getComputedStyle(e).color") != "rgb(255, 0, 0)"
        assert page.get_by_text("Buy something.").evaluate("e => getComputedStyle(e).color") == "rgb(255, 0, 0)"
        assert serious(page) == {}
        page.keyboard.press("Escape")
        assert not page.get_by_role("dialog").is_visible()
        assert page.evaluate("document.querySelector('limbeck-chat').shadowRoot.activeElement.className") == "launch"
        page.reload()
        page.set_viewport_size({"width": 390, "height": 844})
        page.get_by_role("button", name="Chat with Pinecroft").click()
        page.get_by_role("log").get_by_text("I can look that up.").wait_for()  # a conversation goes on from page to page
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Close the conversation").click()
        assert not page.get_by_role("dialog").is_visible()
    assert said == []


def test_a_page_without_leave_shows_no_widget_and_is_told_why(shops: tuple[Server, Server, Any]) -> None:
    ours, theirs, page = shops
    _, talk = chat(widget_origins(["https://shop.example"]))
    with ours.of(talk.routes()), theirs.of(foreign(f"{ours.url}/widget.js", strict(ours.url))):
        with page.expect_console_message(lambda message: f"--widget-origin {theirs.url}" in message.text):
            page.goto(theirs.url)
        assert page.locator("limbeck-chat").count() == 0
