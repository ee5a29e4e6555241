"""Files are read to their end or explained, and written whole or not at all."""

import os
import stat
import threading

import pytest

from limbeck.data.files import check_readable, text_lines, write_whole
from limbeck.errors import InputFileError


def test_text_lines_and_whole_writing(tmp_path) -> None:
    path = tmp_path / "lines.txt.gz"
    with write_whole(path) as handle:
        handle.write("a\n\nb\x00\u2028c\n")
    assert list(text_lines(path)) == ["a", "", "b\x00\u2028c"]

    def failing():
        with write_whole(path) as handle:
            handle.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert next(iter(text_lines(path))) == "a"
    assert [p.name for p in tmp_path.iterdir()] == ["lines.txt.gz"]
    for bad in (tmp_path / "no" / "x", path / "below-a-file", tmp_path):
        with pytest.raises(InputFileError, match="cannot write"), write_whole(bad) as handle:
            pass
    with pytest.raises(InputFileError, match="ours"), write_whole(path) as handle:
        raise InputFileError("ours")
    long = tmp_path / ("x" * 300)
    with pytest.raises(InputFileError, match="cannot write"), write_whole(long) as handle:
        pass
    with pytest.raises(InputFileError, match="cannot read|does not exist"):
        check_readable(long)
    (tmp_path / "link").symlink_to(tmp_path / "linked.txt")
    with write_whole(tmp_path / "link") as handle:
        handle.write("new\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "linked.txt").read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_a_pipe_is_written_to_and_not_replaced(tmp_path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    with write_whole(pipe) as handle:
        handle.write("x\n")
    reader.join(timeout=10)
    assert got == ["x\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
