"""Requests and replies of the server's own routes, without a framework. Knows bytes and JSON; knows nothing of models.

An error has one form, which OpenAI's clients read too: {"error": {"message", "type", "code", "param"}}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from limbeck.serve.limits import Limits

Headers = tuple[tuple[bytes, bytes], ...]

SECURITY: Headers = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
TURNED_AWAY = (429, 503)
"""Statuses that say: too much was asked, come again."""
JSON_TYPE = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its body is whole. params: what stands in the path where its route has names. query: behind its question mark."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes
    params: Mapping[str, str]
    query: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back."""

    body: bytes
    status: int = 200
    headers: Headers = (JSON_TYPE,)


class Refusal(Exception):  # noqa: N818  it is an answer, and the client's mistake
    """A request that gets no answer: HTTP status, a code for programs, a sentence for people; nothing of the text."""

    def __init__(self, status: int, code: str, message: str, *, param: str | None = None, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param, self.headers = status, code, message, param, headers

    def reply(self, path: str = "") -> Reply:
        """The refusal as it is sent from a path: the Open Inference Protocol has errors as texts."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": self.message, "type": kind, "code": self.code, "param": self.param}
        said = self.message if path.startswith("/v2") else error
        return Reply(orjson.dumps({"error": said}), self.status, (JSON_TYPE, *self.headers))


def json_reply(value: Any, status: int = 200) -> Reply:
    """A value as JSON."""
    return Reply(orjson.dumps(value), status)


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body.

    Raises:
        Refusal: it is none.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The library's message quotes no text of the body, only what it expected and where.
        raise Refusal(400, "invalid_json", f"the body is not JSON: {error}") from None
    if type(found) is not dict:
        raise Refusal(422, "invalid_body", f"the body must be a JSON object; it is {kind_of(found)}")
    return found


def check_keys(body: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse keys that nothing reads.

    Raises:
        Refusal: there are some; the message names the first.
    """
    for key in body:
        if key not in known:
            raise Refusal(422, "unknown_key", f"unknown key '{key:.40}'; known: {', '.join(sorted(known))}", param=key[:40])


def texts_of(value: Any, limits: Limits, param: str) -> list[str]:
    """One text or a list of texts, within the limits.

    Raises:
        Refusal: it is neither, or too much.
    """
    texts = [value] if type(value) is str else value
    if type(texts) is not list:
        raise Refusal(422, "invalid_input", f"{param} must be a text or a list of texts; it is {kind_of(value)}", param=param)
    if not 1 <= len(texts) <= limits.items:
        raise Refusal(
            422, "too_many_items", f"{param} must hold 1 to {limits.items:,} texts; it holds {len(texts):,}", param=param
        )
    for number, text in enumerate(texts):
        if type(text) is not str:
            raise Refusal(422, "invalid_input", f"{param}[{number}] must be a text; it is {kind_of(text)}", param=param)
        if len(text) > limits.characters:
            raise Refusal(
                413,
                "text_too_long",
                f"{param}[{number}] has {len(text):,} characters; at most {limits.characters:,}",
                param=param,
            )
        if "\x00" in text:
            raise Refusal(422, "invalid_input", f"{param}[{number}] holds a NUL character, which no text does", param=param)
    return texts


def kind_of(value: Any) -> str:
    """A JSON value's kind, in JSON's words."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")
