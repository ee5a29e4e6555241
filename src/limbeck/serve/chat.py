"""The pages and the conversation behind them, as routes of Starlette. Knows files, origins and what a shop says; knows no model: a service answers.
Nothing that is written here is kept; only a person who was asked for is told."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from limbeck.errors import InputFileError
from limbeck.serve import policy, sent
from limbeck.serve.answer import Answer
from limbeck.serve.classify import Asked, answered
from limbeck.serve.limits import Limits
from limbeck.serve.live import Live
from limbeck.serve.payload import TEXT
from limbeck.serve.replies import Replies, of
from limbeck.serve.reply import TURNED_AWAY, Refusal, json_object, kind_of
from limbeck.serve.service import Service
from limbeck.serve.visitors import Visitors
from limbeck.types import Json

MOST_CHARACTERS = 4_000
"""Of a message, more than anybody writes to a shop."""

_MOST_SAID = 20  # messages of a conversation that a person is told
_WEB = Path(__file__).parent / "web"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PAGES = {"/": "index.html", "/live": "live.html", "/widget.js": "widget.js"}
Act = Callable[[Request], Awaitable[Response]]
Person = Callable[[str, list[Json]], Awaitable[None]]
"""Told of a conversation that waits for a person: its id, and what was said (objects with `who` and `text`). Raises `Refusal` where nobody heard."""


@dataclass(frozen=True, slots=True)
class Chat:
    """What the pages talk to.

    service: of its models the first that reads texts, pictures or clips answers to these. replies: of its first model. person: None where nobody
    is connected. origins: of foreign pages that may hold the widget, as browsers write them ("https://shop.example"). visitors: how often one
    address may ask; None: any number.
    """

    service: Service
    replies: Replies
    live: Live
    person: Person | None = None
    origins: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    visitors: Visitors | None = None

    def routes(self) -> list[Route]:
        """`/`, `/live`, `/widget.js`, `/web/…`, and what they ask: `/chat/settings`, `/chat/message`, `/chat/person`, `/live/data`."""
        files = {path.name: _File.of(path) for path in sorted(_WEB.iterdir()) if path.suffix in _TYPES}
        pages = {**_PAGES, **{f"/web/{name}": name for name in files}}
        got: dict[str, Act] = {path: partial(self._file, files[name]) for path, name in pages.items()}
        asked: dict[str, Act] = {"/chat/message": self._message, "/chat/person": self._person}
        return [
            *(Route(path, self._shared(act), methods=["GET", "OPTIONS"]) for path, act in got.items()),
            Route("/chat/settings", self._shared(self._limited(self._settings)), methods=["GET", "OPTIONS"]),
            *(Route(path, self._shared(self._limited(act)), methods=["POST", "OPTIONS"]) for path, act in asked.items()),
            Route("/live/data", self._refusing(self._limited(self._figures)), methods=["GET"]),
        ]

    async def _settings(self, request: Request) -> Response:
        del request
        said = self.replies
        takes: Json = {}
        for kind, model in self.service.reads.items():
            modality = model.predictor.modality
            takes[kind] = {} if kind == TEXT else {**modality.capture(), "most": getattr(self.limits, modality.counted)}
        return self._json(
            {
                "name": said.name,
                "greeting": said.greeting,
                "examples": said.examples,
                "person": self.person is not None,
                "most_characters": MOST_CHARACTERS,
                "most_bytes": self.limits.upload,
                "takes": takes,
            }
        )

    async def _message(self, request: Request) -> Response:
        answers = await answered(self.service, self.limits, await self._asked(request))
        (found,) = answers.results
        if found.labels is not None:
            return self._json(self._several(found.labels, answers.milliseconds))
        # A person who was told answers in no millisecond: until then the label is the student's guess.
        waits = found.answered_by == "person" and found.confidence < 1
        return self._json(
            {
                "intent": found.label,
                "reply": self.replies.handing_over if waits else self._reply(answers.model, found),
                "confidence": round(found.confidence, 4),
                "milliseconds": round(answers.milliseconds, 3),
                "answered_by": found.answered_by,
                "abstain": found.abstain,
                "hand_over": waits or (not found.abstain and found.label in self.replies.person),
            }
        )

    async def _asked(self, request: Request) -> Asked:
        """A message: JSON with a text, or a picture or a clip as it is.

        Raises:
            Refusal: it is none of these.
        """
        media = sent.media_type(dict(request.scope["headers"]))
        kind = media.partition("/")[0]
        if kind in sent.KINDS:
            body = await self._body(request, self.limits.upload if kind in self.service.reads else self.limits.body)
            if not body:
                raise Refusal(422, "empty_file", "the file is empty")
            return Asked([body], kind=kind)
        content = await self._content(request)
        text = _text(content, "text", MOST_CHARACTERS)
        _text(content, "conversation", 64)
        model = self.service.reads.get(TEXT)
        return Asked([text], None if model is None else model.name)

    def _reply(self, model: str, found: Answer) -> str:
        if model == self.service.default:
            return self.replies.to(found.label, found.abstain)
        other = self.service.model(model)
        return of(other.predictor.labels, other.reads).to(found.label, found.abstain)

    def _several(self, given: Sequence[tuple[str, float]], milliseconds: float) -> Json:
        """What is said where several labels may apply: to each of them, in the order of their probabilities."""
        names = [name for name, _ in given]
        return {
            "intent": " + ".join(names) or "no label",
            "reply": " ".join(map(self.replies.to, names)) or self.replies.otherwise,
            "confidence": round(given[0][1], 4) if given else 0.0,
            "milliseconds": round(milliseconds, 3),
            "answered_by": "student",
            "abstain": not given,
            "hand_over": any(name in self.replies.person for name in names),
        }

    async def _person(self, request: Request) -> Response:
        content = await self._content(request)
        conversation = _text(content, "conversation", 64)
        said = content.get("said")
        if type(said) is not list or len(said) > _MOST_SAID:
            raise Refusal(422, "invalid_said", f"'said' must be a list of at most {_MOST_SAID} objects", param="said")
        lines = [{"who": _text(line, "who", 20), "text": _text(line, "text", MOST_CHARACTERS)} for line in said]
        if self.person is not None:
            await self.person(conversation, lines)
            self.live.hand_over()
        return self._json({"reply": self.replies.handing_over, "hand_over": True, "connected": self.person is not None})

    async def _figures(self, request: Request) -> Response:
        del request
        return self._json(self.live.data())

    async def _file(self, file: _File, request: Request) -> Response:
        same = request.headers.get("if-none-match") == file.tag
        # A widget's page loads these from another origin; whether it may read them is for CORS to say.
        own = {"ETag": file.tag, "Cache-Control": "no-cache", "Cross-Origin-Resource-Policy": "cross-origin"}
        headers = {**policy.headers(self.service.reads), **own}
        return Response(b"" if same else file.content, 304 if same else 200, headers, file.media)

    async def _content(self, request: Request) -> Json:
        """The JSON object of a request.

        Raises:
            Refusal: it is none, or larger than a request may be.
        """
        # A form of another page can send no such type without asking first.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "unsupported_type", "send JSON, with the header 'content-type: application/json'")
        return json_object(await self._body(request, self.limits.body))

    async def _body(self, request: Request, most: int) -> bytes:
        """The whole body of a request.

        Raises:
            Refusal: it has more than `most` bytes, or never ends.
        """
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise Refusal(413, "body_too_large", f"a body may have {most:,} bytes")
        except ClientDisconnect:
            raise Refusal(400, "disconnected", "the client has gone") from None
        return bytes(body)

    def _limited(self, act: Act) -> Act:
        """The same, not more often than one address may ask."""

        async def answer(request: Request) -> Response:
            if self.visitors is not None and request.client is not None:
                self.visitors.admit(request.client.host, request.headers.get("x-forwarded-for", ""))
            return await act(request)

        return answer

    def _refusing(self, act: Act) -> Act:
        """The same, with a refusal as a reply."""

        async def answer(request: Request) -> Response:
            try:
                return await act(request)
            except Refusal as refusal:
                if refusal.status in TURNED_AWAY:
                    self.live.refuse()
                reply = refusal.reply()
                named = {key.decode(): value.decode() for key, value in reply.headers}
                headers = {**policy.headers(self.service.reads), "Cache-Control": "no-store", **named}
                return Response(reply.body, reply.status, headers)

        return answer

    def _json(self, content: Json) -> Response:
        headers = {**policy.headers(self.service.reads), "Cache-Control": "no-store"}
        return Response(orjson.dumps(content), 200, headers, "application/json")

    def _shared(self, act: Act) -> Act:
        """The same for our own pages and for those of the origins that may hold the widget; no other page gets an answer."""

        async def answer(request: Request) -> Response:
            origin = request.headers.get("origin")
            foreign = origin is not None and origin.partition("://")[2] != request.headers.get("host")

            async def allowed(request: Request) -> Response:
                if foreign and origin not in self.origins:
                    said = "pages of this origin may not ask this server; its operator can start it with --widget-origin ORIGIN"
                    raise Refusal(403, "foreign_origin", said)
                return Response(status_code=204) if request.method == "OPTIONS" else await act(request)

            response = await self._refusing(allowed)(request)
            if self.origins:
                response.headers["Vary"] = "Origin"
            if foreign and origin in self.origins:
                response.headers["Access-Control-Allow-Origin"] = origin or ""
                response.headers["Access-Control-Expose-Headers"] = "Retry-After"
                if request.method == "OPTIONS":
                    response.headers["Access-Control-Allow-Headers"] = "Content-Type"
                    response.headers["Access-Control-Max-Age"] = "600"
            return response

        return answer


@dataclass(frozen=True, slots=True)
class _File:
    """A file of web/, read once. tag: of its content, so that a browser asks for it again and gets it only when it changed."""

    content: bytes
    media: str
    tag: str

    @classmethod
    def of(cls, path: Path) -> _File:
        content = path.read_bytes()
        return cls(content, _TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _text(content: Any, key: str, most: int) -> str:
    """The text under a key.

    Raises:
        Refusal: there is none, it is blank, or too long.
    """
    value = content.get(key) if type(content) is dict else None
    if type(value) is not str or not value.strip() or "\0" in value:
        came = "a blank one or one with NUL" if type(value) is str else kind_of(value)
        raise Refusal(422, "invalid_text", f"'{key}' must be a text with something in it; it is {came}", param=key)
    if len(value) > most:
        raise Refusal(413, "text_too_long", f"'{key}' has {len(value):,} characters; at most {most:,}", param=key)
    return value


def pages(
    service: Service,
    said: Replies,
    origins: Sequence[str],
    live: Live,
    limits: Limits | None = None,
    person: Person | None = None,
    visitors: Visitors | None = None,
) -> list[Route]:
    """The routes of a server: its models talk, and every answer is counted.

    Raises:
        InputFileError: an origin is none.
    """
    service.watch = lambda answers: live.watch(answers, service.waiting)
    service.turned_away = live.refuse
    return Chat(service, said, live, person, widget_origins(origins), limits or Limits(), visitors).routes()


def widget_origins(given: Sequence[str]) -> frozenset[str]:
    """Origins of pages that may hold the widget, as browsers send them.

    Raises:
        InputFileError: one of them is no origin.

    Example:
        >>> widget_origins(["https://Shop.example/"])
        frozenset({'https://shop.example'})
    """
    found = set()
    for text in given:
        parts = urlsplit(text.strip().rstrip("/"))
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or "@" in parts.netloc:
            raise InputFileError(f"'{text:.100}' is no origin of a page. Write its scheme and host, as in https://shop.example")
        found.add(f"{parts.scheme}://{parts.netloc.lower()}")
    return frozenset(found)
