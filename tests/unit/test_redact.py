"""What names a person is replaced; what does not stays."""

import pytest

from limbeck.page.redact import redacted


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
    ],
)
def test_what_is_replaced(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_a_text_is_cut_between_words_and_holds_whole_characters() -> None:
    assert redacted("x" * 990 + " ann@example.org") == "x" * 990
    assert redacted("half \ud800 a pair").encode("utf-8")
    assert redacted("a@" * 200_000) == ""
