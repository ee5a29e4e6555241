"""Whether a teacher's tokenizer reads the user's texts. Knows tokenizers and tables of embeddings; knows no answers.

Letters: V rows of the table, D its width.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from limbeck.findings import Finding, refusal, warning
from limbeck.types import Json

UNKNOWN, AVOIDABLE, PIECES, CUT = 0.02, 0.003, 3.5, 0.05
"""Limits: the share of unknown tokens, and of those that another way of writing makes known; pieces a word; the share of texts that are cut."""
MOST = 2000
"""Texts that are read."""
_WORD = re.compile(r"\w+")
_SPACED = re.compile(r"[^\W\d_]")
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_PAIRS = 50


@dataclass(frozen=True, slots=True)
class Normalisation:
    """A way in which texts may have been written when a model was trained."""

    name: str
    apply: Callable[[str], str]


def without_accents(text: str) -> str:
    """Letters without the signs above and below them."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


NORMALISATIONS = (Normalisation("small letters", str.lower), Normalisation("letters without accents", without_accents))


class Reader:
    """A tokenizer as it reads texts, without special tokens and without a limit.

    Args:
        tokenizer: the content of tokenizer.json.
    """

    def __init__(self, tokenizer: Json) -> None:
        self._tokenizer = Tokenizer.from_str(json.dumps({**tokenizer, "truncation": None, "padding": None}))
        model = tokenizer["model"]
        name = model.get("unk_token")
        self._unknown = model.get("unk_id") if model.get("type") == "Unigram" else self._tokenizer.token_to_id(name or "")
        # Signs that were added behind the pieces, such as an unused [MASK], need no embedding as long as no text has them.
        self.vocabulary: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=False)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        return [e.ids for e in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def unknown(self, texts: Sequence[str]) -> float:
        """The share of unknown tokens among all."""
        ids = [i for of in self.ids(texts) for i in of]
        return sum(i == self._unknown for i in ids) / len(ids) if ids else 0.0


def reading_findings(tokenizer: Json, table_VD: NDArray[Any], max_tokens: int, texts: Sequence[str]) -> Iterator[Finding]:
    """What the tokenizer does to these texts, and whether it is that of the table.

    Args:
        tokenizer: the content of the teacher's tokenizer.json.
        table_VD: its embeddings.
        max_tokens: the longest input, special tokens included.
        texts: of the user's.
    """
    reader, texts = Reader(tokenizer), [t.encode("utf-8", "replace").decode() for t in texts[:MOST]]
    yield from _table(reader, table_VD)
    if not texts:
        return
    ids = reader.ids(texts)
    yield from _unknown(reader, texts)
    yield from _pieces(ids, texts)
    longest = max_tokens - 2  # one special token on each side, with nearly all tokenizers
    cut = sum(len(of) > longest for of in ids)
    if cut > CUT * len(texts):
        median = int(np.median([len(of) for of in ids if len(of) > longest]))
        yield warning(
            "texts_cut",
            "Many texts are longer than what the teacher is given.",
            f"{cut:,} of {len(texts):,} texts ({cut / len(texts):.1%}) have more than {longest} tokens; half of these have {median} or more, and the rest is cut off.",
            "Raise teacher.max_tokens as far as the teacher can read, or give the part of the text that matters.",
        )


def _table(reader: Reader, table_VD: NDArray[Any]) -> Iterator[Finding]:
    """Whether ids and rows belong to one another, by their numbers and by what similar words look like."""
    needed, rows = max(reader.vocabulary.values()) + 1, len(table_VD)
    other = "Give the tokenizer that the model was trained with (the files tokenizer.json and vocab of its own folder)."
    if needed > rows:
        yield refusal(
            "tokenizer_of_another_model",
            "The tokenizer gives ids that the teacher has no embedding for.",
            f"Ids go up to {needed - 1:,}, the table has {rows:,} rows.",
            other,
        )
        return
    if rows - needed > max(1024, 0.05 * rows):
        yield warning(
            "tokenizer_of_another_model",
            "The tokenizer knows far fewer pieces than the teacher has embeddings.",
            f"It has {needed:,} ids, the table {rows:,} rows.",
            other,
        )
        return
    if (kin := kinship(reader.vocabulary, table_VD)) is not None and kin.unrelated:
        yield warning(
            "tokenizer_of_another_model",
            "Words that differ by an ending have embeddings as different as any: the tokenizer seems to be that of another model.",
            f"{kin.pairs:,} pairs such as '{kin.example[0]}' and '{kin.example[1]}' have a mean cosine of {kin.related:.3f}, random pairs {kin.random:.3f}.",
            other,
        )


@dataclass(frozen=True, slots=True)
class Kinship:
    """How near embeddings of words lie that differ by an ending: mean cosines of such pairs and of random ones."""

    pairs: int
    related: float
    random: float
    spread: float
    structured: bool
    example: tuple[str, str]

    @property
    def unrelated(self) -> bool:
        """Whether the pairs are no nearer than chance, in a table that has learned something."""
        return self.structured and self.related < self.random + 0.3 * self.spread


def kinship(vocabulary: dict[str, int], table_VD: NDArray[Any]) -> Kinship | None:
    """The kinship of words and their forms with s or ed behind; None where the vocabulary has too few."""
    found = [
        (word, word + ending)
        for word in vocabulary
        for ending in ("s", "ed")
        if len(word) >= 4 and word.isascii() and word[1:].isalpha() and word + ending in vocabulary
    ]
    if len(found) < _PAIRS:
        return None
    found = sorted(found)[:: max(1, len(found) // 1000)]
    dice = np.random.default_rng(0)
    first, second = (np.array([vocabulary[pair[side]] for pair in found]) for side in (0, 1))
    shuffled = dice.permutation(second)
    table = np.asarray(table_VD, dtype=np.float64)

    def cosines(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
        lengths = np.linalg.norm(table[a], axis=1) * np.linalg.norm(table[b], axis=1)
        return np.asarray((table[a] * table[b]).sum(axis=1) / np.maximum(lengths, 1e-12))

    random = cosines(first, shuffled)
    # Rows that were drawn by dice are of nearly equal length, to one part in sqrt(2 D); rows that have learned are not.
    lengths = np.linalg.norm(table[np.concatenate([first, second])], axis=1)
    structured = bool(lengths.std() / lengths.mean() > 3 / (2 * table.shape[1]) ** 0.5)
    return Kinship(
        len(found), float(cosines(first, second).mean()), float(random.mean()), float(random.std()), structured, found[0]
    )


def _unknown(reader: Reader, texts: Sequence[str]) -> Iterator[Finding]:
    share = reader.unknown(texts)
    if share <= AVOIDABLE:
        return
    for way in NORMALISATIONS:
        then = reader.unknown([way.apply(t) for t in texts])
        if then < share / 2 and share - then > AVOIDABLE:
            yield warning(
                "normalisation",
                f"The tokenizer expects {way.name}, and does not make them itself.",
                f"{share:.1%} of the tokens are unknown to it; written in {way.name}, {then:.1%} are.",
                "Set the tokenizer as it was when the teacher was trained (do_lower_case, strip_accents: the normalizer in tokenizer.json).",
            )
            return
    if share <= UNKNOWN:
        return
    yield warning(
        "unknown_tokens",
        "The tokenizer does not know much of the texts.",
        f"{share:.1%} of the tokens are unknown to it: the teacher sees the same sign for all of them.",
        "Is it the teacher's own tokenizer, and does the teacher know this language and these signs?",
    )


def _pieces(ids: Sequence[Sequence[int]], texts: Sequence[str]) -> Iterator[Finding]:
    spaced = [
        (len(of), len(_WORD.findall(t)))
        for of, t in zip(ids, texts, strict=True)
        if _SPACED.search(t) and not UNSPACED.search(t)
    ]
    words = sum(n for _, n in spaced)
    if words < 50:
        return
    each = sum(n for n, _ in spaced) / words
    if each > PIECES:
        yield warning(
            "words_in_pieces",
            "The tokenizer cuts the words into small pieces.",
            f"{each:.1f} pieces a word, where a tokenizer for the language needs 1 to 2.",
            "It was made for another language, or for another kind of text. A teacher of this language will be better and quicker.",
        )
