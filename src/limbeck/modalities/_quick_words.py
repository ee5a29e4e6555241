"""The ids of one plain text, without the tokenizers library where all its words are pieces. Knows WordPiece as BERT has it; nothing else.

For a text of a dozen words the library takes as long as a bag's network: it normalises, splits and looks up characters one by one, and
its code has left the processor's caches when the next query comes. On printable ASCII BERT's normalizer is `lower`, its pre-tokenizer
cuts at spaces and makes a word of each sign, and a word that is a piece is that piece (the longest match comes first). Any other word is asked of
the library, any other text as a whole, so the ids are the library's own. Nothing of a text is kept.

Source: Schuster and Nakajima (2012), Japanese and Korean voice search, section 3, for WordPiece; what BERT does before it stands in the
tokenizers library, normalizers/bert.rs and pre_tokenizers/bert.rs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import cast

from limbeck.types import Json

_WORD = re.compile(r"[0-9A-Za-z]+|[!-/:-@\[-`{-~]")


class QuickWords:
    """Ids of plain texts.

    Args:
        tokenizer: the content of a `tokenizer.json`.
        ids: what the library says of a text or a word.

    Example:
        >>> model = {"type": "WordPiece", "vocab": {"[UNK]": 0, "hi": 1, "!": 2}, "max_input_chars_per_word": 100}
        >>> bert = {"normalizer": {"type": "BertNormalizer", "lowercase": True}, "pre_tokenizer": {"type": "BertPreTokenizer"}}
        >>> QuickWords({**bert, "model": model}, lambda text: [0])("Hi  there!")
        [1, 0, 2]
    """

    def __init__(self, tokenizer: Json, ids: Callable[[str], Sequence[int]]) -> None:
        self._ids = ids
        model, normalizer = tokenizer["model"], tokenizer.get("normalizer") or {}
        self._lower = bool(normalizer.get("lowercase"))
        self._piece: dict[str, int] = {}
        if (
            model.get("type") == "WordPiece"
            and normalizer.get("type") == "BertNormalizer"
            and (tokenizer.get("pre_tokenizer") or {}).get("type") == "BertPreTokenizer"
            and not tokenizer.get("added_tokens")
        ):
            longest = model.get("max_input_chars_per_word", 100)
            self._piece = {w: i for w, i in model["vocab"].items() if len(w) <= longest and _WORD.fullmatch(w)}

    def __call__(self, text: str) -> Sequence[int]:
        """The ids of a text, without special tokens."""
        if not (self._piece and text.isascii() and text.isprintable()):
            return self._ids(text)
        words = _WORD.findall(text.lower() if self._lower else text)
        pieces = [self._piece.get(word) for word in words]
        if None not in pieces:
            return cast("list[int]", pieces)
        return [i for w, p in zip(words, pieces, strict=True) for i in (self._ids(w) if p is None else (p,))]
