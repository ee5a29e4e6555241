"""Text to token ids, and a text's views. Knows strings and tokenizers; knows nothing of teachers, students or labels' meaning.

Letters: B examples of a batch, T positions. Truncation and padding belong to the spec, never to the tokenizer file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from limbeck.errors import DataError
from limbeck.modalities._near_words import NearWords, near_words
from limbeck.modalities._ngrams import NGrams
from limbeck.modalities._pruning import Pruned, Template, bare, pruned, special_ids, template
from limbeck.modalities._quick_words import QuickWords
from limbeck.modalities._synonyms import synonyms
from limbeck.modalities._text_spec import checked, listed, numbered
from limbeck.modalities._text_views import TextViews
from limbeck.text import Reading, clean, key_of, readable, word_of
from limbeck.types import Json, Record, View

_PLAIN = Reading()
_FEW = 64
"""Texts that are read one by one, which takes half of the library's time on one core; more are its threads' work."""
_GOLDEN = (
    "hello", "thank you very much", "WHERE IS IT?!", "I would like my money back, please.", "", "123 456", "ça va déjà 👍",
    "one two three four five six seven eight nine ten eleven twelve",
)  # fmt: skip
_WORDS = (
    "i", "would", "like", "to", "know", "where", "my", "order", "is", "and", "when", "it", "will", "be", "here", "please", "thank", "you",
)  # fmt: skip
_MOST_WORDS = 10_000


class Text:
    """Token ids of a text. No text can spell a special token; ids of special tokens stand around all texts or none.

    Args:
        tokenizer: the content of a `tokenizer.json` of the tokenizers library, parsed.
        max_tokens: longer texts are cut, so that they have so many with those around them.
        around: the ids before and after each text; `pruned` finds them.
        ngrams: as their spec says; their ids stand behind those of the text, begin behind the vocabulary, and `max_tokens` does not
            count them. None: there are none.

    Raises:
        DataError: the tokenizer cannot be read, or `max_tokens` leaves no room for a text.

    Example:
        >>> words = {"type": "WordLevel", "vocab": {"[UNK]": 0, "hello": 1}, "unk_token": "[UNK]"}
        >>> text = Text({"version": "1.0", "model": words}, max_tokens=4)
        >>> text.collate(text.encode(["hello"]))["ids"].tolist()
        [[1]]
    """

    def __init__(
        self,
        tokenizer: Json,
        max_tokens: int = 128,
        around: Template | None = None,
        ngrams: Json | None = None,
    ) -> None:
        self._tokenizer_json = bare(tokenizer)
        self._own_template, self._special = template(tokenizer), special_ids(tokenizer)
        self._around = around or Template()
        self.max_tokens = max_tokens
        self._room = max_tokens - len(self._around.before) - len(self._around.after)
        if self._room < 1:
            raise DataError(
                f"max_tokens is {max_tokens}, but {max_tokens - self._room} special tokens stand around each text. Raise it."
            )
        try:
            self._tokenizer = Tokenizer.from_str(json.dumps(self._tokenizer_json))
        except Exception as error:  # the library raises bare Exception
            raise DataError(f"the tokenizer cannot be read: {error}") from error
        try:
            self._ngrams = NGrams.from_spec(ngrams, self.vocabulary_size) if ngrams else NGrams()
        except ValueError as error:
            raise DataError(f"the unused ids of the n-grams cannot be read: {error}") from error
        self._quick = QuickWords(self._tokenizer_json, lambda text: self._tokenizer.encode(text, add_special_tokens=False).ids)

    column: ClassVar[str] = "text"
    noun: ClassVar[str] = "text"
    vocabulary: ClassVar[bool] = True
    suffixes: ClassVar[frozenset[str]] = frozenset()
    measure: ClassVar[tuple[str, str, str] | None] = ("text length", "character", "characters")
    golden: ClassVar[tuple[str, ...]] = _GOLDEN
    """Synthetic texts whose logits a bundle carries; never a customer's."""

    @classmethod
    def of(cls, origin: Any) -> Text:
        """This modality over the whole vocabulary of whoever lends it."""
        return cls(origin.tokenizer_json(), origin.max_tokens)

    @classmethod
    def payload(cls, value: Any, folder: Path) -> str:
        """A cell of a row as a payload: a text is one as it is.

        Raises:
            ValueError: it is none; the message says what came, and is empty where the cell is.
        """
        del folder
        if value is None or (isinstance(value, str) and not value.strip()):
            raise ValueError
        if not isinstance(value, str):
            raise ValueError(f"must hold text; got {type(value).__name__} {value!r:.40}")
        return value

    @classmethod
    def key(cls, payload: str) -> str:
        """Half of the sha256 of the folded text, so copies and near copies share it and stay together."""
        return key_of(payload)

    @classmethod
    def to_json(cls, payload: str) -> str:
        """A payload as JSON can carry it, and `encode` reads it."""
        return payload

    @classmethod
    def from_json(cls, value: Any) -> str:
        """A payload back from JSON that may come from a stranger."""
        found: str = value  # `encode` refuses what is no text
        return found

    @classmethod
    def as_sent(cls, payload: str) -> str:
        """A payload as a user sends it."""
        return payload

    @classmethod
    def stand_in(cls, payload: str, number: int) -> str:
        """A text of about as many words, which are limbeck's own: what has few blanks counts by its letters, six to a word.

        Example:
            >>> Text.stand_in("where is it?", 0)
            'i would like'
        """
        many = min(max(len(payload.split()), len(payload) // 6), _MOST_WORDS)
        return " ".join(_WORDS[(number + place) % len(_WORDS)] for place in range(many))

    @classmethod
    def received(cls, value: str) -> str:
        """A payload back from what a user sent."""
        return value

    @classmethod
    def work(cls, payload: str) -> float:
        """How many tokens it may have, roughly, for estimates of time."""
        return 2.0 * len(payload.split())

    @classmethod
    def tiny(cls) -> tuple[Text, list[str]]:
        """A very small instance and payloads of many kinds: what the contract tests use."""
        vocabulary = {"[UNK]": 0, **{c: i for i, c in enumerate("abcdehilorw?", 1)}}
        model: Json = {"type": "WordPiece", "vocab": vocabulary, "unk_token": "[UNK]", "continuing_subword_prefix": ""}
        model["max_input_chars_per_word"] = 100
        tokenizer = {"version": "1.0", "model": model, "pre_tokenizer": {"type": "Whitespace"}}
        texts = ["", " ", "hello world?", "👍", "\x00a\x00", "שלום", "\ud800b", "a " * 50_000, "w" * 100_000, "abc\nabc"]
        return cls(tokenizer, max_tokens=16), texts

    def with_special_tokens(self) -> Text:
        """This modality with the tokenizer's own special tokens around each text: what the tokenizer's model was trained to read."""
        return Text(self._tokenizer_json, self.max_tokens, self._own_template)

    @property
    def vocabulary_size(self) -> int:
        """Number of ids that `encode` can give; those of n-grams come behind them."""
        return max(int(self._tokenizer.get_vocab_size()), *(i + 1 for i in (*self._around.before, *self._around.after, -1)))

    def encode(self, payloads: Sequence[str]) -> list[NDArray[np.int64]]:
        """Token ids of each text, (T,), T at most `max_tokens`, then those of its n-grams; an empty text has none but those around it."""
        texts = [readable(p, self.max_tokens) for p in payloads]
        if len(texts) <= _FEW:
            return [self._array(self._quick(text)) for text in texts]
        return [self._array(e.ids) for e in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def _array(self, ids: Sequence[int]) -> NDArray[np.int64]:
        ids = ids[: self._room]
        return np.array([*self._around.before, *ids, *self._around.after, *self._ngrams.of(ids)], dtype=np.int64)

    def pieces(self, payloads: Sequence[str]) -> list[list[str] | None]:
        """The pieces of each text as strings, in the order of `encode`'s ids, without those around it and n-grams; None where it cannot
        read all."""
        model = self._tokenizer_json["model"]
        unknown = (
            model.get("unk_id") if model.get("type") == "Unigram" else self._tokenizer.token_to_id(model.get("unk_token") or "")
        )
        texts = [readable(p, self.max_tokens) for p in payloads]
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [None if unknown in e.ids else e.tokens[: self._room] for e in encoded]

    def words(self, payloads: Sequence[str]) -> list[NDArray[np.int64]]:
        """For each id that `encode` gives, (T,): the number of its word in the text (`limbeck.text.words`), -1 where it has none, as
        special tokens and n-grams have."""
        texts = [readable(p, self.max_tokens) for p in payloads]
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        before, after = [-1] * len(self._around.before), [-1] * len(self._around.after)
        found = []
        for e, text in zip(encoded, texts, strict=True):
            runs = [-1] * len(self._ngrams.of(e.ids[: self._room]))
            found.append(np.asarray([*before, *word_of(e.offsets[: self._room], text), *after, *runs], dtype=np.int64))
        return found

    def collate(self, encoded: Sequence[NDArray[np.int64]]) -> dict[str, NDArray[Any]]:
        """ids_BT (int64, 0 where padded) and mask_BT (float32, 1 where a token is), T at least 1."""
        longest = max((len(e) for e in encoded), default=0)
        if len(encoded) == 1 and longest:
            mask_BT = np.empty((1, longest), dtype=np.float32)
            mask_BT.fill(
                1.0
            )  # np.ones takes three times as long, and a bag's whole answer is not a hundred times as long as this
            return {"ids": encoded[0][None], "mask": mask_BT}
        ids_BT = np.zeros((len(encoded), max(1, longest)), dtype=np.int64)
        mask_BT = np.zeros(ids_BT.shape, dtype=np.float32)
        for row, ids in enumerate(encoded):
            ids_BT[row, : len(ids)] = ids
            mask_BT[row, : len(ids)] = 1.0
        return {"ids": ids_BT, "mask": mask_BT}

    @property
    def tokenizer(self) -> Json:
        """The bare tokenizer, as the tokenizers library reads it."""
        return self._tokenizer_json

    def spec(self) -> Json:
        """All that `from_spec` needs."""
        around = {"before": list(self._around.before), "after": list(self._around.after)}
        ngrams = {"ngrams": self._ngrams.spec()} if self._ngrams.buckets else {}
        return {"max_tokens": self.max_tokens, **around, **ngrams, "tokenizer": listed(self._tokenizer_json)}

    @classmethod
    def from_spec(cls, spec: Json) -> Text:
        """The modality back from its spec.

        Raises:
            DataError: the spec is none, or its tokenizer has a pattern that may never end.
        """
        spec = checked(spec)
        around = Template(tuple(map(int, spec["before"])), tuple(map(int, spec["after"])))
        return cls(numbered(spec["tokenizer"]), spec["max_tokens"], around, spec.get("ngrams"))

    def sweep(self, encoded: Sequence[NDArray[np.int64]], rows: int) -> dict[str, list[NDArray[np.int64]]]:
        """Shapes that a written file is tried at, by name: texts of 1, 5 and the most tokens, cut from the given ones and continued by
        them, and the given ones as they are, one padding the other."""
        flow = np.concatenate([*encoded])
        lengths = {f"{length} tokens each": length for length in (1, 5, self.max_tokens)}
        found = {name: [np.resize(np.roll(flow, -7 * row), length) for row in range(rows)] for name, length in lengths.items()}
        return {**found, "texts of many lengths": [encoded[row % len(encoded)] for row in range(rows)]}

    view_plan = TextViews

    def views(
        self, records: Sequence[Record], plan: TextViews, seed: int, embeddings_VD: NDArray[np.float32] | None = None
    ) -> list[View]:
        """Each record as it is, and `plan.per_record` further views of it; the same arguments give the same views.

        Args:
            records: whose payloads are texts.
            plan: how many views, and of which kinds.
            seed: of the dice.
            embeddings_VD: the teacher's embedding of each piece, (V, D), by which near words are found; None: there are none.
        """
        if not plan.per_record:
            return plan.of(records, seed, {}, {})
        texts = [clean(r.payload) for r in records]
        near = {} if embeddings_VD is None or not plan.swap_share else self.near_words(embeddings_VD, texts)
        return plan.of(records, seed, near, synonyms(texts) if plan.synonym_share else {})

    def near_words(self, embeddings_VD: NDArray[np.float32], texts: Sequence[str]) -> NearWords:
        """For each word of the texts that is one piece: up to ten words whose embeddings (V, D) lie nearest, nearest first."""
        return near_words(self._tokenizer, embeddings_VD, [clean(t) for t in texts])

    def fitted(self, payloads: Sequence[str], reading: Any = None, min_count: int = 1) -> tuple[Text, Pruned]:
        """This modality as a student of these payloads reads, and what the student is made from (`Pruned.arguments`)."""
        return self.pruned(payloads, reading or _PLAIN, min_count)

    def pruned(self, texts: Sequence[str], reading: Reading = _PLAIN, min_count: int = 1) -> tuple[Text, Pruned]:
        """This modality over the pieces that `texts` use and those that keep all others readable, and where each piece comes from.

        Every one of `texts` that the full tokenizer reads is encoded into the same pieces as before; others fall back to smaller
        pieces, and no text gets an unknown token where the full tokenizer reads it. Special tokens count as no reading.

        Args:
            texts: those that a student is trained on.
            reading: whether the tokenizer's own special tokens stand around each text, as ids behind those of all pieces, and
                which n-grams have ids behind these.
            min_count: `used_V` is false for pieces in fewer of the texts than this.
        """
        smaller = pruned(
            self._tokenizer_json,
            self._tokenizer,
            [readable(t, self.max_tokens) for t in texts],
            around=self._own_template if reading.special_tokens else Template(),
            special=self._special,
            min_count=min_count,
        )
        unused = frozenset(np.flatnonzero(~smaller.used_V).tolist())
        ngrams = NGrams(reading.ngrams, reading.buckets, len(smaller.used_V), unused).spec() if reading.ngrams > 1 else None
        return Text(smaller.tokenizer, self.max_tokens, smaller.template, ngrams), smaller
