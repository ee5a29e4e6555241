"""From the command line's words to settings."""

from pathlib import Path

import pytest

from limbeck.errors import InputFileError
from limbeck.serve.limits import Limits, limits
from limbeck.serve.settings import Address
from limbeck.serve.start import address, listener, loopback, named


def test_limits_are_named() -> None:
    assert limits([]) == Limits()
    found = limits(["body=5", "drain_seconds=0.5"])
    assert (found.body, found.drain_seconds, found.items) == (5, 0.5, Limits().items)


@pytest.mark.parametrize(
    ("word", "said"),
    [("bodies", "whole number"), ("body=x", "whole number"), ("body=1.5", "whole number"), ("body=0", "above 0"), ("bdy=1", "Did you mean 'body'"),
     ("drain_seconds=nan", "above 0"), ("drain_seconds=-1", "above 0"), ("drain_seconds=inf", "above 0")],
)  # fmt: skip
def test_limits_that_are_none_are_told(word: str, said: str) -> None:
    with pytest.raises(InputFileError, match=said):
        limits([word])


def test_bundles_have_names(tmp_path: Path) -> None:
    run = tmp_path / "shop" / "bundle"
    assert named([str(run), "faq=x/bundle", "bots/help.zip"]) == {
        "shop": run, "faq": Path("x/bundle"), "help": Path("bots/help.zip")
    }  # fmt: skip
    for words in (["a=x", "a=y"], ["a b=x"], ["=x"], ["../..=x"]):
        with pytest.raises(InputFileError):
            named(words)


def test_addresses() -> None:
    assert address("127.0.0.1:1") == Address("127.0.0.1", 1)
    assert str(address("[::1]:80")) == "[::1]:80"
    for text in ("80", ":80", "a:", "a:b", "a:70000", "a:-1"):
        with pytest.raises(InputFileError, match="HOST:PORT"):
            address(text)
    assert [loopback(h) for h in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "0.0.0.0", "::", "10.0.0.1", "example.org")] == [
        True, True, True, True, False, False, False, False
    ]  # fmt: skip


def test_a_port_that_is_taken_is_told() -> None:
    with listener("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(InputFileError, match="--port"):
            listener("127.0.0.1", first.getsockname()[1])
