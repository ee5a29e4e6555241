"""Which machine this is, as far as it decides what a measurement finds. Knows the system; measures nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import onnxruntime

from limbeck._version import __version__

Card = dict[str, str]
"""What decides a measurement, by name."""
_CPU = Path("/proc/cpuinfo")


def card() -> Card:
    """The card of this machine: its processor and system, and the versions that measure."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count() or 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "limbeck": __version__,
        "onnxruntime": str(onnxruntime.__version__),
    }


def words(machine: Card) -> str:
    """A card in one line, for people."""
    return f"{machine.get('processor', 'unknown')}, {machine.get('cores', '?')} cores, {machine.get('system', 'unknown')}"


def _processor() -> str:
    """Its name; where the kernel gives none (on Arm), the numbers that it gives."""
    fields: dict[str, str] = {}
    if _CPU.is_file():
        for line in _CPU.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    named = [fields[key] for key in ("model name", "Hardware", "Model") if fields.get(key)]
    parts = [f"{key} {fields[key]}" for key in ("CPU implementer", "CPU part") if fields.get(key)]
    return (named or [" ".join(parts) or platform.processor() or "unknown"])[0]
