"""Memory is given back, and no system is too strange to be asked."""

import ctypes
import sys

import pytest

from limbeck.serve import memory


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc")
def test_glibc_takes_what_it_is_told() -> None:
    assert memory._libc.mallopt(memory._MMAP_THRESHOLD, memory._LARGE) == 1, "1 is success"
    memory.settle()
    memory.trim()


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_libc", None)
    memory.settle()
    memory.trim()


def test_tuples_that_python_keeps_are_let_go() -> None:
    memory.trim()
    before = sys.getallocatedblocks()
    many = [tuple(range(i, i + 13)) for i in range(1_500)]
    del many
    assert sys.getallocatedblocks() > before + 1_000, "they were freed, and Python kept them"
    memory.trim()
    assert sys.getallocatedblocks() < before + 500
