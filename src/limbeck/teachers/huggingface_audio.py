"""A Hugging Face audio model as a teacher. Knows transformers' folders and hub ids; knows nothing of data, stores or students.

A model with a classification head is used as it is; a backbone without one gets a head of its own kind, which the pipeline fine-tunes.
Clips reach it at its own rate through its own feature extractor: log-mel for some models, the samples themselves for others. So no bundle reads
as it does, and its times are those of the model as it is.

Letters: B clips, K classes, D width.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor, nn

from limbeck import catalog
from limbeck.errors import TeacherError
from limbeck.settings import Limits
from limbeck.teachers._arrays import ArrayTeacher
from limbeck.teachers._loading import classifier, explained, heads_of, quiet, with_head
from limbeck.types import Json, Outputs, Signal, digest

SecondsOrZero = Annotated[float, Limits((("ge", 0.0), ("le", 60.0)))]
HEADS = ("ForAudioClassification", "ForSequenceClassification")
AUDIO_SET = (-4.2677393, 4.5689974)
"""Mean and deviation of AST's features over AudioSet (Gong et al. 2021), its extractor's defaults."""
_LEAST = 0.1  # seconds: some models answer nothing to less


@dataclass(frozen=True, slots=True)
class Extracted:
    """What an extractor makes of a clip: `values` of its model's one input, and, where the model reads one, a `mask` of what is no filling."""

    values: NDArray[Any]
    mask: NDArray[Any] | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the values: clips of one shape go through the model together."""
        return self.values.shape

    def __len__(self) -> int:
        """Samples or frames, by which batches are made."""
        return len(self.values)


class Heard(nn.Module):
    """A transformers model by the one input that it reads, and its mask."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self._input = str(cast(Any, backbone).main_input_name)
        self.masked = "attention_mask" in inspect.signature(backbone.forward).parameters

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Outputs:
        """Logits (B, K), and the mean of the last hidden states (B, D)."""
        more = {} if mask is None else {"attention_mask": mask}
        out = self.backbone(**{self._input: values}, **more, output_hidden_states=True)
        return Outputs(out.logits, out.hidden_states[-1].mean(dim=1))


