"""A key that no recipe holds: from the environment, else from the system's keyring. Knows names; shows no key."""

from __future__ import annotations

import os

SERVICE = "limbeck"
"""Under which a key lies in a keyring: `keyring set limbeck OPENAI_API_KEY`."""


def secret(name: str) -> tuple[str | None, str]:
    """The key of this name or None, and in words where it was found or looked for."""
    if value := os.environ.get(name):
        return value, name
    try:
        import keyring
    except ImportError:
        return None, f"{name}, which is not set"
    try:
        value = keyring.get_password(SERVICE, name)
    except Exception as error:  # of whichever keyring this machine has: locked, or none at all
        return None, f"{name}, which is not set (and the keyring cannot be read: {type(error).__name__})"
    if value:
        return value, f"{name} of the keyring"
    return None, f"{name}, which is neither set nor in the keyring"
