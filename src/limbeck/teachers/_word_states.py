"""A teacher's states word by word. Knows states and words' numbers; knows nothing of models, tokenizers or stores.

Letters: N texts asked for, b of them in a batch, T tokens, W words, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.losses.words import mean_by_word
from limbeck.text import word_of

BY_WORD = frozenset({"hidden_BWD", "mask_BW"})
"""The fields of `Signal` that go by word."""


def numbered(offsets: Sequence[Sequence[tuple[int, int]]], texts: Sequence[str]) -> list[NDArray[np.int64]]:
    """The number of each token's word, (T,) for each text."""
    return [np.asarray(word_of(own, text), dtype=np.int64) for own, text in zip(offsets, texts, strict=True)]


class WordStates:
    """Collects the states of batches, in any order, as hidden_BWD and mask_BW of all texts; W is the most words that any of them has.

    Args:
        words: the number of each token's word, (T,) for each of the N texts.

    Example:
        >>> states = WordStates([np.array([-1, 0, 0])])
        >>> states.add([0], torch.tensor([[[9.0], [1.0], [3.0]]]))
        >>> states.fields(BY_WORD)["hidden_BWD"].tolist()
        [[[2.0]]]
    """

    def __init__(self, words: Sequence[NDArray[np.int64]]) -> None:
        self._words = words
        most = max((int(own.max(initial=-1)) + 1 for own in words), default=0)
        self._mask_NW = np.zeros((len(words), max(1, most)), dtype=np.float32)
        self._hidden_NWD: NDArray[np.float32] | None = None  # its width is known with the first states

    def add(self, rows: Sequence[int], hidden_bTD: Tensor) -> None:
        """The states of some of the texts, by their numbers; (b, T, D), T at least that of each of them."""
        words_bT = torch.full(hidden_bTD.shape[:2], -1, dtype=torch.int64)
        for line, row in enumerate(rows):
            words_bT[line, : len(self._words[row])] = torch.from_numpy(self._words[row])
        most = int(words_bT.max()) + 1  # shorter texts need not be padded to the longest of all
        hidden_bWD, mask_bW = mean_by_word(hidden_bTD, words_bT.to(hidden_bTD.device), most)
        if self._hidden_NWD is None:
            self._hidden_NWD = np.zeros((*self._mask_NW.shape, hidden_bTD.shape[-1]), dtype=np.float32)
        self._hidden_NWD[rows, :most] = hidden_bWD.float().cpu().numpy()
        self._mask_NW[rows, :most] = mask_bW.cpu().numpy()

    def fields(self, needs: frozenset[str]) -> dict[str, NDArray[np.float32]]:
        """Those of the two fields that are needed."""
        assert self._hidden_NWD is not None, "no states were added"
        found = {"hidden_BWD": self._hidden_NWD, "mask_BW": self._mask_NW}
        return {name: value for name, value in found.items() if name in needs}
