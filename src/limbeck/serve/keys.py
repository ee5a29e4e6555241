"""API keys: made once, kept as hashes, compared in constant time, each with scopes, an end and a rate. Knows a file; knows nothing of HTTP.

A key is 256 random bits, so its plain sha256 cannot be guessed back: a slow password hash would cost a hundred requests and protect nothing. Every
hash of the file is compared, whichever fits, so the time says nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from limbeck.disk import write_whole
from limbeck.errors import InputFileError, nearest

PREFIX = "lk_"
SCOPES = ("answer", "watch")
"""answer: every API that answers texts. watch: figures of the live page."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_KEYS = 1_000


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key.

    sha256: hex, of the key as it is sent. expires: seconds since 1970; None: never. per_second: requests, on average; None: any number.
    burst: requests that may come at once.
    """

    name: str
    sha256: str
    scopes: tuple[str, ...] = ("answer",)
    expires: float | None = None
    per_second: float | None = None
    burst: int = 20

    def expired(self, now: float) -> bool:
        """Whether its end has come."""
        return self.expires is not None and now >= self.expires


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a file, in its order."""

    keys: tuple[Key, ...]

    @classmethod
    def read(cls, path: Path) -> Keys:
        """The keys of a file.

        Raises:
            InputFileError: there is none, others can write to it, or it holds something else; the message lists all problems.
        """
        try:
            if path.stat().st_mode & 0o022:
                raise InputFileError(f"{path}: others can write to the file of keys. Run: chmod 600 {path}")
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputFileError(f"there is no file of keys at {path}. Make one: limbeck key new NAME --file {path}") from None
        except (OSError, ValueError) as error:
            raise InputFileError(f"{path} cannot be read as keys: {error}") from error
        entries = content.get("keys") if isinstance(content, dict) else None
        if not isinstance(entries, list) or not 1 <= len(entries) <= _MOST_KEYS:
            raise InputFileError(f"{path} must hold {{'keys': [...]}} with 1 to {_MOST_KEYS:,} keys")
        problems = [f"key {i}: {p}" for i, entry in enumerate(entries) for p in _problems(entry)]
        names = [entry["name"] for entry in entries] if not problems else []
        problems += [f"the name '{n}' stands twice" for n in sorted({n for n in names if names.count(n) > 1})]
        if problems:
            raise InputFileError(f"{path}: {'; '.join(problems[:8])}")
        return cls(tuple(Key(**{**entry, "scopes": tuple(entry.get("scopes", ("answer",)))}) for entry in entries))

    def write(self, path: Path) -> None:
        """Write the file, for its owner alone.

        Raises:
            InputFileError: it cannot be written.
        """
        data = json.dumps({"keys": [asdict(key) for key in self.keys]}, indent=1).encode() + b"\n"
        try:
            write_whole(path, [data])
            path.chmod(0o600)
        except OSError as error:
            raise InputFileError(f"cannot write {path}: {error.strerror}") from error

    def find(self, sent: bytes) -> int | None:
        """The place of the key that was sent; None: it is none of these."""
        digest, found = hashlib.sha256(sent).hexdigest(), None
        for place, key in enumerate(self.keys):
            if hmac.compare_digest(digest, key.sha256):
                found = place
        return found


def new(
    path: Path,
    name: str,
    scopes: Sequence[str] = ("answer",),
    expires: datetime | None = None,
    per_second: float | None = None,
    burst: int = 20,
) -> str:
    """Make a key, add its hash to a file, and return it; nobody can tell it again.

    Args:
        path: the file; it is made where it is absent.
        name: for people.
        scopes: of `SCOPES`.
        expires: when it ends; without a zone it is UTC.
        per_second: requests, on average.
        burst: requests that may come at once.

    Raises:
        InputFileError: the name is taken or none, a scope is unknown, or the file cannot be used.
    """
    keys = Keys.read(path).keys if path.exists() else ()
    if any(key.name == name for key in keys):
        raise InputFileError(f"{path} holds a key called '{name}' already. Choose another name, or remove that one")
    moment = None if expires is None else (expires if expires.tzinfo else expires.replace(tzinfo=UTC)).timestamp()
    if moment is not None and moment <= time.time():
        raise InputFileError(f"the key would have ended on {expires:%Y-%m-%d}. Choose a later day")
    key = PREFIX + secrets.token_urlsafe(32)
    made = Key(name, hashlib.sha256(key.encode()).hexdigest(), tuple(scopes), moment, per_second, burst)
    if problems := _problems({**asdict(made), "scopes": list(made.scopes)}):
        raise InputFileError(f"no key is made: {'; '.join(problems)}")
    Keys((*keys, made)).write(path)
    return key


def _problems(entry: Any) -> list[str]:
    """What is wrong with one entry of the file."""
    if not isinstance(entry, Mapping):
        return ["an object is expected"]
    known = {"name", "sha256", "scopes", "expires", "per_second", "burst"}
    found = [f"unknown field '{key:.40}'.{nearest(key, known)}" for key in entry if key not in known]
    if not isinstance(entry.get("name"), str) or not _NAME.fullmatch(entry["name"]):
        found.append("its name must be 1 to 64 letters, digits, dots, dashes and underscores")
    if not isinstance(entry.get("sha256"), str) or not re.fullmatch(r"[0-9a-f]{64}", entry["sha256"]):
        found.append("its sha256 must be 64 digits of hex")
    scopes = entry.get("scopes", ["answer"])
    if not isinstance(scopes, list) or not scopes or any(scope not in SCOPES for scope in scopes):
        found.append(f"its scopes must be some of {', '.join(SCOPES)}")
    for name, lowest in (("expires", 0.0), ("per_second", 0.0)):
        value = entry.get(name)
        if value is not None and (type(value) not in (int, float) or not lowest < value < 1e12):
            found.append(f"its {name} must be a number above 0, or null")
    if type(entry.get("burst", 20)) is not int or not 1 <= entry.get("burst", 20) <= 1_000_000:
        found.append("its burst must be a whole number from 1")
    return found
