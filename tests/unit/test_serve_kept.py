"""Escalations are kept redacted, for a while, in a file of a size, for its owner alone, in the form that a run reads."""

import json
import os
import threading

import pytest

from limbeck.data.read import read_records
from limbeck.errors import InputFileError
from limbeck.serve.answer import Answer
from limbeck.serve.kept import Kept

STUDENT = Answer("greeting", 0.41237, True)


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_row_is_redacted_and_can_be_read(tmp_path) -> None:
    path = tmp_path / "kept.jsonl"
    kept = Kept(path, clock=lambda: 1000.9)
    kept.add("my name is Ann Lee, mail ann@example.com\nnow 👍 \ud800", STUDENT, "thanks")
    kept.add("order 12345678 is late", STUDENT, None)
    kept.close()
    first, second = rows(path)
    assert first["text"].startswith("my name is [name], mail [e-mail]\nnow 👍")
    assert {k: first[k] for k in ("label", "student", "confidence", "at")} == {
        "label": "thanks",
        "student": "greeting",
        "confidence": 0.4124,
        "at": 1000,
    }
    assert second["label"] is None
    records = read_records(path)
    assert [(r.payload, r.label) for r in records] == [(first["text"], "thanks"), ("order [number] is late", None)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert {name: value for name, _, value in kept.figures()} == {
        "limbeck_escalations_kept_total": 2,
        "limbeck_escalations_lost_total": 0,
    }


def test_a_row_lives_as_long_as_it_may(tmp_path) -> None:
    path, now = tmp_path / "kept.jsonl", [0.0]
    kept = Kept(path, days=2, clock=lambda: now[0])
    for day in range(5):
        now[0] = day * 86_400.0
        kept._write(f"day {day}", STUDENT, "thanks")
    assert [r["text"] for r in rows(path)] == ["day 3", "day 4"]
    now[0] = 30 * 86_400.0
    Kept(path, days=2, clock=lambda: now[0])  # a server that starts finds what is too old
    assert rows(path) == []
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_oldest_rows_go_where_there_is_no_room(tmp_path) -> None:
    path = tmp_path / "kept.jsonl"
    kept = Kept(path, bytes_=2000, clock=lambda: 1000.0)
    for number in range(100):
        kept._write(f"text {number}", STUDENT, None)
        assert path.stat().st_size <= 2000
    texts = [r["text"] for r in rows(path)]
    assert texts == [f"text {n}" for n in range(100 - len(texts), 100)]
    assert len(texts) > 5


def test_several_processes_keep_into_one_file(tmp_path) -> None:
    path = tmp_path / "kept.jsonl"
    several = [Kept(path, bytes_=5000, clock=lambda: 1000.0) for _ in range(4)]
    threads = [threading.Thread(target=lambda k=k: [k._write("hello", STUDENT, None) for _ in range(50)]) for k in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.stat().st_size <= 5000
    assert {r["text"] for r in rows(path)} == {"hello"}


def test_lines_that_are_no_rows_go(tmp_path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_bytes(b'\xff\xfe\n[1]\n{"at": "x"}\n{"text": "young", "at": 999}\n')
    path.chmod(0o644)
    Kept(path, clock=lambda: 1000.0)
    assert [r["text"] for r in rows(path)] == ["young"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_or_a_folder_is_no_place(tmp_path) -> None:
    (tmp_path / "elsewhere.jsonl").write_text("")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("link.jsonl", "folder.jsonl", "absent/kept.jsonl", "kept.txt"):
        with pytest.raises(InputFileError, match="Give another file|a .jsonl file"):
            Kept(tmp_path / name)


def test_a_full_disk_stops_nobody(tmp_path, monkeypatch) -> None:
    kept = Kept(tmp_path / "kept.jsonl")

    def full(*_args, **_more):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(kept, "_open", full)
    kept.add("hello", STUDENT, None)
    kept.close()
    kept.add("hello", STUDENT, None)  # by whoever was asked while a server reloads
    assert {name: value for name, _, value in kept.figures()}["limbeck_escalations_lost_total"] == 2
