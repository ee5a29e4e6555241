"""What a shop says to each intent, and how it greets. Knows the form of an operator's file; knows nothing of models and requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck import plain_json, shop
from limbeck.errors import InputFileError, RepliesError, listing, nearest
from limbeck.serve.payload import TEXT
from limbeck.text import clean

OTHERWISE = "out_of_scope"
_PAGE = "page"
_MOST_BYTES = 1_000_000
_TEXTS = {
    "name": "Customer service",
    "greeting": "Hello, how can I help you?",
    "handing_over": "I am passing you on to a colleague.",
}
_LISTS = ("examples", "person")
_UNSURE = {
    TEXT: "I am not sure what you mean. Could you say it in other words?",
    "image": "I am not sure what I see. Could you show me another picture?",
    "audio": "I am not sure what I hear. Could you say it again?",
}
_ABOUT: dict[str, dict[str, Any]] = {
    "image": {"name": "Pictures", "greeting": "Hello! Show me a picture, and I tell you what I see."},
    "audio": {"name": "Sounds", "greeting": "Hello! Let me hear something, and I tell you what it is."},
}
"""How a page is headed where its bundle reads no texts."""


@dataclass(frozen=True, slots=True)
class Replies:
    """All that a page needs to talk.

    by_intent: the reply to each label. otherwise: where the model abstains. name, greeting: of the shop. handing_over: to whoever asks
    for a person. examples: what a customer may ask. person: the intents that ask for a person. reads: what the bundle reads.
    """

    by_intent: Mapping[str, str]
    otherwise: str
    name: str = _TEXTS["name"]
    greeting: str = _TEXTS["greeting"]
    handing_over: str = _TEXTS["handing_over"]
    examples: tuple[str, ...] = ()
    person: frozenset[str] = frozenset()
    reads: str = TEXT

    def to(self, intent: str, abstain: bool = False) -> str:
        """What is said to an intent. A label that came with a newer bundle is named."""
        return self.otherwise if abstain else self.by_intent.get(intent) or _named(intent, self.reads)


def replies(path: Path | None, labels: Sequence[str], reads: str = TEXT) -> Replies:
    """The operator's replies where a file of them is given, else those that there are.

    Raises:
        InputFileError: there is no such file.
        RepliesError: it does not fit the labels.
    """
    return of(labels, reads) if path is None else read(path, labels)


def read(path: str | Path, labels: Sequence[str]) -> Replies:
    """An operator's file: a JSON object with a reply for each label of the bundle and for 'out_of_scope', and perhaps `page`, an object
    with `name`, `greeting`, `handing_over` (texts), `examples` and `person` (lists of texts; `person`: the labels that ask for a person).

    Raises:
        InputFileError: there is no such file.
        RepliesError: it is not of this form; the message lists all that is wrong.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputFileError(f"{path}: the file of replies cannot be read: {error.strerror or error}") from error
    try:
        if len(data) > _MOST_BYTES:
            raise ValueError(f"it has {len(data):,} bytes, of at most {_MOST_BYTES:,}")
        content = plain_json.parse(data)
    except ValueError as error:
        raise RepliesError(f"{path}: a JSON object of replies is expected: {error}") from error
    problems = _problems(content, labels)
    if problems:
        raise RepliesError(f"{path}: " + "; ".join(problems) + ".")
    return _made(content)


def of(labels: Sequence[str], reads: str = TEXT) -> Replies:
    """The replies where the operator gave none: those of the demo's shop for a bundle with its labels, else each intent by its name."""
    written = shop.replies()
    if set(labels) == set(written) - {OTHERWISE}:
        return _made({**written, _PAGE: shop.PAGE})
    return Replies(
        {label: _named(label, reads) for label in labels},
        _UNSURE.get(reads, _UNSURE[TEXT]),
        **_ABOUT.get(reads, {}),
        reads=reads,
    )


def _named(intent: str, reads: str) -> str:
    words = intent.replace("_", " ")
    if reads in _ABOUT:  # whoever shows a picture asks what it is
        return f"{'I hear' if reads == 'audio' else 'I see'}: {words}."
    return f"I understood: {words}. (No reply is written for it; start the server with --replies FILE.)"


def _made(content: Mapping[str, Any]) -> Replies:
    page = content[_PAGE] if isinstance(content.get(_PAGE), dict) else {}
    texts = {key: page[key] for key in _TEXTS if key in page}
    return Replies(
        {intent: reply for intent, reply in content.items() if isinstance(reply, str) and intent != OTHERWISE},
        content[OTHERWISE],
        **texts,
        examples=tuple(page.get("examples", ())),
        person=frozenset(page.get("person", ())),
    )


def _problems(content: Any, labels: Sequence[str]) -> list[str]:
    if not isinstance(content, dict):
        return [f"a JSON object with a reply for each intent is expected; it is {type(content).__name__}"]
    page = content[_PAGE] if isinstance(content.get(_PAGE), dict) else {}
    replies = {key: value for key, value in content.items() if value is not page}
    wanted = [*labels, OTHERWISE]
    found = [
        f"the reply to '{key:.60}' must be a text with something in it, and is {value!r:.60}"
        for key, value in replies.items()
        if not _is_text(value)
    ]
    if missing := [label for label in wanted if label not in replies]:
        found.append(f"no reply to {listing(missing)}: each label of the bundle needs one")
    found += [
        f"'{key:.60}' is no label of the bundle.{nearest(key, wanted)} Take it out or mend its name"
        for key in replies
        if key not in wanted
    ]
    for key, value in page.items():
        if key in _LISTS:
            if not isinstance(value, list) or not all(map(_is_text, value)):
                found.append(f"page.{key} must be a list of texts, and is {value!r:.60}")
            elif key == "person" and (unknown := [label for label in value if label not in labels]):
                found.append(f"page.person names {listing(unknown)}, which the bundle does not know")
        elif key not in _TEXTS:
            found.append(f"page has no '{key:.60}'.{nearest(key, [*_TEXTS, *_LISTS])}")
        elif not _is_text(value):
            found.append(f"page.{key} must be a text with something in it, and is {value!r:.60}")
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and clean(value) == value
