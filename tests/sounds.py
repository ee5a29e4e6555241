"""Folders of clips that a formula makes, and a recipe so small that a whole run takes seconds."""

import wave
from pathlib import Path

import numpy as np

CLASSES = ("falling", "rising", "steady")
RATE = 8000

TINY_SOUNDS = {
    "task": "audio-classification",
    "data": {"train": "set by the test", "test_share": 0.3, "valid_share": 0.0},
    "teacher": {
        "kind": "resnet_audio", "rate": RATE, "seconds": 0.3, "mels": 16, "width": 4, "throat": 0.05,
        "fine_tune": {"epochs": 6, "refit": False, "batch_size": 16, "learning_rate": 0.01, "head_learning_rate": 0.01},
    },
    "views": {"per_record": 2, "speed": 0.05},
    "student": {"width": 4, "depth": 1, "stages": 2, "mels": 16},
    "training": {"epochs": 4, "batch_size": 16},
    "verify": {"latency_queries": 5, "cold_starts": 0, "cross_fit_below": 0, "control": False, "baseline": False},
    "doctor": {"force": True},
    "threads": 1,
}  # fmt: skip


def sung(kind: str, seed: int, seconds: float = 0.3, rate: int = RATE) -> np.ndarray:
    """Samples of one class: a tone that falls, rises or stays, each from another pitch, with a little noise."""
    dice = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    low, high = dice.uniform(300, 600), dice.uniform(1500, 2500)
    first, last = {"falling": (high, low), "rising": (low, high), "steady": (low + high, low + high)}[kind]
    tone = np.sin(2 * np.pi * (first * time + (last - first) * time**2 / (2 * seconds)))
    return (dice.uniform(0.1, 0.6) * tone + dice.normal(0, 0.01, len(time))).astype(np.float32)


def save(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    """A wav file of 16 bits, which needs no library but Python's own."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def folders(root: Path, each: int = 20) -> Path:
    """A folder with a folder for each class, as wav files of 16 bits."""
    for number, kind in enumerate(CLASSES):
        (root / kind).mkdir(parents=True)
        for place in range(each):
            save(root / kind / f"{place:03d}.wav", sung(kind, 1000 * number + place))
    return root
