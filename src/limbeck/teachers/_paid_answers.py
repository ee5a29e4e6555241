"""Answers that cost money, on disk before anybody uses them. Knows keys, answers and tokens; knows no endpoint and no prompt.

One SQLite file in WAL mode, which several processes and runs may share. An answer is found by the sha256 of all that was asked; the text that
was asked is not in it. What a key has once, it keeps: the first answer wins.

    answers     key, job, answer (what the model wrote, JSON), characters asked, tokens in and out, seconds since 1970
    set_aside   key, job, the raw text of an answer that nobody could use, why
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from limbeck.errors import TeacherError
from limbeck.types import Json

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, job TEXT NOT NULL, answer TEXT NOT NULL, characters INTEGER NOT NULL, tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS set_aside (key TEXT PRIMARY KEY, job TEXT NOT NULL, raw TEXT NOT NULL, why TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS answers_job ON answers (job);
"""
_WAIT = 60.0  # seconds for another process to finish its write
_AT_ONCE = 500  # keys in one question


@dataclass(frozen=True, slots=True)
class Spent:
    """What a job has used so far, as the endpoint counted it."""

    calls: int
    characters: int
    tokens_in: int
    tokens_out: int


class PaidAnswers:
    """The file of answers.

    Args:
        path: made where it is absent, readable by its owner alone.

    Raises:
        TeacherError: it cannot be used.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = PaidAnswers(Path(folder) / "answers.sqlite")
        ...     store.add("k", "job", {"text": "yes"}, 40, 10, 1)
        ...     print(store.find(["k", "other"]))
        ...     store.close()
        {'k': {'text': 'yes'}}
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")  # each row was paid for; a fsync costs less
            self._connection.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise TeacherError(
                f"teacher.answers: {path} cannot hold paid answers ({error}). Give another path; where the file is damaged, move it away "
                "and keep it: the sqlite3 command may recover what was paid for."
            ) from error

    def find(self, keys: Iterable[str]) -> dict[str, Json]:
        """The answers that are there, by key."""
        found: dict[str, Json] = {}
        for part in _parts(list(dict.fromkeys(keys))):
            marks = ",".join("?" * len(part))
            for key, answer in self._connection.execute(f"SELECT key, answer FROM answers WHERE key IN ({marks})", part):
                found[key] = json.loads(answer)
        return found

    def add(self, key: str, job: str, answer: Json, characters: int, tokens_in: int, tokens_out: int) -> None:
        """Keep an answer; when this returns, it lies on the disk."""
        row = (key, job, json.dumps(answer, ensure_ascii=False), characters, tokens_in, tokens_out, time.time())
        self._connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def set_aside(self, key: str, job: str, raw: str, why: str) -> None:
        """Keep what nobody could use, for whoever wants to know why."""
        self._connection.execute(
            "INSERT OR IGNORE INTO set_aside VALUES (?, ?, ?, ?, ?)", (key, job, raw[:20_000], why, time.time())
        )

    def unusable(self, job: str) -> list[tuple[str, str]]:
        """What was set aside for a job: raw text and why."""
        with closing(self._connection.execute("SELECT raw, why FROM set_aside WHERE job = ? ORDER BY at", (job,))) as rows:
            return [(str(raw), str(why)) for raw, why in rows]

    def spent(self, job: str) -> Spent:
        """What a job has used, in this process and in all before it."""
        question = "SELECT COUNT(*), TOTAL(characters), TOTAL(tokens_in), TOTAL(tokens_out) FROM answers WHERE job = ?"
        return Spent(*map(int, self._connection.execute(question, (job,)).fetchone()))

    def close(self) -> None:
        """Close the file; what was added stays."""
        self._connection.close()


def _parts(keys: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _AT_ONCE):
        yield list(keys[start : start + _AT_ONCE])


def default_path() -> Path:
    """Where answers lie when a recipe does not say: the user's data, not a cache that anybody may empty."""
    if own := os.environ.get("LIMBECK_ANSWERS"):
        return Path(own)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "limbeck" / "answers.sqlite"
