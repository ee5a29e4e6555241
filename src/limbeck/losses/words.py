"""States of tokens to states of words. Knows numbers of words; knows nothing of texts or tokenizers.

Letters: B examples, T tokens, W words, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from limbeck.losses.precision import at_least_float32


def mean_by_word(hidden_BTD: Tensor, words_BT: Tensor, words: int) -> tuple[Tensor, Tensor]:
    """The mean state of each word's tokens, and which words have any.

    Args:
        hidden_BTD: a state for each token, (B, T, D).
        words_BT: the number of each token's word, int64, (B, T); tokens of no word (negative) and of word `words` or later do not count.
        words: W, how many words are looked at.

    Returns:
        hidden_BWD: (B, W, D), zeros for a word without tokens; mask_BW: (B, W), 1 where the word has tokens, else 0. Both float32
        (float64 for float64 input).

    Example:
        >>> mean, mask = mean_by_word(torch.tensor([[[9.0], [1.0], [3.0]]]), torch.tensor([[-1, 0, 0]]), words=2)
        >>> mean.tolist(), mask.tolist()
        ([[[2.0], [0.0]]], [[1.0, 0.0]])
    """
    hidden_BTD = at_least_float32(hidden_BTD)
    # A product with a matrix of ones and zeros adds in the same order every time, on every device; scatter_add does not.
    belongs_BWT = (words_BT.unsqueeze(1) == torch.arange(words, device=words_BT.device)[:, None]).to(hidden_BTD.dtype)
    count_BW1 = belongs_BWT.sum(-1, keepdim=True)
    return (belongs_BWT / count_BW1.clamp_min(1.0)) @ hidden_BTD, (count_BW1.squeeze(-1) > 0).to(hidden_BTD.dtype)
