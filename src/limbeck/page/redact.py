"""What names a person in a text, replaced before a text is shown. Knows how such things are written; knows nothing of what a text means.

E-mail addresses, web addresses, IBANs, numbers of cards, telephones and anything else of six digits or more. Names of people and streets are not
found: a text that is redacted may still be private.
"""

from __future__ import annotations

import re

from limbeck.text import clean

_MOST = 1000
"""Characters that are looked at; a page shows fewer."""
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("URL", re.compile(r"\b(?:https?|ftp)://\S+|\bwww\.\S+", re.IGNORECASE)),
    ("e-mail", re.compile(r"[^\s@<>()\"',;:]+\s?@\s?[^\s@<>()\"',;:]+\.[^\W\d_]{2,}")),
    (
        "URL",
        re.compile(
            r"\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|de|fr|es|it|nl|ru|cn|uk|eu|info|biz|co|app|dev)\b(?:/\S*)?",
            re.IGNORECASE,
        ),
    ),
    ("IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b", re.IGNORECASE)),
    ("card", re.compile(r"(?<!\d)\d(?:[ .\-]?\d){12,18}(?!\d)")),
    ("phone", re.compile(r"(?:\+|\b00|\(0?\d|\b0)[\d(](?:[ ()/.\-]{0,2}\d){5,14}(?!\d)")),
    ("number", re.compile(r"(?<!\d)\d(?:[ .\-/]?\d){5,}(?!\d)")),
)


def redacted(text: str) -> str:
    """The beginning of a text, with such things replaced by their kind in brackets, in characters that any file can hold.

    Example:
        >>> redacted("write to ann@example.org or call +44 20 7946 0958")
        'write to [e-mail] or call [phone]'
    """
    text = clean(text)
    if len(text) > _MOST:
        text = text[:_MOST].rpartition(" ")[0]  # a number that is cut in two would not be known as one
    for name, pattern in _KINDS:
        text = pattern.sub(f"[{name}]", text)
    return text
