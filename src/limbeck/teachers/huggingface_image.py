"""A Hugging Face image model as a teacher. Knows transformers' folders and hub ids; knows nothing of data, stores or students.

A model with a classification head is used as it is; a backbone without one gets a head of its own kind, which the pipeline fine-tunes.
Pictures are stretched to its size by limbeck's own modality and scaled as its processor does it, so the same pixels reach it here and from a
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

from limbeck import catalog
from limbeck.errors import TeacherError
from limbeck.patches import PatchWeights
from limbeck.teachers._arrays import ArrayTeacher
from limbeck.teachers._image_processor import Processing, processing
from limbeck.teachers._loading import classifier, explained, heads_of, quiet, with_head
from limbeck.teachers._patch_weights import patch_weights
from limbeck.teachers._scalings import SCALINGS, Scaling
from limbeck.types import Json, Outputs, Signal

HEADS = ("ForImageClassification",)
PROCESSOR = "preprocessor_config.json"
_BILINEAR = 2
_TIMM = "timm_wrapper"  # transformers hands these to a package of its own, with settings of its own


class Scaled(nn.Module):
    """A transformers model behind what its processor does with bytes: rescaled, minus a mean, divided by a deviation, perhaps blue first."""

    def __init__(self, backbone: nn.Module, done: Processing) -> None:
        super().__init__()
        self.backbone, self.done = backbone, done
        self.mean_C: Tensor
        self.deviation_C: Tensor
        self.register_buffer("mean_C", torch.zeros(0), persistent=False)
        self.register_buffer("deviation_C", torch.zeros(0), persistent=False)
        self.scale(done.scaling)

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
        seen = pixels.flip(1) if self.done.reversed else pixels
        values = (seen.float() * self.factor - self.mean_C[:, None, None]) / self.deviation_C[:, None, None]
        out = self.backbone(pixel_values=values, output_hidden_states=True)
        last = out.hidden_states[-1]
        return Outputs(out.logits, last.mean(dim=1) if last.ndim == 3 else last.flatten(2).mean(dim=2))


class HuggingfaceImage(ArrayTeacher):
    """An image model from a folder or the Hugging Face hub.

    Args:
        module: the network.
        processor: its image processor.
        labels: class names in the order of the logits; empty as long as there is no head.
        channels: of its input.
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

    def __init__(self, module: Scaled, processor: Any, labels: Sequence[str], channels: int, device: str = "cpu") -> None:
        self.size, self.channels, self._processor = module.done.size, channels, processor
        super().__init__(module, labels, catalog.find("modalities", "image")(self.size, channels), device)
        self.width = int(cast(Any, getattr(module.backbone.config, "hidden_size", 0)) or 0)

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> HuggingfaceImage:
        """Load a classifier, a backbone, or a teacher that `save` wrote.

        Raises:
            TeacherError: no model is named, it cannot be loaded or lacks weights, or its processor does more than to resize and to scale.
        """
        if not settings.model:
            raise TeacherError(
                "teacher.model names no image model. Give a hub id or a folder (--teacher), or another teacher.kind: wide_resnet is trained here."
            )
        options: Json = {} if settings.revision is None else {"revision": settings.revision}
        with quiet(), explained(settings.model, f"config.json, {PROCESSOR} and model.safetensors"):
            config, _ = cast(Any, transformers.PretrainedConfig).get_config_dict(settings.model, **options)
            if config.get("model_type") == _TIMM:
                raise TeacherError(
                    f"'{settings.model}' is a model of timm. Make it with timm.create_model and give it as a module (teacher.kind: torch_module, "
                    "teacher.reads: image), or export it to ONNX (teacher.kind: onnx)."
                )
            processor = cast(Any, transformers.AutoImageProcessor).from_pretrained(settings.model, **options)
            model, labels = classifier(transformers.AutoModelForImageClassification, settings.model, HEADS, options)
            channels, size = int(getattr(model.config, "num_channels", 3)), getattr(model.config, "image_size", None)
            done = processing(processor, channels, size if isinstance(size, int) else None, settings.model)
            if isinstance(size, int) and size != done.size:
                _check_size(model.eval(), (channels, done.size, done.size), size, settings.model)
        return cls(Scaled(model, done), processor, labels, channels, device)

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
        self.module = Scaled(model, cast(Any, self.module).done).to(self._device).eval()
        self.labels = tuple(labels)

    def save(self, folder: Path) -> None:
        """Write the model with its labels, and its processor, to a folder that `load` reads."""
        with quiet():
            cast(Any, self.module).backbone.save_pretrained(folder)
            self._processor.save_pretrained(folder)

    def settled(self) -> dict[str, str]:
        """Its kind, how it scales, and in which order colours reach it."""
        module = cast(Any, self.module)
        return {"kind": "huggingface_image", "scaling": f"{module.scaling()}", "blue_first": f"{module.done.reversed}"}

    def patches(self) -> PatchWeights | None:
        """What a student may start from; None where the model is no ViT, or reads blue first."""
        module = cast(Any, self.module)
        return None if module.done.reversed else patch_weights(module.backbone, *module.scaling())

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
        found, own = [], self._processor
        if getattr(own, "do_center_crop", False) or (getattr(own, "crop_pct", None) or 1) < 1:
            found.append("cuts the middle out of a picture")
        if getattr(own, "resample", None) not in (None, _BILINEAR):
            found.append("resizes by another filter than a bilinear one")
        told = f"the teacher's processor {' and '.join(found)}; here pictures are stretched to {self.size} x {self.size}, for teacher and student alike"
        return [told] if found else []


def _check_size(network: Any, shape: tuple[int, int, int], size: int, model: str) -> None:
    """Many networks read other sizes than their configuration names, and some do not. It may have no head."""
    try:
        with torch.inference_mode():
            network(pixel_values=torch.zeros(1, *shape))
    except Exception as error:  # whatever a network raises at a shape that it cannot read
        raise TeacherError(
            f"the processor of '{model}' makes pictures of {shape[2]} x {shape[1]} pixels, and its model reads {size} x {size}. "
            f"Set size, or do_center_crop and crop_size, in {PROCESSOR}."
        ) from error
