"""The spec of a text modality, from a stranger. Knows what a tokenizer file may ask for, and what of it would never end.

The tokenizers library reads the file and decides whether it is a tokenizer; what it does not decide is whether a pattern in it can
keep a processor busy for hours. Texts are cut to 32 characters a token, so a pattern is harmless unless it repeats a repetition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from limbeck.errors import DataError
from limbeck.types import Json

MOST_TOKENS = 65_536
MOST_AROUND = 16
_MOST_ID = 2**31
_MOST_PATTERN = 4_000  # characters
_MOST_REPETITIONS = 60  # in one pattern
_MOST_PARTS = 200
_CLASS = re.compile(r"\\.|\[(?:[^\[\]\\]|\\.|\[(?:[^\[\]\\]|\\.|\[[^\]]*\])*\])*\]", re.DOTALL)
_REPEATED_GROUP = re.compile(r"\)\s*(?:[*+]|\{\d*,?\d*\})")
_NOT_REGULAR = re.compile(r"\(\?(?:<[=!]|[PR&0-9(]|<\w)|\\[1-9kg]")


def checked(spec: Any) -> Json:
    """The spec itself, if it is one.

    Raises:
        DataError: it is not; the message says what is odd.
    """
    if not isinstance(spec, dict) or set(spec) != {"max_tokens", "before", "after", "tokenizer"}:
        raise DataError("the spec of a text modality holds max_tokens, before, after and tokenizer, and nothing else")
    if type(spec["max_tokens"]) is not int or not 1 <= spec["max_tokens"] <= MOST_TOKENS:
        raise DataError(f"max_tokens is {spec['max_tokens']!r:.40}; 1 to {MOST_TOKENS:,} is expected")
    for side in ("before", "after"):
        ids = spec[side]
        if not isinstance(ids, list) or len(ids) > MOST_AROUND or any(type(i) is not int or not 0 <= i < _MOST_ID for i in ids):
            raise DataError(f"'{side}' is {ids!r:.60}; up to {MOST_AROUND} token ids are expected")
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
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        for number, pattern in enumerate(_patterns(tokenizer.get(part))):
            if number >= _MOST_PARTS:
                raise DataError(f"the tokenizer's {part} has more than {_MOST_PARTS} patterns")
            _check_pattern(pattern, part)
    return spec


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
    bare = _CLASS.sub("x", pattern)  # without classes and escaped signs; an escape of one sign says nothing about repetition
    if len(pattern) > _MOST_PATTERN:
        raise DataError(
            f"a pattern of the tokenizer's {part} has {len(pattern):,} characters; at most {_MOST_PATTERN:,} are read"
        )
    if _REPEATED_GROUP.search(bare) or _NOT_REGULAR.search(pattern):
        raise DataError(
            f"the pattern {pattern!r:.120} of the tokenizer's {part} repeats a group or refers to one, and may never end on some texts"
        )
    if len(re.findall(r"[*+{]", bare)) > _MOST_REPETITIONS:
        raise DataError(f"the pattern {pattern!r:.120} of the tokenizer's {part} has more than {_MOST_REPETITIONS} repetitions")
