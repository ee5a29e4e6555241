"""Pictures and recordings on the chat page, in a real browser: chosen, dropped, pasted, recorded; by keyboard, on a phone and on a desk."""

import base64
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("orjson", reason="needs the extra serve")
pytest.importorskip("PIL", reason="needs the extra image")

from browsed import listen, serious
from bundles import sealed
from chatting import Server
from limbeck.serve.chat import pages
from limbeck.serve.limits import Limits
from limbeck.serve.live import Live
from limbeck.serve.replies import of
from limbeck.serve.service import Service
from seeing import clip, hears, picture, sees

HAND = """([type, kind, name, data]) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const held = new DataTransfer();
    held.items.add(new File([bytes], name, {type: kind}));
    const how = {bubbles: true, cancelable: true, [type === "paste" ? "clipboardData" : "dataTransfer"]: held};
    const event = type === "paste" ? new ClipboardEvent(type, how) : new DragEvent(type, how);
    return document.querySelector(".write").dispatchEvent(event);
}"""
LIMITS = Limits(pixels=10_000, upload=400_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("showing")


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[dict[str, str]]:
    """Servers by what they take."""
    bundles = {
        "text": sealed(folder / "text" / "bundle").path,
        "image": sees(folder / "image" / "bundle").path,
        "audio": hears(folder / "audio" / "bundle").path,
    }
    found = {}
    with ExitStack() as stack:
        for kinds in (("text", "image", "audio"), ("image", "audio"), ("text",)):
            service = Service.load({kind: bundles[kind] for kind in kinds}, limits=LIMITS)
            first = service.model(None)
            said = of(first.predictor.labels, first.reads)
            found["+".join(kinds)] = stack.enter_context(Server().of(pages(service, said, (), Live([]), LIMITS)))
            stack.callback(service.close)
        yield found


class Tab:
    """A page in a tab of its own."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.console = page, listen(page)
        page.goto(url)
        page.get_by_role("heading").first.wait_for()

    def hand(self, how: str, kind: str, content: bytes, name: str = "image.png") -> bool:
        return self.page.evaluate(HAND, [how, kind, name, base64.b64encode(content).decode()])

    def choose(self, content: bytes, name: str = "shoe.png", kind: str = "image/png") -> None:
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Show a picture").click()
        chooser.value.set_files({"name": name, "mimeType": kind, "buffer": content})

    def record(self) -> None:
        self.page.get_by_role("button", name="Record a sound").focus()
        self.page.keyboard.press("Enter")
        self.page.get_by_role("button", name="Stop recording").wait_for()
        self.page.wait_for_timeout(700)
        self.page.keyboard.press("Enter")

    def read(self, text: str) -> None:
        self.page.get_by_role("log").get_by_text(text).last.wait_for()

    def look(self, name: str) -> None:
        """A picture of the page, for people, where LIMBECK_SHOTS names a folder."""
        if folder := os.environ.get("LIMBECK_SHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    with browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce") as context:
        context.set_default_timeout(30_000)
        yield context


def test_a_picture_is_chosen_and_stands_beside_its_answer(context: Any, servers: dict[str, str]) -> None:
    tab = Tab(context.new_page(), servers["text+image+audio"])
    tab.choose(picture("blue", 60))
    tab.read("I see: blue.")
    image = tab.page.get_by_role("img", name="Picture shoe.png")
    assert image.evaluate("e => e.naturalWidth") == 60
    assert tab.page.locator(".row.shop").last.locator("dd").first.inner_text() == "blue"
    tab.page.get_by_label("Your message").fill("hello")
    tab.page.keyboard.press("Enter")
    tab.read("I understood:")
    tab.page.reload()
    tab.read("Picture shoe.png")  # its name is kept in the tab, the picture is not
    assert tab.page.locator("img").count() == 0
    assert tab.console == []


def test_a_picture_is_pasted_or_dropped(context: Any, servers: dict[str, str]) -> None:
    tab = Tab(context.new_page(), servers["image+audio"])
    assert tab.page.get_by_label("Your message").count() == 0
    for how, colour, said in (("paste", "red", "red"), ("drop", "lime", "green")):
        assert tab.hand(how, "image/png", picture(colour)) is False  # the browser itself does nothing with it
        tab.read(f"I see: {said}.")
    tab.hand("paste", "video/mp4", b"x", "film.mp4")
    tab.read("I cannot do anything with a file of this kind.")
    tab.hand("paste", "image/png", b"x")
    tab.read("I cannot read this")
    assert [said for said in tab.console if "422" not in said and "blob:" not in said] == []


def test_what_is_too_large_or_of_another_kind_is_drawn_anew(context: Any, servers: dict[str, str]) -> None:
    tab = Tab(context.new_page(), servers["image+audio"])
    with tab.page.expect_request("**/chat/message") as sent:
        tab.choose(picture("red", 300))  # nine times as many pixels as this server decodes
    assert sent.value.headers["content-type"] == "image/jpeg"
    tab.read("I see: red.")
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' width='40' height='40'><rect width='40' height='40' fill='blue'/></svg>"
    drawn = tab.page.evaluate(
        """async ([url, svg]) => {
            const {fitting} = await import(url);
            const canvas = new OffscreenCanvas(30, 20);
            canvas.getContext("2d").fillRect(0, 0, 30, 20);
            const found = await fitting(await canvas.convertToBlob({type: "image/webp"}), {types: ["image/png"], most: 100}, 1000);
            const bitmap = await createImageBitmap(found);
            return [found.type, bitmap.width, bitmap.height, await fitting(new Blob([svg], {type: "text/plain"}), {types: [], most: 9}, 9)];
        }""",
        [servers["image+audio"] + "/web/picture.js", svg.decode()],
    )
    assert drawn == ["image/jpeg", 12, 8, None]


def test_a_recording_by_keyboard(context: Any, servers: dict[str, str]) -> None:
    context.grant_permissions(["microphone"])
    tab = Tab(context.new_page(), servers["text+image+audio"])
    tab.page.evaluate(
        "() => { const plain = fetch; fetch = (to, how) => { if (how?.body instanceof Blob) window.sent = how.body; return plain(to, how); } }"
    )
    tab.record()
    tab.page.wait_for_function("window.sent !== undefined")
    wav = bytes(tab.page.evaluate("sent.arrayBuffer().then((held) => [...new Uint8Array(held)])"))
    # At its own rate: a page that went down to the bundle's 8 kHz would leave out samples, and fold what is high into speech.
    own = tab.page.evaluate("new AudioContext().sampleRate")
    assert (wav[:4], int.from_bytes(wav[24:28], "little"), wav[34]) == (b"RIFF", own, 16)
    assert own > 8000
    assert 0.3 < (len(wav) - 44) / (2 * own) < 4
    tab.read("I hear: high.")
    player = tab.page.locator("audio[aria-label=Recording]")
    tab.page.wait_for_function("document.querySelector('audio').duration > 0.3")
    assert player.evaluate("e => e.controls")
    assert tab.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Record a sound"
    assert tab.console == []


def test_a_recording_ends_by_itself(context: Any, servers: dict[str, str]) -> None:
    context.grant_permissions(["microphone"])
    tab = Tab(context.new_page(), servers["image+audio"])
    tab.page.get_by_role("button", name="Record a sound").click()
    assert tab.page.get_by_role("timer").inner_text().endswith(" s")
    tab.read("I hear: high.")
    assert tab.page.get_by_role("button", name="Record a sound").is_visible()


def test_a_microphone_that_may_not_be_used_is_told_in_words(context: Any, servers: dict[str, str]) -> None:
    tab = Tab(context.new_page(), servers["text+image+audio"])
    for error, words in (
        ("NotAllowedError", "This page may not use your microphone."),
        ("NotFoundError", "I found no microphone"),
    ):
        tab.page.evaluate(
            "name => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); } }", error
        )
        tab.page.get_by_role("button", name="Record a sound").click()
        tab.read(words)
        assert tab.page.get_by_role("button", name="Record a sound").is_enabled()
    tab.page.evaluate("Object.defineProperty(navigator, 'mediaDevices', {value: undefined, configurable: true})")
    tab.page.get_by_role("button", name="Record a sound").click()
    tab.read("Browsers let a page listen only over a secure connection")
    assert tab.console == []


def test_a_server_of_texts_shows_no_buttons_and_lets_nobody_listen(context: Any, servers: dict[str, str]) -> None:
    tab = Tab(context.new_page(), servers["text"])
    assert tab.page.get_by_role("button", name="Show a picture").count() == 0
    assert tab.page.get_by_role("button", name="Record a sound").count() == 0
    denied = "navigator.mediaDevices.getUserMedia({audio: true}).then(() => 'heard', (e) => e.name)"
    assert tab.page.evaluate(denied) == "NotAllowedError"
    policies = {kinds: context.request.get(url).headers for kinds, url in servers.items()}
    assert "microphone=()" in policies["text"]["permissions-policy"]
    assert "blob:" not in policies["text"]["content-security-policy"]
    assert "microphone=(self)" in policies["image+audio"]["permissions-policy"]
    assert "img-src 'self' blob:" in policies["image+audio"]["content-security-policy"]


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_pages_fit_and_are_accessible(width: int, scheme: str, browser: Any, servers: dict[str, str], tmp_path: Path) -> None:
    with browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, has_touch=width < 500, reduced_motion="reduce",
        permissions=["microphone"],
    ) as context:  # fmt: skip
        context.set_default_timeout(30_000)
        for kinds in ("text+image+audio", "image+audio"):
            tab = Tab(context.new_page(), servers[kinds])
            tab.choose(picture("teal", 100), "a-very-long-name-of-a-picture-" + "w" * 60 + ".png")
            tab.read("I see: ")
            tab.hand("drop", "audio/wav", clip(tmp_path, 200), "low.wav")
            tab.read("I hear: low.")
            tab.hand("paste", "image/png", b"x")
            tab.read("I cannot read this")
            assert serious(tab.page) == {}
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
            tab.look(f"{kinds}-{width}-{scheme}")
            tab.page.get_by_role("button", name="Record a sound").click()
            tab.page.get_by_role("button", name="Stop recording").wait_for()
            assert serious(tab.page) == {}
            for button in tab.page.locator(".write button").all():
                box = button.bounding_box()
                assert 0 <= box["x"] < box["x"] + box["width"] <= width
            tab.look(f"{kinds}-{width}-{scheme}-recording")
            tab.page.close()
