"""The spec of a text modality, from a stranger. Knows what a tokenizer file may ask for, and what of it would never end.

The tokenizers library reads the file and decides whether it is a tokenizer; what it does not decide is whether a pattern in it can
keep a processor busy for hours. Texts are cut to 32 characters a token, so a pattern is harmless unless it repeats a repetition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from limbeck.errors import DataError
from limbeck.modalities._ngrams import LONGEST
from limbeck.types import Json

MOST_TOKENS = 65_536
MOST_AROUND = 16
_MOST_ID = 2**31
_MOST_PATTERN = 4_000  # characters
_MOST_REPETITIONS = 60  # in one pattern
_MOST_PARTS = 200
_ONE_SIGN = re.compile(r"\\[pP]\{\^?\w+\}|\\.|\[(?:[^\[\]\\]|\\.|\[(?:[^\[\]\\]|\\.|\[[^\]]*\])*\])*\]", re.DOTALL)
_REFERS = re.compile(r"\\[1-9kg]|\(\?(?:[R&0-9(]|P[=>])")
_MODE = re.compile(r"\?(?:[:=!>]|<[=!]|[a-z-]+:)")  # what may stand behind an opening bracket
_REPEATED = re.compile(r"[*+]|\{\d*,?\d*\}")


def checked(spec: Any) -> Json:
    """The spec itself, if it is one.

    Raises:
        DataError: it is not; the message says what is odd.
    """
    if not isinstance(spec, dict) or set(spec) - {"ngrams"} != {"max_tokens", "before", "after", "tokenizer"}:
        raise DataError(
            "the spec of a text modality holds max_tokens, before, after and tokenizer, perhaps ngrams, and nothing else"
        )
    if type(spec["max_tokens"]) is not int or not 1 <= spec["max_tokens"] <= MOST_TOKENS:
        raise DataError(f"max_tokens is {spec['max_tokens']!r:.40}; 1 to {MOST_TOKENS:,} is expected")
    for side in ("before", "after"):
        ids = spec[side]
        if not isinstance(ids, list) or len(ids) > MOST_AROUND or any(type(i) is not int or not 0 <= i < _MOST_ID for i in ids):
            raise DataError(f"'{side}' is {ids!r:.60}; up to {MOST_AROUND} token ids are expected")
    ngrams = spec.get("ngrams", {"longest": 2, "buckets": 1, "unused": ""})
    if not (
        isinstance(ngrams, dict)
        and {name: type(value) for name, value in ngrams.items()} == {"longest": int, "buckets": int, "unused": str}
        and 2 <= ngrams["longest"] <= LONGEST
        and 1 <= ngrams["buckets"] < _MOST_ID
    ):
        raise DataError(
            f"'ngrams' is {ngrams!r:.60}; the longest of them, 2 to {LONGEST}, the number of their buckets and the unused ids are expected"
        )
    tokenizer = spec["tokenizer"]
    if not isinstance(tokenizer, dict) or not isinstance(tokenizer.get("model"), dict):
        raise DataError("the tokenizer holds no model")
    vocabulary = tokenizer["model"].get("vocab")
    if isinstance(vocabulary, dict):
        if any(type(i) is not int or not 0 <= i < _MOST_ID for i in vocabulary.values()):
            raise DataError("the tokenizer's vocabulary gives a piece an id that is none")
        if vocabulary and max(vocabulary.values()) > 2 * len(vocabulary) + 10_000:
            raise DataError(
                f"the tokenizer's vocabulary has {len(vocabulary):,} pieces, but an id of {max(vocabulary.values()):,}"
            )
    elif isinstance(vocabulary, list) and not _are_pieces(vocabulary):
        raise DataError("the tokenizer's vocabulary is a list, but not of pieces that differ")
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        for number, pattern in enumerate(_patterns(tokenizer.get(part))):
            if number >= _MOST_PARTS:
                raise DataError(f"the tokenizer's {part} has more than {_MOST_PARTS} patterns")
            _check_pattern(pattern, part)
    return spec


def _are_pieces(vocabulary: list[Any]) -> bool:
    """Whether a list holds pieces alone, no two alike; or none, but pieces with prices, which the tokenizers library checks."""
    texts = [piece for piece in vocabulary if isinstance(piece, str)]
    return not texts or len(set(texts)) == len(vocabulary)


def listed(tokenizer: Json) -> Json:
    """The tokenizer with its vocabulary as a list of pieces in the order of their ids, a third of the bytes less; as it is where ids are missing."""
    vocabulary = tokenizer["model"].get("vocab")
    if not isinstance(vocabulary, dict) or sorted(vocabulary.values()) != list(range(len(vocabulary))):
        return tokenizer
    return {**tokenizer, "model": {**tokenizer["model"], "vocab": sorted(vocabulary, key=vocabulary.__getitem__)}}


def numbered(tokenizer: Json) -> Json:
    """The tokenizer as the tokenizers library reads it, back from `listed`."""
    vocabulary = tokenizer["model"].get("vocab")
    if not isinstance(vocabulary, list) or not all(isinstance(piece, str) for piece in vocabulary):
        return tokenizer
    return {**tokenizer, "model": {**tokenizer["model"], "vocab": {piece: i for i, piece in enumerate(vocabulary)}}}


def _patterns(part: Any) -> Iterator[str]:
    """The regular expressions anywhere in a part of a tokenizer."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "Regex" and isinstance(value, str):
                yield value
            else:
                yield from _patterns(value)
    elif isinstance(part, list):
        for value in part:
            yield from _patterns(value)


def _check_pattern(pattern: str, part: str) -> None:
    if len(pattern) > _MOST_PATTERN:
        raise DataError(
            f"a pattern of the tokenizer's {part} has {len(pattern):,} characters; at most {_MOST_PATTERN:,} are read"
        )
    bare = _ONE_SIGN.sub("x", pattern)
    if _REFERS.search(pattern) or any(_branches(body) for body in _repeated_groups(bare)):
        raise DataError(
            f"the pattern {pattern!r:.120} of the tokenizer's {part} repeats a group that can match in several ways, or refers to a "
            "group: on some texts it would never end"
        )
    if len(re.findall(r"[*+{]", bare)) > _MOST_REPETITIONS:
        raise DataError(f"the pattern {pattern!r:.120} of the tokenizer's {part} has more than {_MOST_REPETITIONS} repetitions")


def _repeated_groups(bare: str) -> Iterator[str]:
    """What stands in the groups of a pattern that are repeated."""
    opened: list[int] = []
    for at, sign in enumerate(bare):
        if sign == "(":
            opened.append(at)
        elif sign == ")" and opened:
            start = opened.pop()
            if _REPEATED.match(bare, at + 1):
                yield bare[start + 1 : at]


def _branches(body: str) -> bool:
    """Whether a group can match one text in several ways: three digits cannot, one or more can."""
    mode = _MODE.match(body)
    return re.search(r"[*+?|{]", re.sub(r"\{\d+\}", "", body[mode.end() :] if mode else body)) is not None
