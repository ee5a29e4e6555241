"""Where a key is found: the environment first, then the keyring; in no message its value."""

import sys
from types import ModuleType

import pytest

from limbeck.teachers._secret import secret


class Keyring(ModuleType):
    """What of the keyring package is called (keyring.get_password)."""

    def __init__(self, held: dict[tuple[str, str], str], error: Exception | None = None) -> None:
        super().__init__("keyring")
        self.held, self.error = held, error

    def get_password(self, service: str, name: str) -> str | None:
        if self.error is not None:
            raise self.error
        return self.held.get((service, name))


@pytest.fixture
def with_keyring(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)

    def put(held=None, error=None):
        monkeypatch.setitem(sys.modules, "keyring", Keyring(held or {}, error))

    return put


def test_the_environment_comes_first(with_keyring, monkeypatch) -> None:
    with_keyring({("limbeck", "SOME_KEY"): "of the keyring"})
    assert secret("SOME_KEY") == ("of the keyring", "SOME_KEY of the keyring")
    monkeypatch.setenv("SOME_KEY", "of the environment")
    assert secret("SOME_KEY") == ("of the environment", "SOME_KEY")


def test_what_is_nowhere_is_said(with_keyring, monkeypatch) -> None:
    with_keyring()
    assert secret("SOME_KEY") == (None, "SOME_KEY, which is neither set nor in the keyring")
    monkeypatch.setitem(sys.modules, "keyring", None)  # not installed
    assert secret("SOME_KEY") == (None, "SOME_KEY, which is not set")


def test_a_keyring_that_cannot_be_read_stops_nothing_and_tells_nothing(with_keyring) -> None:
    with_keyring(error=RuntimeError("locked; the secret is sk-1"))
    value, told = secret("SOME_KEY")
    assert value is None
    assert told == "SOME_KEY, which is not set (and the keyring cannot be read: RuntimeError)"


def test_the_real_keyring_is_asked_as_it_wants() -> None:
    keyring = pytest.importorskip("keyring", reason="the keyring package is not installed")

    class Held(keyring.backend.KeyringBackend):
        priority = 1

        def get_password(self, service, username):
            return f"{service} {username}"

        def set_password(self, service, username, password):
            raise NotImplementedError

        def delete_password(self, service, username):
            raise NotImplementedError

    before = keyring.get_keyring()
    keyring.set_keyring(Held())
    try:
        assert secret("A_KEY_THAT_NOBODY_SETS")[0] == "limbeck A_KEY_THAT_NOBODY_SETS"
    finally:
        keyring.set_keyring(before)
