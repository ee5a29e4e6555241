"""Texts without what points to a person. Knows how such things are written; knows no endpoint, keeps nothing, and does not know what a text means.

There are two uses. `pseudonymised` is for a text that leaves and has to stay a text: only what has a form that can be checked (a card's check
digit, an IBAN's remainder) or a word before it that says what follows is replaced, by a number of its own:

    write to ann@example.com or ANN@example.com, card 4111 1111 1111 1111  ->  write to [E-MAIL 1] or [E-MAIL 1], card [CARD 1]

`redacted` is for a text that is shown or kept: whatever looks like such a thing is replaced, web addresses and any number of six digits too. A name
alone in a sentence, or a street, is found by neither: a text without them may still be private.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from limbeck.text import clean

_MOST = 1000
"""Characters of a text that is shown."""
_NAME = r"[A-ZÄÖÜÉÈ][\w'’-]+(?:[ ](?:(?:de|den|der|di|du|la|van|von)\b|[A-ZÄÖÜÉÈ][\w'’-]+)){0,3}"
_BEFORE_A_NAME = r"(?:[Mm]y name is|[Mm]y name's|[Tt]his is|[Ii]ch heiße|[Mm]ein Name ist|[Jj]e m['’]appelle|Mr\.?|Mrs\.?|Ms\.?|Dr\.?|Herr|Frau|Mme|Mlle)"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is looked for. holds: whether what was found is what it looks like."""

    name: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = bool


def _iban(found: str) -> bool:
    """Whether the remainder by 97 is 1 (ISO 13616)."""
    plain = found.replace(" ", "").upper()
    digits = "".join(str(int(c, 36)) for c in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(digits) % 97 == 1


def _card(found: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812, Luhn's formula)."""
    digits = [int(c) for c in found if c.isdigit()]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _phone(found: str) -> bool:
    return 7 <= sum(c.isdigit() for c in found) <= 15


_ANNOUNCED = _Kind("name", re.compile(rf"(?<=\b){_BEFORE_A_NAME}[ ]+({_NAME})"))
_CERTAIN = (
    _Kind("e-mail", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")),
    _Kind(
        "IBAN",
        re.compile(r"\b(?:[A-Z]{2}\d{2}(?:[ ][0-9A-Z]{4}){2,7}(?:[ ][0-9A-Z]{1,3})?|[A-Za-z]{2}\d{2}[0-9A-Za-z]{11,30})\b"),
        _iban,
    ),
    _Kind("card", re.compile(r"(?<![\d+])\d(?:[ -]?\d){12,18}(?!\d)"), _card),
    _Kind("phone", re.compile(r"(?<![\w.])(?:\+|00?|\()\d[\d() /.-]{5,18}\d(?!\w)"), _phone),
    _ANNOUNCED,
)
_LIKELY = (
    _Kind("URL", re.compile(r"\b(?:https?|ftp)://\S+|\bwww\.\S+", re.IGNORECASE)),
    _Kind("e-mail", re.compile(r"[^\s@<>()\"',;:]+\s?@\s?[^\s@<>()\"',;:]+\.[^\W\d_]{2,}")),
    _Kind(
        "URL",
        re.compile(
            r"\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|de|fr|es|it|nl|ru|cn|uk|eu|info|biz|co|app|dev)\b(?:/\S*)?",
            re.IGNORECASE,
        ),
    ),
    _Kind("IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b", re.IGNORECASE)),
    _Kind("card", re.compile(r"(?<!\d)\d(?:[ .\-]?\d){12,18}(?!\d)")),
    _Kind("phone", re.compile(r"(?:\+|\b00|\(0?\d|\b0)[\d(](?:[ ()/.\-]{0,2}\d){5,14}(?!\d)")),
    _Kind("number", re.compile(r"(?<!\d)\d(?:[ .\-/]?\d){5,}(?!\d)")),
    _ANNOUNCED,
)


def pseudonymised(text: str) -> str:
    """The text with a placeholder for each e-mail address, IBAN, card number, phone number, and name behind a word that announces one.

    The same value has the same number within a text. The numbers begin anew with each text, so nobody can follow a person from one to the next,
    and nothing that leaves can be turned back; here the text itself is at hand.

    Example:
        >>> pseudonymised("my name is Ann Lee, call +44 20 7946 0000 or ann@example.com")
        'my name is [NAME 1], call [PHONE 1] or [E-MAIL 1]'
    """
    numbers: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def numbered(kind: _Kind, value: str) -> str:
        known = numbers[kind.name]
        return f"[{kind.name.upper()} {known.setdefault(''.join(value.split()).casefold(), len(known) + 1)}]"

    for kind in _CERTAIN:
        text = _replaced(text, kind, numbered)
    return text


def redacted(text: str, most: int = _MOST) -> str:
    """The beginning of a text, with such things replaced by their kind in brackets, in characters that any file can hold.

    Args:
        text: any.
        most: characters of it that are looked at.

    Example:
        >>> redacted("write to ann@example.org or call +44 20 7946 0958")
        'write to [e-mail] or call [phone]'
    """
    text = clean(text)
    if len(text) > most:
        text = text[:most].rpartition(" ")[0]  # a number that is cut in two would not be known as one
    for kind in _LIKELY:
        text = _replaced(text, kind, lambda kind, _: f"[{kind.name}]")
    return text


def _replaced(text: str, kind: _Kind, placeholder: Callable[[_Kind, str], str]) -> str:
    """The text with everything of a kind replaced; of what a word announces, that word stays."""

    def of(match: re.Match[str]) -> str:
        whole, value = match[0], match[match.lastindex or 0]
        return whole[: len(whole) - len(value)] + placeholder(kind, value) if kind.holds(value) else whole

    return kind.pattern.sub(of, text)
