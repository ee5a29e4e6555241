"""What a text is before anybody tokenises it. Knows strings; knows nothing of tokenizers. Teachers and students read the same."""

from __future__ import annotations

_CHARACTERS_PER_TOKEN = 32


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
