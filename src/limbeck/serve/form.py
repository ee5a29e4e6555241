"""multipart/form-data (RFC 7578), as browsers and curl -F send files. Knows boundaries and the heads of parts; knows nothing of what is in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from limbeck.serve.reply import Refusal

TYPE = "multipart/form-data"
_PARAMETER = re.compile(r';\s*([a-z]+\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)
_MOST_HEAD = 4_096  # bytes
_MOST_BOUNDARY = 70  # characters (RFC 2046)


@dataclass(frozen=True, slots=True)
class Part:
    """One field. media: its type, in lower case and without parameters; "" where none is said. file: whether it is a file."""

    name: str
    content: bytes
    media: str = ""
    file: bool = False


def parts(content_type: str, body: bytes, most: int) -> list[Part]:
    """The fields of a body, in order.

    Args:
        content_type: of the request.
        body: whole.
        most: fields that it may have.

    Raises:
        Refusal: it is no form, or has more fields.

    Example:
        >>> parts('multipart/form-data; boundary=x', b'--x\\r\\nContent-Disposition: form-data; name="top_k"\\r\\n\\r\\n3\\r\\n--x--\\r\\n', 5)
        [Part(name='top_k', content=b'3', media='', file=False)]
    """
    boundary = _parameters(content_type).get("boundary", "")
    if not 1 <= len(boundary) <= _MOST_BOUNDARY or not boundary.isascii():
        raise _none("its content-type names no boundary")
    _, *sections = (b"\r\n" + body).split(b"\r\n--" + boundary.encode(), most + 2)
    if len(sections) > most + 1:
        raise Refusal(422, "too_many_items", f"a form may have {most:,} fields")
    if not sections or not sections[-1].startswith(b"--"):
        raise _none("it does not end with its boundary, so it is cut off")
    return [_part(section) for section in sections[:-1]]


def _part(section: bytes) -> Part:
    # White space may stand behind a boundary; then its line ends.
    head, blank, content = section.lstrip(b" \t").partition(b"\r\n\r\n")
    if not blank or not head.startswith(b"\r\n") or len(head) > _MOST_HEAD:
        raise _none("a field of it has no head")
    given = {}
    for line in head[2:].decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        given[name.strip().lower()] = value.strip()
    about = given.get("content-disposition", "")
    names = _parameters(about)
    if not about.lower().startswith("form-data") or "name" not in names:
        raise _none("a field of it has no name")
    media = given.get("content-type", "").partition(";")[0].strip().lower()
    return Part(names["name"], content, media, "filename" in names or "filename*" in names)


def _parameters(value: str) -> Mapping[str, str]:
    """The parameters of a header's value, by their names in lower case."""
    return {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(value)}


def _none(reason: str) -> Refusal:
    return Refusal(400, "invalid_form", f"the body is no {TYPE}: {reason}")
