"""Texts without what points to a person, before they leave this machine. Knows patterns; knows no endpoint and keeps nothing.

    write to ann@example.com or ANN@example.com, card 4111 1111 1111 1111  ->  write to [E-MAIL 1] or [E-MAIL 1], card [CARD 1]

The same value has the same number within a text. The numbers begin anew with each text, so nobody can follow a person from one to the next, and
nothing that leaves can be turned back; here the text itself is at hand. What is found has a form that can be checked (a card's check digit, an
IBAN's remainder) or a word before it that says what follows; a name alone in a sentence is not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from limbeck.teachers._presidio import found

_NAME = r"[A-ZÄÖÜÉÈ][\w'’-]+(?:[ ](?:(?:de|den|der|di|du|la|van|von)\b|[A-ZÄÖÜÉÈ][\w'’-]+)){0,3}"
_BEFORE_A_NAME = r"(?:[Mm]y name is|[Mm]y name's|[Tt]his is|[Ii]ch heiße|[Mm]ein Name ist|[Jj]e m['’]appelle|Mr\.?|Mrs\.?|Ms\.?|Dr\.?|Herr|Frau|Mme|Mlle)"


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


def _any(found: str) -> bool:
    del found
    return True


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("E-MAIL", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"), _any),
    (
        "IBAN",
        re.compile(r"\b(?:[A-Z]{2}\d{2}(?:[ ][0-9A-Z]{4}){2,7}(?:[ ][0-9A-Z]{1,3})?|[A-Za-z]{2}\d{2}[0-9A-Za-z]{11,30})\b"),
        _iban,
    ),
    ("CARD", re.compile(r"(?<![\d+])\d(?:[ -]?\d){12,18}(?!\d)"), _card),
    ("PHONE", re.compile(r"(?<![\w.])(?:\+|00?|\()\d[\d() /.-]{5,18}\d(?!\w)"), _phone),
    ("NAME", re.compile(rf"(?<=\b){_BEFORE_A_NAME}[ ]+({_NAME})"), _any),
)


def pseudonymised(text: str, presidio: bool = False) -> str:
    """The text with a placeholder for each e-mail address, IBAN, card number, phone number, and name behind a word that announces one.

    Args:
        text: as a customer wrote it.
        presidio: what presidio finds is replaced first (`_presidio.py`).

    Raises:
        TeacherError: presidio is asked for, and not installed.

    Example:
        >>> pseudonymised("my name is Ann Lee, call +44 20 7946 0000 or ann@example.com")
        'my name is [NAME 1], call [PHONE 1] or [E-MAIL 1]'
    """
    if presidio:
        text = _by_presidio(text)
    for kind, pattern, holds in _KINDS:
        numbers: dict[str, int] = {}

        def placeholder(
            match: re.Match[str], kind: str = kind, holds: Callable[[str], bool] = holds, numbers: dict[str, int] = numbers
        ) -> str:
            whole, value = match[0], match[match.lastindex or 0]
            if not holds(value):
                return whole
            number = numbers.setdefault("".join(value.split()).casefold(), len(numbers) + 1)
            return whole[: len(whole) - len(value)] + f"[{kind} {number}]"

        text = pattern.sub(placeholder, text)
    return text


def _by_presidio(text: str) -> str:
    """The text with a placeholder for each part that presidio finds."""
    numbers: dict[tuple[str, str], int] = {}
    parts, end = [], 0
    for part in found(text):
        value = (part.kind, "".join(text[part.start : part.end].split()).casefold())
        number = numbers.setdefault(value, 1 + sum(kind == part.kind for kind, _ in numbers))
        parts += [text[end : part.start], f"[{part.kind} {number}]"]
        end = part.end
    return "".join([*parts, text[end:]])
