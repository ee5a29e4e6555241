"""A tokenizer over fewer pieces. Knows the files of the tokenizers library (WordPiece, BPE, Unigram, WordLevel); nothing of models.

Pieces kept: those that a set of texts uses, and whatever else it takes that no text gets an unknown token where the full
tokenizer reads it. What that is depends on how a kind of tokenizer spells a word whose own piece is gone:

    WordPiece   greedily, from its smaller pieces: every character, at the start of a word and behind it
    BPE         from its characters, which it merges: every character
    Unigram     on the best way through all pieces: every character
    WordLevel   not at all: every word

A character that a vocabulary holds only inside larger pieces gets a piece of its own. Special tokens are no text: their ids lie
behind those of all pieces, so no text can spell one.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import DataError
from limbeck.types import Json

_UNKNOWN_PENALTY = 10.0  # how far below the worst piece a Unigram model of the tokenizers library puts an unknown character


@dataclass(frozen=True, slots=True)
class Template:
    """The ids of the special tokens that a tokenizer puts before and after a single text."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Pruned:
    """A smaller tokenizer, and the special ids around its texts.

    old_ids_V: the id of each piece in the full one. used_V: whether at least `min_count` of the texts use it; the pieces that
    they do not use may share one row of a student's table.
    """

    tokenizer: Json
    template: Template
    old_ids_V: NDArray[np.int64]
    used_V: NDArray[np.bool_]

    @property
    def identity(self) -> str:
        """The sha256 (hex) of what a student depends on beside the modality's spec."""
        return hashlib.sha256(self.used_V.tobytes()).hexdigest()

    def arguments(self, origin: Any | None) -> Json:
        """What a student is made from, by the names of its arguments; None: it starts from chance."""
        start = None if origin is None else origin.start(self.old_ids_V)
        return {"pieces": len(self.used_V), "start": start, "used_V": self.used_V}


def bare(tokenizer: Json) -> Json:
    """The tokenizer without truncation, padding, special-token template and added tokens.

    A customer who types "[SEP]" writes five characters.
    """
    result = dict(tokenizer)
    result.update(truncation=None, padding=None, post_processor=None, added_tokens=[])
    for part, empty in (("version", "1.0"), ("normalizer", None), ("pre_tokenizer", None), ("decoder", None)):
        result.setdefault(part, empty)
    return result


def template(tokenizer: Json) -> Template:
    """What its post-processor puts around a single text: TemplateProcessing, BertProcessing, RobertaProcessing or none of them."""
    for processor in _processors(tokenizer.get("post_processor")):
        if processor["type"] in ("BertProcessing", "RobertaProcessing"):
            return Template((int(processor["cls"][1]),), (int(processor["sep"][1]),))
        if processor["type"] == "TemplateProcessing":
            sides: tuple[list[int], list[int]] = ([], [])
            behind = 0
            for part in processor["single"]:
                if "Sequence" in part:
                    behind = 1
                else:
                    sides[behind].extend(processor["special_tokens"][part["SpecialToken"]["id"]]["ids"])
            return Template(tuple(sides[0]), tuple(sides[1]))
    return Template()


def special_ids(tokenizer: Json) -> frozenset[int]:
    """The ids of its special tokens, which are no pieces of any text."""
    return frozenset(int(token["id"]) for token in tokenizer.get("added_tokens") or () if token.get("special"))


def pruned(
    tokenizer: Json,
    loaded: Any,
    texts: Sequence[str],
    *,
    around: Template,
    special: frozenset[int],
    min_count: int,
) -> Pruned:
    """The bare tokenizer over the pieces that `texts` use and those that keep every other text readable.

    Args:
        tokenizer: the bare tokenizer, parsed.
        loaded: the same, loaded.
        texts: whose pieces all stay.
        around: the special ids that the student will see around a text, in the full numbering.
        special: ids of all special tokens.
        min_count: pieces in fewer of the texts than this count as unused.

    Raises:
        DataError: the model is of a type whose vocabulary cannot be cut.
    """
    texts_with: Counter[int] = Counter()
    for start in range(0, len(texts), 1024):
        for encoding in loaded.encode_batch_fast(list(texts[start : start + 1024]), add_special_tokens=False):
            texts_with.update(set(encoding.ids))
    result = copy.deepcopy(tokenizer)
    model = result["model"]
    kind = model.get("type") or ("BPE" if "merges" in model else "WordPiece")
    if kind not in _CUTS:
        raise DataError(f"cannot prune the vocabulary of a tokenizer of type '{kind}'; known: {', '.join(_CUTS)}")
    old = _CUTS[kind](model, set(texts_with), special)
    used_V = [texts_with[i] >= min_count for i in old]
    # Unused pieces first: then a student's row is a difference of ids, and its file needs no table of them.
    order = sorted(range(len(old)), key=used_V.__getitem__)
    _reorder(model, order)
    old = [old[place] for place in order]
    fresh = dict.fromkeys([*around.before, *around.after])
    new_id = {i: len(old) + place for place, i in enumerate(fresh)}
    return Pruned(
        result,
        Template(tuple(new_id[i] for i in around.before), tuple(new_id[i] for i in around.after)),
        np.asarray([*old, *fresh], dtype=np.int64),
        np.asarray([*(used_V[place] for place in order), *(True for _ in fresh)], dtype=bool),
    )


