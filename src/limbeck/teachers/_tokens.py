"""Texts to padded ids by a tokenizer.json as it stands. Knows the tokenizers library; knows no model.

Letters: B texts, T positions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import TeacherError
from limbeck.text import readable
from limbeck.types import Json, digest

IDS, MASK, TYPES = ("input_ids", "ids"), ("attention_mask", "mask"), ("token_type_ids",)
"""What models call these inputs."""


class Tokens:
    """A tokenizer with its own special tokens around each text, cut to `max_tokens`.

    Raises:
        TeacherError: there is none, or it cannot be read.
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        try:
            content: Json = json.loads(path.read_text(encoding="utf-8"))
            self.content: Json = {**content, "truncation": None, "padding": None}
            self._tokenizer = Tokenizer.from_str(json.dumps(self.content))
        except Exception as error:  # the library raises bare Exception
            raise TeacherError(f"teacher.tokenizer: {path} cannot be read: {error!s:.200}. Give a tokenizer.json.") from error
        padding = content.get("padding") or {}
        self._pad = int(
            padding.get("pad_id", self._tokenizer.token_to_id("[PAD]") or self._tokenizer.token_to_id("<pad>") or 0)
        )
        self._tokenizer.enable_truncation(max_tokens)
        self.max_tokens = max_tokens

    def __call__(self, texts: Sequence[Any]) -> dict[str, NDArray[np.int64]]:
        """`input_ids`, `attention_mask` and `token_type_ids`, (B, T), T at least 1."""
        encoded = self._tokenizer.encode_batch([readable(text, self.max_tokens) for text in texts])
        longest = max(1, *(len(e.ids) for e in encoded))
        ids_BT = np.full((len(texts), longest), self._pad, np.int64)
        mask_BT = np.zeros(ids_BT.shape, np.int64)
        for row, e in enumerate(encoded):
            ids_BT[row, : len(e.ids)] = e.ids
            mask_BT[row, : len(e.ids)] = 1
        return {"input_ids": ids_BT, "attention_mask": mask_BT, "token_type_ids": np.zeros_like(ids_BT)}

    def fingerprint(self) -> str:
        """Of its content and the longest input."""
        return digest([self.content, self.max_tokens])


def named(arrays: dict[str, Any], wanted: Sequence[str], where: str) -> dict[str, Any]:
    """The arrays under the names that a model gives its inputs.

    Raises:
        TeacherError: it has an input that is none of these.
    """
    alias = {name: names[0] for names in (IDS, MASK, TYPES) for name in names}
    if unknown := [name for name in wanted if name not in alias]:
        raise TeacherError(
            f"{where} has the input '{unknown[0]}', which nothing made of a text fits; known are {', '.join(alias)}, or one input of strings."
        )
    return {name: arrays[alias[name]] for name in wanted}