class HuggingfaceAudio(ArrayTeacher):
    """An audio model from a folder or the Hugging Face hub.

    Args:
        module: the network.
        extractor: its feature extractor.
        labels: class names in the order of the logits; empty as long as there is no head.
        seconds: of every clip, filled with silence or cut off at its end; 0: each as long as it is.
        device: where it computes.

    Example:
        >>> teacher = HuggingfaceAudio.load(HuggingfaceAudio.Settings("path/or/hub-id"))  # doctest: +SKIP
    """

    modality: ClassVar[str] = "audio"

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: a hub id or a folder. `revision`: a branch, tag or commit of the hub. `seconds`: of every clip, filled with silence or cut off at its
        end; 0: each as long as it is, which a model that is fine-tuned here cannot have unless its extractor fills clips itself."""

        model: str = ""
        revision: str | None = None
        seconds: SecondsOrZero = 0.0

    def __init__(self, module: nn.Module, extractor: Any, labels: Sequence[str], seconds: float, device: str = "cpu") -> None:
        super().__init__(Heard(module), labels, catalog.find("modalities", "audio")(), device)
        self._extractor, self._seconds = extractor, seconds
        self.width = int(cast(Any, getattr(module.config, "hidden_size", 0)) or 0)

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> HuggingfaceAudio:
        """Load a classifier, a backbone, or a teacher that `save` wrote.

        Raises:
            TeacherError: no model is named, it cannot be loaded or lacks weights, or has no feature extractor.
        """
        if not settings.model:
            raise TeacherError(
                "teacher.model names no audio model. Give a hub id or a folder (--teacher), or another teacher.kind: resnet_audio is trained here."
            )
        options: Json = {} if settings.revision is None else {"revision": settings.revision}
        with quiet(), explained(settings.model, "config.json, preprocessor_config.json and model.safetensors"):
            extractor = cast(Any, transformers.AutoFeatureExtractor).from_pretrained(settings.model, **options)
            model, labels = classifier(transformers.AutoModelForAudioClassification, settings.model, HEADS, options)
        return cls(model, extractor, labels, settings.seconds, device)

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> HuggingfaceAudio:
        """A very small random classifier, saved to `folder` and loaded from it: what the contract tests use."""
        torch.manual_seed(seed)
        names = dict(enumerate(["greeting", "question", "thanks"]))
        config = transformers.ASTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            patch_size=8,
            frequency_stride=8,
            time_stride=8,
            max_length=32,
            num_mel_bins=16,
            id2label=names,
            label2id={v: k for k, v in names.items()},
        )
        with quiet():
            model: Any = transformers.ASTForAudioClassification(config)
            with torch.no_grad():
                model.classifier.dense.weight.normal_(0.0, 1.0)
            model.save_pretrained(folder)
            cast(Any, transformers.ASTFeatureExtractor)(num_mel_bins=16, max_length=32).save_pretrained(folder)
        return cls.load(cls.Settings(str(folder)))

    @property
    def heads(self) -> list[str]:
        """Where the head lies in the module: all that its kind has beside the backbone."""
        return heads_of(cast(Any, self.module).backbone)

    def add_head(self, labels: Sequence[str], seed: int) -> None:
        """Give a backbone a new head of its own kind; it answers chance until it is fine-tuned."""
        assert not self.labels, "a teacher with a head keeps it"
        model = with_head(transformers.AutoModelForAudioClassification, cast(Any, self.module).backbone, labels, seed)
        self.module = Heard(model).to(self._device).eval()
        self.labels = tuple(labels)

    def save(self, folder: Path) -> None:
        """Write the model with its labels, and its extractor, to a folder that `load` reads."""
        with quiet():
            cast(Any, self.module).backbone.save_pretrained(folder)
            self._extractor.save_pretrained(folder)

    def settled(self) -> dict[str, str]:
        """Its kind, its extractor and the length of clips."""
        return {
            "kind": "huggingface_audio",
            "extractor": digest(self._extractor.to_json_string()),
            "seconds": f"{self._seconds}",
        }

    def otherwise(self, payloads: Sequence[Any]) -> dict[str, Callable[[], Signal]]:
        """What it would answer if its extractor normalised otherwise, by the names of these ways; it stays as it is."""
        own, ways = self._extractor, dict[str, Json]()
        if (normalises := getattr(own, "do_normalize", None)) is not None:
            ways["without normalising" if normalises else "normalised"] = {"do_normalize": not normalises}
        if getattr(own, "mean", None) is not None and (own.mean, own.std) != AUDIO_SET:
            mean, deviation = AUDIO_SET
            ways["with AudioSet's mean and deviation"] = {"do_normalize": True, "mean": mean, "std": deviation}
        return {name: partial(self._normalised, way, payloads) for name, way in ways.items()}

    def _normalised(self, way: Json, payloads: Sequence[Any]) -> Signal:
        own = {name: getattr(self._extractor, name) for name in way}
        try:
            for name, value in way.items():
                setattr(self._extractor, name, value)
            return self.answer(payloads, frozenset({"logits_BC"}))
        finally:
            for name, value in own.items():
                setattr(self._extractor, name, value)

    def encode(self, payloads: Sequence[Any]) -> list[Any]:
        """What its extractor makes of each clip at its rate."""
        rate, found, module = int(self._extractor.sampling_rate), [], cast(Any, self.module)
        for clip in self._reading.clips(payloads):
            samples_N = self._reading.at_rate(clip, rate)
            if self._seconds:
                samples_N = samples_N[: round(self._seconds * rate)]
            least = round((self._seconds or _LEAST) * rate)
            samples_N = np.pad(samples_N, (0, max(0, least - len(samples_N))))
            made = self._extractor(samples_N, sampling_rate=rate, return_tensors="np")
            values = np.asarray(made[module.backbone.main_input_name][0], np.float32)
            # Some extractors fill the last frame of a clip, and their models have to be told.
            mask = np.asarray(made["attention_mask"][0], np.int64) if module.masked and "attention_mask" in made else None
            found.append(Extracted(values, mask))
        return found

    def collate(self, encoded: Sequence[Any]) -> dict[str, NDArray[Any]]:
        """`values` (and `mask`) of a batch whose clips are of one length.

        Raises:
            TeacherError: they are not.
        """
        if len({e.shape for e in encoded}) > 1:
            raise TeacherError(
                "this audio model takes clips of one length while it is trained. Say which: --set teacher.seconds=2"
            )
        found = {"values": np.stack([e.values for e in encoded])}
        return found if encoded[0].mask is None else {**found, "mask": np.stack([e.mask for e in encoded])}

    def reads(self) -> Json:
        """None of limbeck's: it has an extractor of its own."""
        raise TeacherError("a Hugging Face audio model reads through an extractor of its own, which a bundle does not hold")
