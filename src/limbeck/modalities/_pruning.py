"""A tokenizer over fewer pieces. Knows the files of the tokenizers library (WordPiece, BPE, Unigram, WordLevel); nothing of models.

Pieces kept: those that a set of texts uses, and every piece of one character, so that a text of new words falls back to
smaller pieces and never to an unknown token that the full tokenizer would have avoided.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError
from limbeck.types import Json


def bare(tokenizer: Json) -> Json:
    """The tokenizer without truncation, padding, special-token template and added tokens.

    A student's input needs no special tokens, and without them a customer who types "[SEP]" writes five characters.
    """
    result = copy.deepcopy(tokenizer)
    result.update(truncation=None, padding=None, post_processor=None, added_tokens=[])
    for part, empty in (("version", "1.0"), ("normalizer", None), ("pre_tokenizer", None), ("decoder", None)):
        result.setdefault(part, empty)
    return result


@dataclass(frozen=True, slots=True)
class Pruned:
    """A smaller tokenizer. old_ids_V: the id of each piece in the full one; used_V: whether the texts use it."""

    tokenizer: Json
    old_ids_V: NDArray[np.int64]
    used_V: NDArray[np.bool_]


def pruned(tokenizer: Json, loaded: Any, texts: Sequence[str]) -> Pruned:
    """The bare tokenizer over the pieces that `texts` use and all single characters.

    Raises:
        DataError: the model is of a type whose vocabulary cannot be cut.
    """
    used: set[int] = set()
    for start in range(0, len(texts), 1024):
        for encoding in loaded.encode_batch_fast(list(texts[start : start + 1024]), add_special_tokens=False):
            used.update(encoding.ids)
    result = copy.deepcopy(tokenizer)
    model = result["model"]
    kind = model.get("type") or ("BPE" if "merges" in model else "WordPiece")
    if kind in ("WordPiece", "WordLevel"):
        prefix = model.get("continuing_subword_prefix", "") if kind == "WordPiece" else None
        keep = used | {i for piece, i in model["vocab"].items() if prefix is not None and _is_character(piece, prefix)}
        keep |= _unknown(model)
        model["vocab"], old = _renumbered(model["vocab"], keep)
    elif kind == "BPE":
        keep = used | {i for piece, i in model["vocab"].items() if len(piece) == 1} | _unknown(model)
        if model.get("byte_fallback"):
            keep |= {i for piece, i in model["vocab"].items() if len(piece) == 6 and piece.startswith("<0x")}
        model["merges"], keep = _merges(model, keep)
        model["vocab"], old = _renumbered(model["vocab"], keep)
    elif kind == "Unigram":
        pieces = model["vocab"]
        keep = used | {i for i, (piece, _) in enumerate(pieces) if len(piece) == 1}
        if model.get("byte_fallback"):
            keep |= {i for i, (piece, _) in enumerate(pieces) if len(piece) == 6 and piece.startswith("<0x")}
        if model.get("unk_id") is not None:
            keep.add(model["unk_id"])
        old = sorted(keep)
        model["vocab"] = [pieces[i] for i in old]
        if model.get("unk_id") is not None:
            model["unk_id"] = old.index(model["unk_id"])
    else:
        raise DataError(
            f"cannot prune the vocabulary of a tokenizer of type '{kind}'; known: WordPiece, WordLevel, BPE, Unigram"
        )
    return Pruned(result, np.asarray(old, dtype=np.int64), np.isin(old, list(used)))


def _is_character(piece: str, prefix: str) -> bool:
    return len(piece) == 1 or (len(piece) == len(prefix) + 1 and piece.startswith(prefix))


def _unknown(model: Json) -> set[int]:
    token = model.get("unk_token")
    return {model["vocab"][token]} if token is not None and token in model["vocab"] else set()


def _renumbered(vocabulary: dict[str, int], keep: set[int]) -> tuple[dict[str, int], list[int]]:
    kept = sorted((i, piece) for piece, i in vocabulary.items() if i in keep)
    return {piece: new for new, (_, piece) in enumerate(kept)}, [i for i, _ in kept]


def _merges(model: Json, keep: set[int]) -> tuple[list[Any], set[int]]:
    """The merges that build the kept pieces, and the kept pieces with all that those are built from."""
    vocabulary: dict[str, int] = model["vocab"]
    parts: dict[int, list[tuple[int, int]]] = {}
    pairs = []
    prefix = model.get("continuing_subword_prefix") or ""
    for merge in model["merges"]:
        left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
        ids = vocabulary[left], vocabulary[right]
        made = vocabulary[left + right.removeprefix(prefix)]
        pairs.append((merge, made))
        parts.setdefault(made, []).append(ids)
    grown, open_ids = set(keep), list(keep)
    while open_ids:
        for pair in parts.get(open_ids.pop(), ()):
            new = set(pair) - grown
            grown |= new
            open_ids += new
    return [merge for merge, made in pairs if made in grown], grown
