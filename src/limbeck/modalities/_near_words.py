"""Which words a teacher holds for near each other. Knows a tokenizer's vocabulary and its embeddings; knows nothing of views or models.

Letters: V pieces of the vocabulary, D width, W whole words among the pieces, U words of the texts, K nearest ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"(?<![\w'])[^\W\d_]{2,}(?![\w'])")
"""A run of letters that is no part of a contraction, a number or an identifier."""

_MOST_WORDS = 20_000  # the most frequent words of the texts; rarer ones would cost more time than they are worth
_AT_ONCE = 2**24  # cosines, which is 64 MB

NearWords = Mapping[str, tuple[str, ...]]


def near_words(
    tokenizer: Any, embeddings_VD: NDArray[np.float32], texts: Sequence[str], *, most: int = 10, least: float = 0.35
) -> NearWords:
    """For each word of the texts that is one piece of the vocabulary: the words whose embeddings lie nearest, nearest first.

    Similarity is the cosine of the embeddings less their mean: without that, all pieces of a trained table resemble each other
    (Mu and Viswanath 2018, All-but-the-Top, section 2). A tokenizer whose pieces cannot be read as words has no near words.

    Args:
        tokenizer: of the tokenizers library, without special tokens.
        embeddings_VD: one row for each piece, such as a teacher's token embeddings.
        texts: whose words are looked up, in lower case.
        most: neighbours of a word.
        least: smallest cosine of a neighbour.
    """
    pieces = sorted(tokenizer.get_vocab().values())
    spelled = [word.strip() for word in tokenizer.decode_batch([[i] for i in pieces])]
    lower = {word for word in spelled if WORD.fullmatch(word) and word == word.lower()}
    id_of = _single_pieces(tokenizer, sorted(lower))
    words_W = list(id_of)
    counts = Counter(word for text in texts for word in WORD.findall(text.lower()))
    wanted_U = [word for word, _ in counts.most_common(_MOST_WORDS) if word in id_of]
    if not wanted_U:
        return {}
    vectors_VD = embeddings_VD - embeddings_VD.mean(axis=0)
    vectors_VD /= np.linalg.norm(vectors_VD, axis=1, keepdims=True).clip(1e-8)
    vectors_WD = vectors_VD[[id_of[word] for word in words_W]]
    found: dict[str, tuple[str, ...]] = {}
    block = max(1, _AT_ONCE // len(words_W))
    for start in range(0, len(wanted_U), block):
        part = wanted_U[start : start + block]
        cosine_UW = vectors_VD[[id_of[word] for word in part]] @ vectors_WD.T
        kept = min(most + 1, len(words_W))  # the word itself is among them
        nearest_UK = np.argpartition(cosine_UW, len(words_W) - kept, axis=1)[:, len(words_W) - kept :]
        for word, nearest_K, cosine_W in zip(part, nearest_UK, cosine_UW, strict=True):
            ordered = sorted(nearest_K, key=lambda i: (-cosine_W[i], i))
            near = [words_W[i] for i in ordered if cosine_W[i] >= least and words_W[i] != word]
            if near:
                found[word] = tuple(near)
    return found


def _single_pieces(tokenizer: Any, words: Sequence[str]) -> dict[str, int]:
    """The words that the tokenizer spells with one piece, each with its id."""
    encoded = tokenizer.encode_batch_fast([f" {word}" for word in words], add_special_tokens=False)
    return {word: e.ids[0] for word, e in zip(words, encoded, strict=True) if len(e.ids) == 1}
