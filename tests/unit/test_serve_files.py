"""POST /v1/classify with pictures and clips: as files, in forms, in JSON; and what is refused, always with a reason."""

import base64
import io
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL", reason="needs the extra image")

from asking import Response, ask, orjson
from bundles import sealed
from handing_over import UNSURE, figures
from limbeck import load
from limbeck.errors import LimbeckError
from limbeck.serve.app import App
from limbeck.serve.chat import pages
from limbeck.serve.escalation import escalation_of
from limbeck.serve.limits import Limits
from limbeck.serve.live import Live
from limbeck.serve.replies import of
from limbeck.serve.service import Model, Service
from limbeck.serve.settings import HandOver
from seeing import clip, hears, picture, sees

PATH = "/v1/classify"
LIMITS = Limits(body=100_000, upload=200_000, items=4, top_k=3, pixels=40_000, seconds=2.0)
PNG, WAV = {"content-type": "image/png"}, {"content-type": "audio/wav"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[App]:
    bundles = {
        "words": sealed(folder / "text" / "bundle"),
        "eye": sees(folder / "image" / "bundle"),
        "ear": hears(folder / "audio" / "bundle"),
    }
    service = Service.load({name: bundle.path for name, bundle in bundles.items()}, limits=LIMITS)
    yield App(service, LIMITS)
    service.close()


def form(*fields: tuple[str, bytes, str | None], boundary: str = "x1") -> tuple[bytes, dict[str, str]]:
    """A body of fields (name, content, content type of a file or None), and its header."""
    body = b""
    for name, content, media in fields:
        more = "" if media is None else f'; filename="a b.png"\r\nContent-Type: {media}'
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {"content-type": f"multipart/form-data; boundary={boundary}"}


def encoded(content: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(content).decode()}


def labels(response: Response) -> list[str]:
    assert response.status == 200, response.body
    return [found["label"] for found in response.json()["results"]]


@pytest.mark.parametrize("media", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF"])
def test_a_file_is_answered_whatever_its_format(app: App, media: str) -> None:
    found = ask(app, PATH + "?top_k=3", picture("blue", form=media), headers={"content-type": f"image/{media.lower()}"})
    assert labels(found) == ["blue"]
    body = found.json()
    assert (body["model"], len(body["results"][0]["top"]), body["results"][0]["answered_by"]) == ("eye", 3, "student")


def test_the_server_says_what_the_bundle_says(app: App, folder: Path) -> None:
    files = [picture("orange"), picture("teal"), picture("gray")]
    found = ask(app, PATH, {"input": [encoded(file) for file in files], "model": "eye", "top_k": 2}).json()["results"]
    for said, expected in zip(found, load(folder / "image" / "bundle").predict(files), strict=True):
        assert (said["label"], said["abstain"]) == (expected.label, expected.abstain)
        assert said["confidence"] == pytest.approx(expected.probability, abs=1e-6)
    assert [said["abstain"] for said in found] == [False, False, True]


def test_a_clip_is_heard(app: App, tmp_path: Path) -> None:
    low, high = clip(tmp_path, 200), clip(tmp_path, 3000, rate=16000)
    assert labels(ask(app, PATH, low, headers=WAV)) == ["low"]
    assert labels(ask(app, PATH, {"input": [encoded(low), encoded(high)], "model": "ear"})) == ["low", "high"]
    soundfile = pytest.importorskip("soundfile", reason="needs the extra audio")
    for media in ("FLAC", "OGG", "MP3"):
        packed = io.BytesIO()
        soundfile.write(packed, *soundfile.read(io.BytesIO(high)), format=media)
        assert labels(ask(app, PATH, packed.getvalue(), headers={"content-type": f"audio/{media.lower()}"})) == ["high"]


def test_a_form_holds_several_files_and_settings(app: App) -> None:
    body, headers = form(
        ("file", picture("red"), "image/png"),
        ("file", picture("lime"), "image/png"),
        ("top_k", b"2", None),
        ("model", b"eye", None),
    )
    found = ask(app, PATH, body, headers=headers)
    assert labels(found) == ["red", "green"]
    assert len(found.json()["results"][0]["top"]) == 2


def test_data_urls_and_unnamed_bytes(app: App) -> None:
    url = "data:image/png;base64," + base64.b64encode(picture("red")).decode()
    assert labels(ask(app, PATH, {"input": {"base64": url}})) == [
        "red"
    ]  # which names its kind, so the model that reads it is found
    unnamed = {"content-type": "application/octet-stream"}
    assert labels(ask(app, PATH + "?model=eye", picture("red"), headers=unnamed)) == ["red"]
    assert ask(app, PATH, picture("red"), headers=unnamed).code == "wrong_input"


def test_where_nobody_says_which_model_the_other_kinds_are_named(app: App, folder: Path) -> None:
    del app  # which wrote these
    bundles = {"eye": folder / "image" / "bundle", "ear": folder / "audio" / "bundle"}
    service = Service.load(bundles, limits=LIMITS)
    try:
        both = App(service, LIMITS)
        unnamed = {"content-type": "application/octet-stream"}
        said = ask(both, PATH, clip(folder, 300), headers=unnamed)
        assert said.code == "unreadable_file"
        assert said.json()["error"]["message"].endswith("It went to 'eye'; 'ear' reads clips: name one (model)")
        said = ask(both, PATH + "?model=eye", clip(folder, 300), headers=unnamed)
        assert "name one" not in said.json()["error"]["message"]
    finally:
        service.close()


def bomb(side: int) -> bytes:
    """A PNG that promises a square of black, whose pixels are some bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")


BAD: dict[str, tuple[Any, dict[str, str], int, str]] = {
    "empty": (b"", PNG, 422, "empty_file"),
    "no picture": (b"hello", PNG, 422, "unreadable_file"),
    "a text as a picture": (b'{"input": "hello"}', PNG, 422, "unreadable_file"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", {"content-type": "image/svg+xml"}, 422, "unreadable_file"),
    "cut off": (picture("red", 100, "BMP")[:900], PNG, 422, "unreadable_file"),
    "a bomb": (bomb(30_000), PNG, 413, "input_too_large"),
    "too many pixels": (picture("red", 201), PNG, 413, "input_too_large"),
    "too many bytes": (b"x" * 200_001, PNG, 413, "body_too_large"),
    "a wav for a picture": (b"RIFF\0\0\0\0WAVEfmt ", PNG, 422, "unreadable_file"),
    "a picture for a clip": (picture("red"), WAV, 422, "unreadable_file"),
    "half a wav": (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", WAV, 422, "unreadable_file"),
    "plain text": (b"hello", {"content-type": "text/plain"}, 415, "unsupported_type"),
    "a film": (b"hello", {"content-type": "video/mp4"}, 415, "unsupported_type"),
    "no type": (b"hello", {"content-type": ""}, 415, "unsupported_type"),
    "no form": (b"hello", {"content-type": "multipart/form-data"}, 400, "invalid_form"),
    "no end": (b"--x\r\n", {"content-type": "multipart/form-data; boundary=x"}, 400, "invalid_form"),
    "no head": (b"--x\r\nhello\r\n--x--", {"content-type": "multipart/form-data; boundary=x"}, 400, "invalid_form"),
    "no file in it": (*form(("top_k", b"1", None)), 422, "too_many_items"),
    "an odd field": (*form(("a", picture("red"), "image/png"), ("topk", b"1", None)), 422, "unknown_key"),
    "two kinds": (*form(("a", picture("red"), "image/png"), ("b", b"x", "audio/wav")), 422, "invalid_input"),
    "too many": (*form(*[("a", picture("red"), "image/png")] * 5), 422, "too_many_items"),
    "far too many": (*form(*[("a", b"x", "image/png")] * 50), 422, "too_many_items"),
    "one of three": (*form(("a", picture("red"), "image/png"), ("a", b"x", "image/png")), 422, "unreadable_file"),
    "no base64": ({"input": {"base64": "?"}, "model": "eye"}, {}, 422, "invalid_input"),
    "a number": ({"input": {"base64": 3}, "model": "eye"}, {}, 422, "invalid_input"),
    "another key": ({"input": {"path": "/etc/passwd"}, "model": "eye"}, {}, 422, "invalid_input"),
    "mixed": ({"input": [encoded(b"x"), "hello"], "model": "eye"}, {}, 422, "invalid_input"),
    "a URL": ({"input": {"base64": "data:image/png,abc"}}, {}, 422, "invalid_input"),
    "a text for a picture": ({"input": "/etc/passwd", "model": "eye"}, {}, 422, "wrong_input"),
    "a picture for a text": ({"input": encoded(b"x")}, {}, 422, "wrong_input"),
    "the wrong model": (*form(("a", picture("red"), "image/png"), ("model", b"ear", None)), 422, "wrong_input"),
    "no model": (*form(("a", picture("red"), "image/png"), ("model", b"eyes", None)), 404, "model_not_found"),
    "top_k": (*form(("a", picture("red"), "image/png"), ("top_k", b"-1", None)), 422, "invalid_top_k"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_reason(app: App, case: str) -> None:
    body, headers, status, code = BAD[case]
    response = ask(app, PATH, body, headers=headers)
    assert (response.status, response.code) == (status, code), response.body
    assert len(response.json()["error"]["message"]) < 300


def test_a_clip_that_is_too_long_or_unpacks_to_too_much_is_refused(app: App, tmp_path: Path) -> None:
    assert ask(app, PATH, clip(tmp_path, 200, 3.0), headers=WAV).code == "input_too_large"
    soundfile = pytest.importorskip("soundfile", reason="needs the extra audio")
    packed = io.BytesIO()
    soundfile.write(packed, np.zeros((48_000 * 60, 8)), 96_000, format="FLAC")
    assert len(packed.getvalue()) < LIMITS.upload
    assert ask(app, PATH, packed.getvalue(), headers=WAV).code == "input_too_large"


@pytest.mark.parametrize(
    "query", ["?top_k=x", "?top_k=4", "?topk=1", "?top_k=1&model=eye&top_k=2", "?&&&&&&&&&=", "?top_k=%FF", "?model=nobody"]
)
def test_settings_behind_the_path_are_checked(app: App, query: str) -> None:
    assert ask(app, PATH + query, picture("red"), headers=PNG).status in (404, 422)


def test_damaged_files_never_fail_the_server(app: App, tmp_path: Path) -> None:
    dice = np.random.default_rng(7)
    whole = [(f"image/{form}", picture("red", form=form)) for form in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")]
    whole.append(("audio/wav", clip(tmp_path, 200)))
    soundfile = pytest.importorskip("soundfile", reason="needs the extra audio")
    for form in ("FLAC", "OGG"):
        packed = io.BytesIO()
        soundfile.write(packed, np.zeros(2000), 8000, format=form)
        whole.append((f"audio/{form}", packed.getvalue()))
    for media, content in whole:
        for _ in range(12):
            damaged = bytearray(content[: int(dice.integers(1, len(content) + 1))])
            for place in dice.integers(0, len(damaged), int(dice.integers(0, 9))):
                damaged[place] = int(dice.integers(0, 256))
            status = ask(app, PATH, bytes(damaged), headers={"content-type": media}).status
            assert status in (200, 413, 415, 422), (media, bytes(damaged))


def test_what_cannot_be_read_fails_its_own_request_alone(app: App) -> None:
    import asyncio

    from limbeck.serve.batcher import Unread

    async def both() -> list[Any]:
        asked = [app.service.classify("eye", [picture("red"), content]) for content in (picture("blue"), b"x", picture("lime"))]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, broken, last = asyncio.run(both())
    assert [answer.label for answer in first.results + last.results] == ["red", "blue", "red", "green"]
    assert isinstance(broken, Unread)
    assert broken.place == 1


def test_the_page_of_another_site_sends_no_form(app: App) -> None:
    body, headers = form(("file", picture("red"), "image/png"))
    for origin, status in (("https://shop.example", 403), ("null", 403), ("http://[", 403), ("http://127.0.0.1:8000", 200)):
        assert ask(app, PATH, body, headers={**headers, "origin": origin, "host": "127.0.0.1:8000"}).status == status


def test_a_server_of_texts_takes_no_large_body(folder: Path) -> None:
    service = Service.load({"words": folder / "text" / "bundle"})
    assert App(service, Limits(body=100)).most_body == 100
    response = ask(App(service), PATH, picture("red"), headers=PNG)
    assert (response.status, response.code) == (422, "wrong_input")
    assert 'send {"input": "a text"}' in response.json()["error"]["message"]


# --- the chat page


def test_the_page_shows_what_its_models_read_to_them(app: App, tmp_path: Path) -> None:
    said = of(app.service.model(None).predictor.labels)
    talk = App(app.service, LIMITS, pages(app.service, said, (), Live([]), LIMITS))
    settings = ask(talk, "/chat/settings").json()
    assert settings["takes"]["audio"] == {"seconds": 0.5, "most": 2.0}
    assert settings["takes"]["image"]["most"] == 40_000
    assert "image/png" in settings["takes"]["image"]["types"]
    assert settings["takes"]["text"] == {}
    path = "/chat/message"
    found = ask(talk, path, picture("red"), headers=PNG).json()
    assert (found["intent"], found["reply"], found["answered_by"]) == ("red", "I see: red.", "student")
    assert ask(talk, path, picture("gray"), headers=PNG).json()["reply"].startswith("I am not sure what I see.")
    assert ask(talk, path, clip(tmp_path, 3000), headers=WAV).json()["reply"] == "I hear: high."
    assert ask(talk, path, {"text": "hello", "conversation": "c"}).json()["reply"].startswith("I understood: ")
    for body, status, code in (
        (b"", 422, "empty_file"),
        (b"x", 422, "unreadable_file"),
        (b"x" * 200_001, 413, "body_too_large"),
    ):
        refused = ask(talk, path, body, headers=PNG)
        assert (refused.status, refused.code) == (status, code)
    assert ask(talk, path, b"x", headers={"content-type": "multipart/form-data; boundary=x"}).status == 415


def test_a_page_of_pictures_alone_says_so(app: App, folder: Path) -> None:
    service = Service.load({"eye": folder / "image" / "bundle"})
    said = of(service.model(None).predictor.labels, "image")
    talk = App(service, routes=pages(service, said, (), Live([])))
    settings = ask(talk, "/chat/settings").json()
    assert (settings["name"], list(settings["takes"])) == ("Pictures", ["image"])
    assert ask(talk, "/chat/message", {"text": "hello", "conversation": "c"}).code == "wrong_input"
    policy = ask(talk, "/").headers
    assert "img-src 'self' blob:;" in policy["content-security-policy"]
    assert "media-src" not in policy["content-security-policy"]
    assert policy["permissions-policy"].endswith("microphone=()")
    service.close()


# --- who is asked where a student is not sure


def asked(student: Model, **more: Any) -> Any:
    return escalation_of(student, HandOver(**{"threshold": 1.01, **more}))


def test_a_teacher_is_shown_the_picture_too(app: App, folder: Path) -> None:
    model = app.service.models["eye"]
    cascade = asked(model, teacher=str(model.source), shadow=1.0, watch=1.0)
    service = Service({"eye": model}, escalate={"eye": cascade})
    found = ask(App(service), PATH, picture("lime"), headers=PNG).json()["results"][0]
    assert (found["label"], found["answered_by"]) == ("green", "teacher")
    assert figures(cascade)["limbeck_cascade_asked_total", "teacher", "answered"] >= 1
    service.close()


def test_a_person_gets_the_file(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    httpx2 = pytest.importorskip("httpx2", reason="needs the extra api")
    from limbeck.serve.outside import Person
    from limbeck.serve.post import Post

    heard: list[Any] = []
    post = Post("https://hook/x", transport=httpx2.MockTransport(lambda r: heard.append(r) or httpx2.Response(204)))
    assert Person(post, ["red"], reads="image").answer(b"abc", UNSURE, time.monotonic() + 5).answered_by == "person"
    assert {"image": "YWJj", "label": "greeting"}.items() <= orjson.loads(heard[0].content).items()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"teacher": "https://host/v1", "model": "m"}, "an endpoint is asked about texts"),
        ({"teacher": "text"}, "reads texts, and the student reads pictures"),
        ({"person": "https://host/x", "redact": True}, "--redact takes out of texts"),
        ({"person": "https://host/x", "keep": Path("kept.jsonl")}, "--keep takes out of texts"),
    ],
)
def test_what_is_for_texts_alone_is_refused_at_the_start(app: App, folder: Path, option: dict[str, Any], words: str) -> None:
    if option.get("teacher") == "text":
        option = {"teacher": str(folder / "text" / "bundle")}
    with pytest.raises(LimbeckError, match=words):
        asked(app.service.models["eye"], **option)


# --- the other APIs


def said(*parts: Any) -> dict[str, Any]:
    return {"model": "eye", "messages": [{"role": "user", "content": list(parts)}]}


def shown(content: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": "data:image/png;base64," + encoded(content)["base64"]}}


def test_openais_clients_show_a_picture_or_a_clip(app: App, tmp_path: Path) -> None:
    path, words = "/v1/chat/completions", {"type": "text", "text": "What is on it?"}
    found = ask(app, path, said(words, shown(picture("lime"))))
    assert found.json()["choices"][0]["message"]["content"] == "green"
    heard = {"type": "input_audio", "input_audio": {"data": encoded(clip(tmp_path, 200))["base64"], "format": "wav"}}
    assert ask(app, path, {**said(heard), "model": "ear"}).json()["choices"][0]["message"]["content"] == "low"
    for body, code in (
        (said(words), "wrong_input"),
        (said(heard), "wrong_input"),
        ({**said(shown(picture("red"))), "model": "words"}, "wrong_input"),
        (said(shown(picture("red")), shown(picture("red"))), "invalid_messages"),
        (said({"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}), "invalid_messages"),
        (said({"type": "image_url", "image_url": "x"}), "invalid_input"),
        (said({"type": "image_url"}), "invalid_input"),
        (said(shown(b"x")), "unreadable_file"),
        (said(shown(b"")), "empty_file"),
    ):
        response = ask(app, path, body)
        assert (response.status, response.code) == (422, code), body


def test_the_open_inference_protocol_takes_files_in_base64(app: App) -> None:
    assert ask(app, "/v2/models/eye").json()["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    tensor = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [2],
        "data": [encoded(picture(c))["base64"] for c in ("red", "blue")],
    }
    outputs = ask(app, "/v2/models/eye/infer", {"inputs": [tensor]}).json()["outputs"]
    assert outputs[0]["data"] == ["red", "blue"]
    for odd in ({"data": ["?", "?"]}, {"data": [1, 2]}, {"name": "text"}, {"shape": [3]}, {"data": []}):
        assert ask(app, "/v2/models/eye/infer", {"inputs": [{**tensor, **odd}]}).status == 422


def test_rasas_channels_have_no_files(app: App, folder: Path) -> None:
    eye = App(Service.load({"eye": folder / "image" / "bundle"}))
    for path, body in (("/model/parse", {"text": "hello"}), ("/webhooks/rest/webhook", {"message": "hello"})):
        assert ask(eye, path, body).code == "wrong_input"
        assert ask(app, path, body).status == 200