# --- how each kind is cut: the model is changed in place, and the old id of each of its new pieces is returned -------------


def _cut_wordlevel(model: Json, used: set[int], special: frozenset[int]) -> list[int]:
    keep = (set(model["vocab"].values()) - special) | used | _unknown(model)
    model["vocab"], old = _renumbered(model["vocab"], keep)
    return old


def _cut_wordpiece(model: Json, used: set[int], special: frozenset[int]) -> list[int]:
    prefix = model.get("continuing_subword_prefix", "")
    vocabulary: dict[str, int] = model["vocab"]
    texts_own = [piece for piece, i in vocabulary.items() if i not in special and piece != model.get("unk_token")]
    characters = {c for piece in texts_own for c in _characters(piece, prefix)}
    keep = used | _unknown(model) | {vocabulary[c] for c in characters if c in vocabulary}
    model["vocab"], old = _renumbered(vocabulary, keep)
    unknown = min(_unknown(model), default=0)
    for missing in sorted(characters - set(vocabulary)):
        model["vocab"][missing] = len(old)
        old.append(old[unknown])
    return old


def _cut_bpe(model: Json, used: set[int], special: frozenset[int]) -> list[int]:
    del special  # nothing of several characters is kept that no text uses
    prefix, suffix = model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""
    keep = {i for piece, i in model["vocab"].items() if len(piece.removeprefix(prefix).removesuffix(suffix)) == 1}
    if model.get("ignore_merges"):  # a word with a piece of its own is read even if one of its characters is not
        keep |= {i for piece, i in model["vocab"].items() if any(letter not in model["vocab"] for letter in piece)}
    keep |= used | _unknown(model) | _bytes(model, model["vocab"].items())
    model["merges"], keep = _merges(model, keep)
    model["vocab"], old = _renumbered(model["vocab"], keep)
    return old


def _cut_unigram(model: Json, used: set[int], special: frozenset[int]) -> list[int]:
    pieces: list[list[Any]] = model["vocab"]
    unknown = set() if model.get("unk_id") is None else {model["unk_id"]}
    texts_own = [(i, piece) for i, (piece, _) in enumerate(pieces) if i not in special | unknown]
    worst = min(range(len(pieces)), key=lambda i: pieces[i][1])
    keep = used | unknown | {i for i, piece in texts_own if len(piece) == 1}
    if spells_bytes := _bytes(model, ((piece, i) for i, (piece, _) in enumerate(pieces))):
        keep |= spells_bytes | {worst}  # the price of a character that is spelled by its bytes hangs on the worst piece's
    old = sorted(keep)
    model["vocab"] = [pieces[i] for i in old]
    if unknown:
        model["unk_id"] = old.index(model["unk_id"])
    if not spells_bytes:
        single = {piece for _, piece in texts_own if len(piece) == 1}
        # Priced as the unknown character that it was, so the way through every text that the full tokenizer reads stays the best.
        price = pieces[worst][1] - _UNKNOWN_PENALTY
        for missing in sorted({c for _, piece in texts_own for c in piece} - single):
            model["vocab"].append([missing, price])
            old.append(min(unknown, default=0))
    return old


_CUTS = {"WordPiece": _cut_wordpiece, "WordLevel": _cut_wordlevel, "BPE": _cut_bpe, "Unigram": _cut_unigram}


def _characters(piece: str, prefix: str) -> Iterator[str]:
    """The pieces of one character that spell a piece: each but the first of a word with the prefix of a continuation."""
    inside = bool(prefix) and piece.startswith(prefix) and len(piece) > len(prefix)
    letters = piece.removeprefix(prefix) if inside else piece
    for place, letter in enumerate(letters):
        yield prefix + letter if place or inside else letter


def _processors(processor: Json | None) -> Iterator[Json]:
    if processor is not None and processor["type"] == "Sequence":
        for part in processor["processors"]:
            yield from _processors(part)
    elif processor is not None:
        yield processor


def _bytes(model: Json, pieces: Any) -> set[int]:
    """The 256 pieces that spell any character by its bytes, where the model does so."""
    found = {i for piece, i in pieces if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")}
    return found if model.get("byte_fallback") and len(found) == 256 else set()


def _unknown(model: Json) -> set[int]:
    token = model.get("unk_token")
    return {model["vocab"][token]} if token is not None and token in model["vocab"] else set()


def _renumbered(vocabulary: dict[str, int], keep: set[int]) -> tuple[dict[str, int], list[int]]:
    kept = sorted((i, piece) for piece, i in vocabulary.items() if i in keep)
    return {piece: new for new, (_, piece) in enumerate(kept)}, [i for i, _ in kept]


def _reorder(model: Json, order: list[int]) -> None:
    """Number the pieces anew: the first is the one that was at `order[0]`."""
    if isinstance(model["vocab"], list):
        model["vocab"] = [model["vocab"][place] for place in order]
        if model.get("unk_id") is not None:
            model["unk_id"] = order.index(model["unk_id"])
        return
    piece_of = {i: piece for piece, i in model["vocab"].items()}
    model["vocab"] = {piece_of[place]: new for new, place in enumerate(order)}


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
