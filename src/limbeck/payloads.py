"""What records hold, without regard to its kind. Knows that a text is a string, and of everything else a few attributes; decodes nothing.

A text is a `str`. Any other payload (a picture, a clip) is an immutable object that its modality makes, with

    identity   bytes, equal for payloads that are the same to every teacher and student: what its content and its operations decide
    size       a number by which payloads of like cost go together
    plain()    what somebody who knows nothing of limbeck is given: an array

and a `str()` that names it in a message. Two payloads with one identity are equal, and hash alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from limbeck.errors import DataError, InputFileError


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the bytes of a payload lie: a file, or a member of a zip. Read when they are asked for, and not kept."""

    path: str
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else self.path

    @property
    def name(self) -> str:
        """Its own name, without the folders."""
        return Path(self.member or self.path).name

    def read(self, most: int) -> bytes:
        """The bytes, if there are not more than `most`.

        Raises:
            InputFileError: it cannot be read.
            DataError: it is larger.
        """
        try:
            if not self.member:
                with Path(self.path).open("rb") as file:
                    data = file.read(most + 1)
            else:
                with _archive(self.path).open(self.member) as file:
                    data = file.read(most + 1)
        except (OSError, KeyError, BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise InputFileError(f"cannot read {self}: {getattr(error, 'strerror', None) or error}") from error
        if len(data) > most:
            raise DataError(f"{self} has more than {most:,} bytes")
        return data


@lru_cache(maxsize=8)
def _archive(path: str) -> ZipFile:
    """An open zip: to read its index for each of ten thousand members would take longer than to read them."""
    return ZipFile(path)


def identity(payload: Any) -> bytes:
    """The bytes under which a payload's answers are kept."""
    if isinstance(payload, str):
        return payload.encode("utf-8", "surrogatepass")
    found: bytes = payload.identity
    return found


def text_of(payload: Any) -> str:
    """What of a payload is text: a text itself, of anything else nothing."""
    return payload if isinstance(payload, str) else ""


def size(payload: Any) -> int:
    """How large a payload is, to batch it with its like: characters of a text."""
    return len(payload) if isinstance(payload, str) else int(payload.size)


def plain(payload: Any) -> Any:
    """A payload as a callable of the user's takes it: a text, or an array."""
    return payload if isinstance(payload, str) else payload.plain()
