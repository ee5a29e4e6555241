"""A Hugging Face text encoder as a teacher. Knows transformers' folders and hub ids; knows nothing of data, stores or students.

A model with a classification head is used as it is. A backbone without one gets mean pooling and a linear head, which the
pipeline fine-tunes; it is saved as a backbone folder plus `head.safetensors`, and that folder loads again.

Letters: B examples, T positions, D width, C classes, V pieces of the vocabulary.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from limbeck.errors import TeacherError
from limbeck.settings import Count
from limbeck.shop import packaged_model
from limbeck.teachers._encoder_weights import encoder_weights
from limbeck.teachers._head_of import check_head, problem_of
from limbeck.teachers._layer_importance import most_missed, stack_of
from limbeck.teachers._loading import explained, longest_input, quiet, whole
from limbeck.teachers._new_head import new_head
from limbeck.teachers._word_states import BY_WORD, WordStates, numbered
from limbeck.text import readable
from limbeck.types import Fingerprint, Json, Outputs, Signal, Start, digest

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
HEAD_FILE, HEAD_CONFIG = "head.safetensors", "limbeck_teacher.json"
_BATCH = 64


class EncoderClassifier(nn.Module):
    """A transformer encoder, mean pooling over real tokens, and a linear head; or a model with a head of its own."""

    def __init__(self, backbone: nn.Module, head: nn.Linear | None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, ids: Tensor, mask: Tensor, hidden: bool = False) -> Outputs:
        """Logits (B, C), the mean-pooled last hidden state (B, D) where the head is ours, and with `hidden` that state itself
        (B, T, D); ids and mask are (B, T)."""
        if self.head is None:
            out = self.backbone(input_ids=ids, attention_mask=mask.long(), output_hidden_states=hidden)
            return Outputs(out.logits, None, out.hidden_states[-1] if hidden else None)
        hidden_BTD = self.backbone(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        mask_BT1 = mask.to(hidden_BTD.dtype).unsqueeze(-1)
        embedding_BD = (hidden_BTD * mask_BT1).sum(1) / mask_BT1.sum(1).clamp_min(1.0)
        return Outputs(self.head(embedding_BD), embedding_BD, hidden_BTD if hidden else None)


class Huggingface:
    """A text encoder from a folder or the Hugging Face hub.

    Args:
        module: the network.
        tokenizer: its fast tokenizer, from transformers.
        labels: class names in the order of the logits; empty as long as there is no head.
        max_tokens: texts are cut to this many tokens, special ones included.
        device: where it computes.
        several: whether its head is of several labels, each with a yes or no; None: it has none yet.

    Example:
        >>> teacher = Huggingface.load(Huggingface.Settings("path/or/hub-id"))  # doctest: +SKIP
        >>> teacher.answer(["where is my parcel?"], frozenset({"logits_BC"})).logits_BC.shape  # doctest: +SKIP
        (1, 77)
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: a hub id or a folder. `revision`: a branch, tag or commit of the hub. `max_tokens`: longest input."""

        model: str = DEFAULT_MODEL
        revision: str | None = None
        max_tokens: Count = 128

    modality: ClassVar[str] = "text"
    tolerance: ClassVar[float] = 1e-4
    """Largest difference of a logit between two calls that batch differently, at float32."""

    def __init__(
        self,
        module: EncoderClassifier,
        tokenizer: Any,
        labels: Sequence[str],
        max_tokens: int,
        device: str = "cpu",
        several: bool | None = None,
    ) -> None:
        self.module = module.to(device).eval()
        self.labels, self._several = tuple(labels), several
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        self._device = device
        self.precision = "float32"  # or "bfloat16": of the matrix products of its answers

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> Huggingface:
        """Load a backbone, a classifier, or a teacher that `save` wrote.

        Raises:
            TeacherError: the folder or id cannot be loaded, lacks weights or a fast tokenizer, or reads fewer tokens than asked.
        """
        source = str(packaged_model()) if settings.model == DEFAULT_MODEL and packaged_model() else settings.model
        options: Json = {} if settings.revision is None else {"revision": settings.revision}
        with quiet(), explained(settings.model):
            config = transformers.AutoConfig.from_pretrained(source, **options)
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, use_fast=True, **options)
            if not tokenizer.is_fast or len(tokenizer) <= len(tokenizer.all_special_tokens):
                raise TeacherError(
                    f"teacher '{settings.model}' has no fast tokenizer with pieces (tokenizer.json); limbeck needs one"
                )
            own_head = Path(source) / HEAD_FILE
            head: nn.Linear | None = None
            labels: list[str] = []
            several: bool | None = None
            if any(a.endswith("ForSequenceClassification") for a in config.architectures or []):
                model = whole(transformers.AutoModelForSequenceClassification, source, options)
                labels, several = [str(config.id2label[i]) for i in range(config.num_labels)], problem_of(config)
            else:
                model = whole(transformers.AutoModel, source, options)
                if own_head.is_file():
                    weights = load_file(own_head)
                    head = nn.Linear(weights["weight"].shape[1], weights["weight"].shape[0])
                    head.load_state_dict(weights)
                    described = json.loads((Path(source) / HEAD_CONFIG).read_text(encoding="utf-8"))
                    labels, several = list(described["labels"]), bool(described.get("several", False))
            longest = longest_input(model, config, tokenizer)
            if longest is not None and settings.max_tokens > longest:
                raise TeacherError(
                    f"teacher.max_tokens is {settings.max_tokens}, but '{settings.model}' reads at most {longest} tokens. "
                    f"Run again with --set teacher.max_tokens={longest}"
                )
        return cls(EncoderClassifier(model, head), tokenizer, labels, settings.max_tokens, device, several)

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> Huggingface:
        """A very small random classifier, saved to `folder` and loaded from it: what the contract tests use."""
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghij")]
        (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', encoding="utf-8")
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True)
        torch.manual_seed(seed)
        sizes: Json = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        config = transformers.BertConfig(vocab_size=len(words), **sizes)
        with quiet():
            teacher = cls(EncoderClassifier(transformers.BertModel(config), None), tokenizer, (), 32)
            teacher.add_head(["greeting", "question", "thanks"], seed=0)
            teacher.save(folder)
        return cls.load(cls.Settings(str(folder)))

    def add_head(self, labels: Sequence[str], seed: int, several: bool = False, shares_C: NDArray[Any] | None = None) -> None:
        """Give a backbone a new linear head for `labels`, of which `several` may apply, then with their shares (C,); it answers chance."""
        assert self.module.head is None, "a teacher with a head keeps it"
        self.module.head = new_head(self.width, len(labels), seed, shares_C).to(self._device)
        self.labels, self._several = tuple(labels), several

    def answers_with(self, several: bool) -> None:
        """Whether several labels may apply to a text: its head has to be of that kind (else a TeacherError), where it has one."""
        check_head(several, self._several, str(getattr(cast(Any, self.module.backbone).config, "_name_or_path", "")))

    @property
    def has_head(self) -> bool:
        """Whether it can classify: a head of its own, or one that was added."""
        return bool(self.labels)

    @property
    def width(self) -> int:
        """Width of its hidden states."""
        return int(cast(Any, self.module.backbone).config.hidden_size)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.module.parameters())

    def save(self, folder: Path) -> None:
        """Write backbone, tokenizer, head and labels to a folder that `load` reads."""
        with quiet():
            cast(Any, self.module.backbone).save_pretrained(folder)
            self._tokenizer.save_pretrained(folder)
        if self.module.head is not None:
            save_file(
                {k: v.contiguous().cpu() for k, v in self.module.head.state_dict().items()},
                folder / HEAD_FILE,
            )
            described: Json = {"labels": list(self.labels), "pooling": "mean", **({"several": True} if self._several else {})}
            (folder / HEAD_CONFIG).write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")

    # --- what every teacher does ---------------------------------------------------------------------------

    def gives(self) -> frozenset[str]:
        """Logits, the pooled embedding where the pooling is ours, and states by word unless it is an encoder with a decoder."""
        if not self.labels:
            return frozenset()
        pooled = {"embedding_BD"} if self.module.head is not None else set()
        by_word = set() if getattr(cast(Any, self.module.backbone).config, "is_encoder_decoder", False) else BY_WORD
        return frozenset({"logits_BC"} | pooled | by_word)

    def fingerprint(self) -> Fingerprint:
        """Weights, tokenizer, labels, longest input, pooling, and number type, each by its own hash or value."""
        weights = hashlib.sha256()
        for name, value in sorted(self.module.state_dict().items()):
            weights.update(name.encode())
            weights.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return {
            "kind": "huggingface",
            "weights": weights.hexdigest(),
            "tokenizer": digest(self.tokenizer_json()),
            "labels": hashlib.sha256(json.dumps(self.labels).encode()).hexdigest(),
            "max_tokens": str(self.max_tokens),
            "pooling": "own head" if self.module.head is None else "mean",
            "precision": self.precision,
            **({"labels of a text": "several"} if self._several else {}),
        }

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """Signals of the texts, in order; computed in batches of equal length, longest first."""
        encoded = self.encode(payloads)
        order = sorted(range(len(encoded)), key=lambda i: (-len(encoded[i]), i))
        parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in sorted(needs - BY_WORD)}
        states = WordStates(self.words(payloads)) if needs & BY_WORD else None
        half = torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self.precision == "bfloat16")
        with torch.inference_mode(), half:
            for start in range(0, len(order), _BATCH):
                rows = order[start : start + _BATCH]
                batch = self.collate([encoded[i] for i in rows])
                arrays = {k: torch.from_numpy(v).to(self._device) for k, v in batch.items()}
                out = self.module(**arrays, hidden=states is not None)
                for name, part in parts.items():
                    part.append(getattr(out, name).float().cpu().numpy())
                if states is not None:
                    states.add(rows, out.hidden_BTD)
        back = np.argsort(np.asarray(order, dtype=np.int64))
        found = {name: np.concatenate(part)[back] for name, part in parts.items()}
        return Signal(**found, **({} if states is None else states.fields(needs)))

    # --- what the fine-tuning needs ------------------------------------------------------------------------

    def encode(self, payloads: Sequence[Any]) -> list[NDArray[np.int64]]:
        """Token ids with special tokens, each (T,), T at most max_tokens."""
        texts = [readable(p, self.max_tokens) for p in payloads]
        return [np.asarray(ids, dtype=np.int64) for ids in self._tokenized(texts)["input_ids"]]

    def words(self, payloads: Sequence[Any]) -> list[NDArray[np.int64]]:
        """For each token that `encode` gives, (T,): the number of its word in the text (`limbeck.text.words`), -1 where it has none."""
        texts = [readable(p, self.max_tokens) for p in payloads]
        return numbered(self._tokenized(texts, return_offsets_mapping=True)["offset_mapping"], texts)

    def _tokenized(self, texts: list[str], **more: bool) -> Any:
        with quiet():
            return self._tokenizer(texts, truncation=True, max_length=self.max_tokens, padding=False, **more)

    def collate(self, encoded: Sequence[NDArray[np.int64]]) -> dict[str, NDArray[Any]]:
        """ids and mask of a batch, (B, T), padded with the tokenizer's own padding id."""
        pad = self._tokenizer.pad_token_id
        ids_BT = np.full((len(encoded), max(map(len, encoded))), 0 if pad is None else pad, dtype=np.int64)
        mask_BT = np.zeros(ids_BT.shape, dtype=np.float32)
        for row, ids in enumerate(encoded):
            ids_BT[row, : len(ids)] = ids
            mask_BT[row, : len(ids)] = 1.0
        return {"ids": ids_BT, "mask": mask_BT}

    def freeze(self, layers: int = 0) -> None:
        """Keep the token embeddings (half of MiniLM's weights, of which a batch touches few rows) and the first `layers` as they are.

        With `layers` all that comes before them stays too, such as position embeddings, so no gradient has to pass through them.

        Raises:
            TeacherError: the backbone has fewer layers.
        """
        backbone, stack = cast(Any, self.module.backbone), stack_of(self.module.backbone)
        if layers > len(stack):
            raise TeacherError(f"teacher.fine_tune.frozen_layers is {layers}, but this backbone has {len(stack)} layers")
        frozen = set(backbone.get_input_embeddings().parameters())
        kept = {parameter for layer in stack[:layers] for parameter in layer.parameters()}
        ordered = list(backbone.parameters())  # as they are registered: embeddings, layers, what comes behind
        last = max((i for i, parameter in enumerate(ordered) if parameter in kept), default=-1)
        for parameter in frozen | set(ordered[: last + 1]):
            parameter.requires_grad_(False)

    # --- what a student may start from ---------------------------------------------------------------------

    def tokenizer_json(self) -> Json:
        """The content of its tokenizer.json, without truncation and padding: a call leaves its own settings there."""
        content: Json = json.loads(self._tokenizer.backend_tokenizer.to_str())
        return {**content, "truncation": None, "padding": None}

    def token_embeddings(self) -> NDArray[np.float32]:
        """The embedding of each piece of its vocabulary, (V, D)."""
        weight = cast(Any, self.module.backbone).get_input_embeddings().weight
        return cast("NDArray[np.float32]", weight.detach().float().cpu().numpy())

    def start(self, old_ids_V: NDArray[np.int64]) -> Start:
        """What a student over the pieces `old_ids_V` of its vocabulary may start from; the head only where the pooling is ours."""
        head = None
        if (own := self.module.head) is not None:
            head = (own.weight.detach().cpu().numpy().copy(), own.bias.detach().cpu().numpy().copy())
        return Start(self.token_embeddings()[old_ids_V], encoder_weights(self.module.backbone), head)

    def most_missed(self, number: int, payloads: Sequence[Any]) -> tuple[int, ...]:
        """Which of its layers, from 1, it misses most when it answers these texts without the others.

        Raises:
            TeacherError: it has not so many, or is not of a kind that can be taken apart.
        """
        stack, logits = stack_of(self.module.backbone), frozenset({"logits_BC"})
        if encoder_weights(self.module.backbone) is None:
            raise TeacherError(
                "student.choose is important, but this teacher's layers cannot be left out one by one. Set it to even."
            )
        if number > len(stack):
            raise TeacherError(f"student.layers is {number}, but the teacher has {len(stack)} layers")
        return most_missed(stack, number, lambda: np.asarray(self.answer(payloads, logits).logits_BC))
