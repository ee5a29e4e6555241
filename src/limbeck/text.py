"""What a text is before anybody tokenises it. Knows strings; knows nothing of tokenizers. Teachers and students read the same."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_CHARACTERS_PER_TOKEN = 32
_RUN_OR_SIGN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a text a student's network is given: its tokens, those with the tokenizer's own special tokens around them, as a
    transformer is, or with an id for each run of 2 to `ngrams` tokens behind them, of which there are `buckets` (1 and 0: none)."""

    special_tokens: bool = False
    ngrams: int = 1
    buckets: int = 0


def clean(text: object) -> str:
    """The text with lone surrogates replaced, which UTF-8 and so a tokenizer cannot carry.

    Raises:
        TypeError: it is not a text.
    """
    if not isinstance(text, str):
        raise TypeError(f"a text is expected; got {type(text).__name__}: {text!r:.60}")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def readable(text: object, max_tokens: int) -> str:
    """The clean text, cut to what `max_tokens` tokens can hold, so that 100,000 characters cost no more than 32 for each token.

    Example:
        >>> len(readable("x" * 100_000, max_tokens=128))
        4096
    """
    whole, most = clean(text), max_tokens * _CHARACTERS_PER_TOKEN
    return whole if len(whole) <= most else whole.lstrip()[:most]


def fold(text: str) -> str:
    """The text without regard to case, to the kind and number of its spaces, and to how its accents are encoded.

    Example:
        >>> fold("  Où est\\tMA carte ?") == fold("Ou\\u0300 est ma carte ?")
        True
    """
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFD", text).casefold()
    return " ".join(unicodedata.normalize("NFC", decomposed).split())


def key_of(text: str) -> str:
    """The stable key of a text: half of the sha256 of the folded text, so copies and near copies share it and stay together."""
    return hashlib.sha256(fold(text).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def words(text: str) -> list[tuple[int, int]]:
    """Where the words lie, as (start, end) in characters: runs of letters, digits and underscores, and every other sign alone.

    A combining mark belongs to the character before it, so an accented letter is one however it is written. In a script without
    spaces a word goes on to the next sign.

    Example:
        >>> text = "It's 5 p.m."
        >>> [text[start:end] for start, end in words(text)]
        ['It', "'", 's', '5', 'p', '.', 'm', '.']
    """
    spans: list[tuple[int, int]] = []
    in_run = False  # whether the last word is a run, which goes on behind a mark
    for match in _RUN_OR_SIGN.finditer(text):
        (start, end), first = match.span(), text[match.start()]
        is_mark, is_run = unicodedata.category(first).startswith("M"), first == "_" or first.isalnum()
        if spans and spans[-1][1] == start and (is_mark or (is_run and in_run)):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
            in_run = is_run
    return spans


def word_of(offsets: Sequence[tuple[int, int]], text: str) -> list[int]:
    """For each token the number of its word in `words(text)`: that of its first character which is no space; -1 where there is none.

    So two tokenizers speak of the same words, whether a token begins with the space before it or a special token stands for nothing.

    Args:
        offsets: where each token lies, as (start, end) in characters of `text`.
        text: what was tokenised.

    Example:
        >>> word_of([(0, 0), (0, 2), (2, 5), (5, 11)], "hello world")
        [-1, 0, 0, 1]
    """
    number_of = [-1] * len(text)
    for number, (start, end) in enumerate(words(text)):
        number_of[start:end] = [number] * (end - start)
    return [next((n for n in number_of[start:end] if n >= 0), -1) for start, end in offsets]
