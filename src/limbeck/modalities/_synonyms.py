"""Which words stand in the same places in a set of texts. Knows strings; knows nothing of tokenizers, models or views.

Letters: U words that are compared, K contexts, R numbers that are kept of each word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from limbeck.modalities._near_words import WORD, NearWords

_TOKEN = re.compile(r"[\w']+")
_MOST_TEXTS = 100_000  # evenly spread over all; more would not change much and cost seconds
_MOST_WORDS, _MOST_CONTEXTS = 2_000, 5_000
_SMOOTHING = 0.75  # of the contexts' frequencies, so that rare contexts do not rule (Levy et al. 2015, section 3.2)
_RANK = 100


def synonyms(texts: Sequence[str], *, least_count: int = 5, most: int = 10, least: float = 0.4) -> NearWords:
    """For each frequent word of the texts: the words that stand between the same neighbours, likest first.

    A word's contexts are the word before it and the word behind it, each with its side, and the text's start and end. Their counts
    become positive pointwise mutual information, of which the strongest singular directions are kept; likeness is the cosine there.
    Such words fit into the same gap ("want", "need", "prefer"; "monday", "friday"), so they may mean something else.

    Args:
        texts: the user's own, in any case.
        least_count: how often a word must occur to be compared, or to be a context.
        most: synonyms of a word.
        least: smallest cosine of a synonym.

    Source: Levy, Goldberg, Dagan (2015), Improving Distributional Similarity with Lessons Learned from Word Embeddings, section 2.

    Example:
        >>> texts = [f"{ask} {thing} came {when}" for ask in ("the", "my", "a") for thing in ("lamp", "cup") for when in ("late", "today")]
        >>> synonyms(texts)["lamp"]
        ('cup',)
    """
    chosen = texts[:: -(-len(texts) // _MOST_TEXTS) or 1]
    sequences = [_TOKEN.findall(text.lower()) for text in chosen]
    counts = Counter(word for sequence in sequences for word in sequence)
    words_U = [word for word, n in counts.most_common() if n >= least_count and WORD.fullmatch(word)][:_MOST_WORDS]
    if len(words_U) < 2:
        return {}
    vectors_UR = _vectors(_counted(sequences, words_U, {word for word, n in counts.items() if n >= least_count}))
    # Rounded, so that the last bits of a sum, which other machines add otherwise, decide no order.
    cosine_UU = np.round(vectors_UR @ vectors_UR.T, 4)
    np.fill_diagonal(cosine_UU, -1.0)
    likest_UK = np.argsort(-cosine_UU, axis=1, kind="stable")[:, :most]
    found: dict[str, tuple[str, ...]] = {}
    for word, likest_K, cosine_U in zip(words_U, likest_UK, cosine_UU, strict=True):
        if like := tuple(words_U[i] for i in likest_K if cosine_U[i] >= least):
            found[word] = like
    return found


def _counted(sequences: Sequence[Sequence[str]], words_U: Sequence[str], known: set[str]) -> NDArray[np.float64]:
    """How often each word stands in each context, (U, K)."""
    row_of = {word: row for row, word in enumerate(words_U)}
    pairs: Counter[tuple[int, tuple[str, str]]] = Counter()
    for sequence in sequences:
        framed = ["^", *sequence, "$"]
        for place, word in enumerate(sequence, 1):
            if (row := row_of.get(word)) is not None:
                for side, neighbour in (("before", framed[place - 1]), ("behind", framed[place + 1])):
                    if neighbour in known or neighbour in ("^", "$"):
                        pairs[row, (side, neighbour)] += 1
    totals = Counter[tuple[str, str]]()
    for (_, context), n in pairs.items():
        totals[context] += n
    column_of = {context: column for column, (context, _) in enumerate(totals.most_common(_MOST_CONTEXTS))}
    counts_UK = np.zeros((len(words_U), max(1, len(column_of))))
    for (row, context), n in pairs.items():
        if context in column_of:
            counts_UK[row, column_of[context]] = n
    return counts_UK


def _vectors(counts_UK: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors (U, R) of positive pointwise mutual information; zeros for a word without contexts."""
    word_U1 = counts_UK.sum(1, keepdims=True).clip(1e-12)
    context_K = counts_UK.sum(0) ** _SMOOTHING
    context_K /= context_K.sum().clip(1e-12)
    with np.errstate(divide="ignore"):
        information_UK = np.log(counts_UK / word_U1 / context_K.clip(1e-12)).clip(0.0)
    # The singular vectors on the side of the words, by the smaller of the two products.
    values_U, directions_UU = np.linalg.eigh(information_UK @ information_UK.T)
    strongest = np.argsort(-values_U)[:_RANK]
    vectors_UR = directions_UU[:, strongest] * values_U[strongest].clip(0.0) ** 0.25  # the root of the singular value
    unit_UR: NDArray[np.float64] = vectors_UR / np.linalg.norm(vectors_UR, axis=1, keepdims=True).clip(1e-8)
    return unit_UR
