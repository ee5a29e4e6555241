"""Pictures and clips as a request sends them: a file as it is, files in a form, base64 in JSON. Knows content types and base64; decodes no picture.

A request says what it sends by its content-type (image/png, audio/wav); the file itself says which format it has.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from limbeck.serve import form
from limbeck.serve.limits import Limits
from limbeck.serve.reply import Refusal, Request, kind_of

UNNAMED = "application/octet-stream"
KINDS = ("image", "audio")
"""What may be sent as bytes: modalities, and the first half of their content types."""
_SETTINGS = frozenset({"model", "top_k"})


@dataclass(frozen=True, slots=True)
class Files:
    """What was sent: files, of which kind ("" where the request does not say), and what else was asked."""

    contents: list[bytes]
    kind: str = ""
    model: str | None = None
    top_k: int = 1


def media_type(headers: Mapping[bytes, bytes]) -> str:
    """The content type of a request without its parameters, in lower case."""
    return headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()


def is_file(media: str) -> bool:
    """Whether a body of this content type is files, and no JSON.

    Example:
        >>> is_file("image/png"), is_file("text/plain")
        (True, False)
    """
    return media in (UNNAMED, form.TYPE) or media.partition("/")[0] in KINDS


def check_origin(headers: Mapping[bytes, bytes]) -> None:
    """Refuse what the page of another site sends: unlike JSON, a browser sends a form anywhere without asking.

    Raises:
        Refusal: it comes from such a page.
    """
    origin = headers.get(b"origin")
    if origin is not None and origin.partition(b"://")[2] != headers.get(b"host", b""):
        raise Refusal(403, "foreign_origin", "the page of another site may not send files here; its server can")


def read(request: Request, limits: Limits) -> Files:
    """The files of a body that is no JSON; `model` and `top_k` are fields of its form, or stand behind the path (?top_k=3).

    Raises:
        Refusal: there is none, or one too many, or a setting is none.
    """
    media = media_type(request.headers)
    if media != form.TYPE:
        try:
            given = parse_qsl(request.query.decode("latin-1"), keep_blank_values=True, max_num_fields=len(_SETTINGS))
        except ValueError:
            raise Refusal(
                422, "unknown_key", f"only {', '.join(sorted(_SETTINGS))} may stand behind the path, once each"
            ) from None
        return _made([request.body], {_kind(media)} - {""}, dict(given), limits)
    contents: list[bytes] = []
    kinds: set[str] = set()
    settings: dict[str, str] = {}
    for part in form.parts(request.headers[b"content-type"].decode("latin-1"), request.body, limits.items + len(_SETTINGS)):
        if part.file or _kind(part.media):
            contents.append(part.content)
            kinds.add(_kind(part.media))
        else:
            settings[part.name] = part.content.decode("utf-8", "replace")
    return _made(contents, kinds - {""}, settings, limits)


def of_json(value: Any, limits: Limits, param: str) -> Files:
    """The files of one object {"base64": ...}, or of a list of them; a data: URL is read there too.

    Raises:
        Refusal: it is something else.
    """
    given = value if type(value) is list else [value]
    contents: list[bytes] = []
    kinds: set[str] = set()
    for number, one in enumerate(given):
        where = f"{param}[{number}]" if type(value) is list else param
        if type(one) is not dict or set(one) != {"base64"}:
            came = f"an object with {', '.join(map(repr, sorted(one)[:4]))}" if type(one) is dict else kind_of(one)
            raise Refusal(
                422, "invalid_input", f'{where} must be {{"base64": "..."}}, as the others; it is {came:.100}', param=param
            )
        content, kind = decoded(one["base64"], where, param)
        contents.append(content)
        kinds.add(kind)
    return _made(contents, kinds - {""}, {}, limits)


def decoded(value: Any, where: str, param: str) -> tuple[bytes, str]:
    """The bytes of a base64 text or of a data: URL, and the kind that the URL names.

    Raises:
        Refusal: it is neither.
    """
    if type(value) is not str:
        raise Refusal(422, "invalid_input", f"{where} must be a base64 text; it is {kind_of(value)}", param=param)
    kind = ""
    if value[:5] == "data:":
        head, comma, value = value.partition(",")
        if not comma or not head.endswith(";base64") or len(head) > 200:
            raise Refusal(422, "invalid_input", f"{where} is a data: URL without ';base64,'", param=param)
        kind = _kind(head[5:].partition(";")[0].lower())
    try:
        return base64.b64decode(value, validate=True), kind
    except (binascii.Error, ValueError):
        raise Refusal(422, "invalid_input", f"{where} is not base64", param=param) from None


def _kind(media: str) -> str:
    kind = media.partition("/")[0]
    return kind if kind in KINDS else ""


def _made(contents: list[bytes], kinds: set[str], settings: Mapping[str, str], limits: Limits) -> Files:
    if not 1 <= len(contents) <= limits.items:
        raise Refusal(
            422, "too_many_items", f"1 to {limits.items:,} files are expected; there are {len(contents):,}", param="input"
        )
    if not all(contents):
        raise Refusal(422, "empty_file", "the file is empty", param="input")
    if len(kinds) > 1:
        raise Refusal(422, "invalid_input", "pictures and clips cannot be asked about together", param="input")
    for key in settings:
        if key not in _SETTINGS:
            raise Refusal(
                422,
                "unknown_key",
                f"unknown key '{key:.40}'; known beside files: {', '.join(sorted(_SETTINGS))}",
                param=key[:40],
            )
    top_k = settings.get("top_k", "1")
    if not top_k.isascii() or not top_k.isdigit() or not 1 <= int(top_k[:9]) <= limits.top_k:
        raise Refusal(422, "invalid_top_k", f"'top_k' must be a whole number from 1 to {limits.top_k}", param="top_k")
    return Files(contents, "".join(kinds), settings.get("model") or None, int(top_k[:9]))
