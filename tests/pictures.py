"""Folders of pictures that a formula draws, and a recipe so small that a whole run takes seconds."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("bars", "dots", "plain")

TUNED = {"epochs": 12, "batch_size": 16, "learning_rate": 5e-3, "head_learning_rate": 5e-3, "refit": False}
TINY_PICTURES = {
    "task": "image-classification",
    "data": {"train": "set by the test", "test_share": 0.3, "valid_share": 0.0},
    "teacher": {"kind": "wide_resnet", "depth": 10, "width": 1, "size": 12, "fine_tune": TUNED},
    "views": {"per_record": 2},
    "student": {"width": 4, "depth": 1, "stages": 2},
    "training": {"epochs": 8, "batch_size": 16, "learning_rate": 0.01},
    "verify": {"latency_queries": 5, "cold_starts": 1, "cross_fit_below": 0},
    "doctor": {"force": True},
    "threads": 1,
}


def drawn(kind: str, seed: int, side: int = 12) -> np.ndarray:
    """Colours (side, side, 3) of one class, each of another shade and place."""
    dice = np.random.default_rng(seed)
    pixels = np.zeros((side, side, 3), np.float64) + dice.integers(0, 90, 3)
    start = int(dice.integers(0, 3))
    if kind == "bars":
        pixels[start::3] += dice.integers(90, 160, 3)
    elif kind == "dots":
        pixels[start::3, start::3] += dice.integers(90, 160, 3)
    return np.clip(pixels + dice.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)


def folders(root: Path, each: int = 20) -> Path:
    """A folder with a folder for each class, as PNG files."""
    for number, kind in enumerate(CLASSES):
        (root / kind).mkdir(parents=True)
        for place in range(each):
            Image.fromarray(drawn(kind, 1000 * number + place)).save(root / kind / f"{place:03d}.png")
    return root
