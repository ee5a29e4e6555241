"""Bundles that see and hear, made by hand in a moment: of a picture they say which colour is most in it, of a clip whether it is low or high."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pil

from limbeck.bundle import Bundle, seal
from limbeck.evidence import Calibration
from limbeck.graph import GraphBuilder, GraphInput
from limbeck.modalities.audio import Audio
from limbeck.modalities.image import Image
from limbeck.targets.numpy import Numpy
from sounds import save

COLOURS = ["red", "green", "blue"]
PITCHES = ["low", "high"]
RATE = 8000


def sees(folder: Path) -> Bundle:
    """A bundle for pictures; one of no colour is abstained from."""
    g = GraphBuilder(GraphInput("pixels", "uint8", ("B", 3, 8, 8)))
    mean_BC = g("ReduceMean", g("Cast", "pixels", to="float32"), axes=[2, 3], keepdims=0)
    return _sealed(folder, "image", Image(8, 3), g.build(g("Mul", mean_BC, g.number(0.05))), COLOURS)


def hears(folder: Path) -> Bundle:
    """A bundle for clips of half a second."""
    modality = Audio.reading(RATE, 0.5, 16)
    g = GraphBuilder(GraphInput("features", "float32", ("B", *modality.features.shape)))
    mean_BM = g("ReduceMean", "features", axes=[1], keepdims=0)
    halves_MK = np.repeat(np.eye(2, dtype=np.float32), 8, axis=0)
    return _sealed(folder, "audio", modality, g.build(g("MatMul", mean_BM, g.constant("halves", halves_MK))), PITCHES)


def _sealed(folder: Path, kind: str, modality: Any, graph: Any, labels: list[str]) -> Bundle:
    folder.parent.mkdir(parents=True, exist_ok=True)
    model = folder.parent / Numpy.filename
    Numpy().write(graph, model)
    golden = [modality.from_json(value) for value in modality.golden]
    logits_NC = Numpy().load(model)(modality.collate(modality.encode(golden)))
    return seal(
        folder, task=f"{kind}-classification", modality=kind, target="numpy", labels=labels, spec=modality.spec(), model=model,
        golden={"payloads": list(modality.golden), "logits": logits_NC.tolist(), "tolerance": 0.005},
        calibration=Calibration(threshold=0.4),
    )  # fmt: skip


def picture(colour: str, side: int = 12, form: str = "PNG") -> bytes:
    """A file with a picture of one colour."""
    found = io.BytesIO()
    Pil.new("RGB", (side, side), colour).save(found, form)
    return found.getvalue()


def clip(folder: Path, hertz: float, seconds: float = 0.4, rate: int = RATE) -> bytes:
    """A wav file with a tone."""
    return save(folder / "tone.wav", np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate), rate).read_bytes()
