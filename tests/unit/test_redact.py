"""What points to a person is replaced; what only looks like it stays in a text that leaves, and goes from one that is shown or kept."""

import pytest

from limbeck.redact import pseudonymised, redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("write to ann.lee+x@example.co.uk please", "write to [e-mail] please"),
        ("mail ann @ example.org", "mail [e-mail]"),
        ("call +44 20 7946 0958 or (030) 1234567", "call [phone] or [phone]"),
        ("IBAN DE89 3704 0044 0532 0130 00!", "IBAN [IBAN]!"),
        ("my card 4111-1111-1111-1111", "my card [card]"),
        ("see https://a.example/?user=ann and www.b.example", "see [URL] and [URL]"),
        ("shop.com/orders/1 does not load", "[URL] does not load"),
        ("order 1234567", "order [number]"),
        ("I paid 20 pounds twice, in 2024", "I paid 20 pounds twice, in 2024"),
        ("is it e.g. this? Yes.No", "is it e.g. this? Yes.No"),
        ("hello, my name is Ann Lee and I wait", "hello, my name is [name] and I wait"),
    ],
)
def test_what_is_replaced(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_a_text_is_cut_between_words_and_holds_whole_characters() -> None:
    assert redacted("x" * 990 + " ann@example.org") == "x" * 990
    assert redacted("half \ud800 a pair").encode("utf-8")
    assert redacted("a@" * 200_000) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail ann.lee+shop@mail.example.co.uk!", "mail [E-MAIL 1]!"),
        ("a@x.org, b@x.org, A@X.org", "[E-MAIL 1], [E-MAIL 2], [E-MAIL 1]"),
        ("DE89 3704 0044 0532 0130 00 is mine", "[IBAN 1] is mine"),
        ("gb29nwbk60161331926819", "[IBAN 1]"),
        ("card 4111-1111-1111-1111", "card [CARD 1]"),
        ("call (020) 7946 0000 or +49 30 901820", "call [PHONE 1] or [PHONE 2]"),
        ("0049 30 901820", "[PHONE 1]"),
        ("Dear Mrs. O'Neil-Smith, hello", "Dear Mrs. [NAME 1], hello"),
        ("Mein Name ist Jörg von der Heide", "Mein Name ist [NAME 1]"),
    ],
)
def test_what_leaves_gets_numbered_placeholders(text: str, expected: str) -> None:
    assert pseudonymised(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "where is my order 123456789?",
        "card 4111-1111-1111-1112",  # a wrong check digit
        "XX00 3704 1044 2532 3130 40 is no account",
        "I paid 19.99 on 2026-11-28 at 10:30",
        "this is not what I ordered",
        "version 2.0.1 @ home",
        "",
    ],
)
def test_what_only_looks_like_it_leaves_as_it_is(text: str) -> None:
    assert pseudonymised(text) == text


def test_a_long_text_takes_no_time() -> None:
    for part in ("1 ", "a@", "+1", "DE12 ", "this is A ", "0" * 40):
        pseudonymised(part * 5000)
        redacted(part * 5000, most=100_000)
