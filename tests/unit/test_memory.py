"""Memory is kept and given back, and no system is too strange to be asked."""

import subprocess
import sys

import pytest

from limbeck import memory


@pytest.mark.skipif(not hasattr(memory._libc, "mallopt"), reason="glibc")
def test_glibc_takes_what_it_is_told() -> None:
    assert memory._libc.mallopt(memory._MMAP_THRESHOLD, memory._LARGE) == 1, "1 is success"
    memory.settle()
    memory.trim()


_FAULTS = """
import ctypes, resource
import numpy as np
from limbeck import memory

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # no huge pages: of them a few would be all

def faults():
    for _ in range(4):  # the first ones fill what is kept
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        [np.ones(2_000_000) for _ in range(8)]  # a step's: 16 MB each
        found = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return found

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

before = faults()
with memory.kept():
    within, held = faults(), resident()
print(before, within, held - resident(), faults())
"""


@pytest.mark.skipif(not hasattr(memory._libc, "mallopt"), reason="glibc")
def test_what_a_training_keeps_is_not_mapped_again_and_is_returned_at_its_end() -> None:
    printed = subprocess.run([sys.executable, "-c", _FAULTS], capture_output=True, text=True, check=True).stdout
    before, within, returned, after = map(int, printed.split())
    assert within < 100 < before, "pages that the system filled with zeros, in 128 MB"
    assert returned > 100_000_000, "bytes"
    assert after > 100, "outside a training the process gives back what it does not need"


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_libc", None)
    memory.settle()
    memory.trim()
    with memory.kept():
        pass


def test_tuples_that_python_keeps_are_let_go() -> None:
    memory.trim()
    before = sys.getallocatedblocks()
    many = [tuple(range(i, i + 13)) for i in range(1_500)]
    del many
    assert sys.getallocatedblocks() > before + 1_000, "they were freed, and Python kept them"
    memory.trim()
    assert sys.getallocatedblocks() < before + 500
