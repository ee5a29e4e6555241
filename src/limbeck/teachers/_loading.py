"""Loading from transformers' folders and hub ids without noise and without guesses. Knows transformers; knows nothing of signals."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from torch import nn

from limbeck.errors import TeacherError, listing
from limbeck.types import Json


def whole(kind: Any, source: str, options: Json) -> nn.Module:
    """A model whose weights all come from its file.

    Raises:
        TeacherError: some weights that it computes with are not in the file; transformers would fill them with random numbers.
    """
    model, found = kind.from_pretrained(source, dtype=torch.float32, output_loading_info=True, **options)
    unused = "pooler" if kind is transformers.AutoModel else None  # mean pooling goes past a backbone's pooler
    missing = sorted(key for key in found["missing_keys"] if unused is None or unused not in key)
    if missing:
        raise TeacherError(
            f"the weights of '{source}' are not whole: {listing(missing, 3)} "
            "would be random numbers. Save the model again with its head, or give another."
        )
    return cast(nn.Module, model)


def classifier(kind: Any, source: str, heads: tuple[str, ...], options: Json) -> tuple[nn.Module, list[str]]:
    """A model with a head and the names of its classes; where the source holds a backbone alone, that and no names.

    Args:
        kind: of transformers, with a head.
        source: a folder or a hub id.
        heads: how the names of architectures end that have one.
        options: for loading.
    """
    config = transformers.AutoConfig.from_pretrained(source, **options)
    if any(name.endswith(heads) for name in config.architectures or []):
        return whole(kind, source, options), [str(config.id2label[i]) for i in range(config.num_labels)]
    return whole(transformers.AutoModel, source, options), []


def with_head(kind: Any, backbone: Any, labels: Sequence[str], seed: int) -> nn.Module:
    """A model of this kind over a backbone, with a new head for the labels; it answers chance until it is fine-tuned."""
    config = copy.deepcopy(backbone.config)
    config.id2label, config.label2id = dict(enumerate(labels)), {label: i for i, label in enumerate(labels)}
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind.from_config(config)
    model.base_model.load_state_dict(backbone.state_dict(), strict=False)
    return cast(nn.Module, model)


def heads_of(model: Any) -> list[str]:
    """The names of what a model has beside its backbone, as a teacher's module that holds it as `backbone` calls them."""
    return [f"backbone.{name}" for name, _ in model.named_children() if name != model.base_model_prefix]


def longest_input(model: nn.Module, config: Any, tokenizer: Any) -> int | None:
    """The most tokens, special ones included, that model and tokenizer can read; None where neither has a limit."""
    positions = int(getattr(config, "max_position_embeddings", None) or 0)
    for name, module in model.named_modules():
        # RoBERTa and its kin count positions from behind the padding index.
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            positions = module.num_embeddings - module.padding_idx - 1
    limits = [limit for limit in (positions, int(min(tokenizer.model_max_length, 10**9))) if 0 < limit < 10**9]
    return min(limits, default=None)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars and advice: progress belongs to the pipeline."""
    log: Any = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


@contextlib.contextmanager
def explained(model: str, files: str = "config.json, tokenizer.json and model.safetensors") -> Iterator[None]:
    """What goes wrong within as an error that says what a teacher is: `files` of its folder."""
    try:
        yield
    except TeacherError:
        raise
    except Exception as error:  # transformers, safetensors and the hub raise many kinds
        folder = Path(model)
        where = "this folder" if folder.is_dir() else "the Hugging Face hub (there is no such folder here)"
        first = str(error).strip().splitlines()
        raise TeacherError(
            f"cannot load the teacher '{model}' from {where}: {type(error).__name__}: {first[0] if first else ''}\n"
            f"A teacher is a hub id or a folder with {files}. "
            "Check the name, or the connection, or download it once and give the folder."
        ) from error
