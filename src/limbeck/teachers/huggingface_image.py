"""A Hugging Face image model as a teacher. Knows transformers' folders and hub ids; knows nothing of data, stores or students.

A model with a classification head is used as it is; a backbone without one gets a head of its own kind, which the pipeline fine-tunes.
Pictures are stretched to its size by limbeck's own modality and scaled as its processor says, so the same pixels reach it here and from a
bundle; what its processor would do otherwise (a crop, another filter) is told in the report.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
import transformers
from torch import Tensor, nn
from transformers.image_processing_base import ImageProcessingMixin

from limbeck import catalog
from limbeck.errors import TeacherError
from limbeck.patches import PatchWeights
from limbeck.teachers._arrays import ArrayTeacher
from limbeck.teachers._loading import classifier, explained, heads_of, quiet, with_head
from limbeck.teachers._patch_weights import patch_weights
from limbeck.teachers._scalings import SCALINGS, Scaling
from limbeck.types import Json, Outputs, Signal

HEADS = ("ForImageClassification",)
PROCESSOR = "preprocessor_config.json"
_BILINEAR = 2


class Scaled(nn.Module):
    """A transformers model behind what its processor does with bytes: rescaled, minus a mean, divided by a deviation."""

    def __init__(self, backbone: nn.Module, scaling: Scaling) -> None:
        super().__init__()
        self.backbone = backbone
        self.mean_C: Tensor
        self.deviation_C: Tensor
        self.register_buffer("mean_C", torch.zeros(0), persistent=False)
        self.register_buffer("deviation_C", torch.zeros(0), persistent=False)
        self.scale(scaling)

    def scaling(self) -> Scaling:
        """How it scales."""
        return self._scaling

    def scale(self, scaling: Scaling) -> None:
        """Scale in another way from now on."""
        device = self.mean_C.device
        self._scaling, (self.factor, mean, deviation) = scaling, scaling
        self.mean_C, self.deviation_C = torch.tensor(mean, device=device), torch.tensor(deviation, device=device)

    def forward(self, pixels: Tensor) -> Outputs:
        """Logits (B, K), and the mean of the last hidden states (B, D); pixels uint8 are (B, C, H, W)."""
        values = (pixels.float() * self.factor - self.mean_C[:, None, None]) / self.deviation_C[:, None, None]
        out = self.backbone(pixel_values=values, output_hidden_states=True)
        last = out.hidden_states[-1]
        return Outputs(out.logits, last.mean(dim=1) if last.ndim == 3 else last.flatten(2).mean(dim=2))


class HuggingfaceImage(ArrayTeacher):
    """An image model from a folder or the Hugging Face hub.

    Args:
        module: the network.
        processor: the content of its preprocessor_config.json.
        labels: class names in the order of the logits; empty as long as there is no head.
        size, channels: of its input.
        device: where it computes.

    Example:
        >>> teacher = HuggingfaceImage.load(HuggingfaceImage.Settings("path/or/hub-id"))  # doctest: +SKIP
    """

    modality: ClassVar[str] = "image"

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: a hub id or a folder. `revision`: a branch, tag or commit of the hub."""

        model: str = ""
        revision: str | None = None

    def __init__(
        self, module: Scaled, processor: Json, labels: Sequence[str], size: int, channels: int, device: str = "cpu"
    ) -> None:
        super().__init__(module, labels, catalog.find("modalities", "image")(size, channels), device)
        self.size, self.channels, self._processor = size, channels, processor
        self.width = int(cast(Any, getattr(module.backbone.config, "hidden_size", 0)) or 0)

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> HuggingfaceImage:
        """Load a classifier, a backbone, or a teacher that `save` wrote.

        Raises:
            TeacherError: no model is named, it cannot be loaded or lacks weights, or its processor says no size.
        """
        if not settings.model:
            raise TeacherError(
                "teacher.model names no image model. Give a hub id or a folder (--teacher), or another teacher.kind: wide_resnet is trained here."
            )
        options: Json = {} if settings.revision is None else {"revision": settings.revision}
        with quiet(), explained(settings.model):
            processor, _ = ImageProcessingMixin.get_image_processor_dict(settings.model, **options)
            model, labels = classifier(transformers.AutoModelForImageClassification, settings.model, HEADS, options)
        size, channels = _size(processor, settings.model), int(getattr(model.config, "num_channels", 3))
        return cls(scaled(model, processor, channels), processor, labels, size, channels, device)

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> HuggingfaceImage:
        """A very small random classifier, saved to `folder` and loaded from it: what the contract tests use."""
        torch.manual_seed(seed)
        names = dict(enumerate(["greeting", "question", "thanks"]))
        config = transformers.ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=16,
            patch_size=8,
            id2label=names,
            label2id={v: k for k, v in names.items()},
        )
        with quiet():
            model: Any = transformers.ViTForImageClassification(config)
            with torch.no_grad():
                model.classifier.weight.normal_(0.0, 1.0)
                model.classifier.bias.normal_(0.0, 0.1)
            model.save_pretrained(folder)
        said = {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 16}, "resample": _BILINEAR}
        scaling = {
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
        }
        (folder / PROCESSOR).write_text(json.dumps({**said, **scaling, "do_resize": True}), encoding="utf-8")
        return cls.load(cls.Settings(str(folder)))

    @property
    def heads(self) -> list[str]:
        """Where the head lies in the module: all that its kind has beside the backbone."""
        return heads_of(cast(Any, self.module).backbone)

    def add_head(self, labels: Sequence[str], seed: int) -> None:
        """Give a backbone a new head of its own kind; it answers chance until it is fine-tuned."""
        assert not self.labels, "a teacher with a head keeps it"
        model = with_head(transformers.AutoModelForImageClassification, cast(Any, self.module).backbone, labels, seed)
        self.module = scaled(model, self._processor, self.channels).to(self._device).eval()
        self.labels = tuple(labels)

    def save(self, folder: Path) -> None:
        """Write the model with its labels, and its processor, to a folder that `load` reads."""
        with quiet():
            cast(Any, self.module).backbone.save_pretrained(folder)
        (folder / PROCESSOR).write_text(json.dumps(self._processor, indent=1, default=str), encoding="utf-8")

    def settled(self) -> dict[str, str]:
        """Its kind, and how it scales."""
        return {"kind": "huggingface_image", "scaling": f"{cast(Any, self.module).scaling()}"}

    def patches(self) -> PatchWeights | None:
        """What a student may start from; None where the model is no ViT."""
        module = cast(Any, self.module)
        return patch_weights(module.backbone, *module.scaling())

    def otherwise(self, payloads: Sequence[Any]) -> dict[str, Callable[[], Signal]]:
        """What it would answer if it scaled in other ways in which such models were trained, by their names; it stays as it is."""
        own, c = cast(Any, self.module).scaling(), self.channels
        found = {name: (factor, mean[:c], deviation[:c]) for name, (factor, mean, deviation) in SCALINGS.items()}
        return {name: partial(self._scaled, scaling, payloads) for name, scaling in found.items() if scaling != own}

    def _scaled(self, scaling: Scaling, payloads: Sequence[Any]) -> Signal:
        module = cast(Any, self.module)
        own = module.scaling()
        try:
            module.scale(scaling)
            return self.answer(payloads, frozenset({"logits_BC"}))
        finally:
            module.scale(own)

    def remarks(self) -> list[str]:
        """What its processor would do otherwise."""
        found = []
        if self._processor.get("do_center_crop"):
            found.append("cuts the middle out of a picture")
        if self._processor.get("resample") not in (None, _BILINEAR):
            found.append("resizes by another filter than a bilinear one")
        told = f"the teacher's processor {' and '.join(found)}; here pictures are stretched to {self.size} x {self.size}, for teacher and student alike"
        return [told] if found else []


def scaled(model: nn.Module, processor: Json, channels: int) -> Scaled:
    """A model behind what its processor does to bytes."""
    factor = float(processor.get("rescale_factor", 1 / 255)) if processor.get("do_rescale", True) else 1.0
    normalised = processor.get("do_normalize", True) and processor.get("image_mean") is not None
    mean = _each(processor["image_mean"], channels) if normalised else (0.0,) * channels
    deviation = _each(processor["image_std"], channels) if normalised else (1.0,) * channels
    return Scaled(model, (factor, mean, deviation))


def _each(value: Any, channels: int) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, list | tuple) else (float(value),) * channels


def _size(processor: Json, model: str) -> int:
    for key in ("crop_size", "size") if processor.get("do_center_crop") else ("size",):
        said = processor.get(key)
        if isinstance(said, int):
            return said
        if isinstance(said, dict):
            for name in ("height", "shortest_edge"):
                if isinstance(said.get(name), int):
                    return int(said[name])
    raise TeacherError(
        f"the processor of '{model}' says no size of pictures: size is {processor.get('size')!r:.60} in {PROCESSOR}"
    )
