"""Pruning spells every known text as before and never falls to unknown where the full tokenizer reads; views can be made again."""

import json
import random

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from limbeck.errors import DataError
from limbeck.modalities._text_views import TextViews, drop_words, splice, typos
from limbeck.modalities.text import Text
from limbeck.types import Record

CORPUS = ["where is my parcel", "the parcel never came", "return the lamp please", "my lamp is broken", "straße köln"] * 5
OTHER = ["a brick came", "please", "lampe", "éé", "zzz parcels"]


def trained(kind: str) -> dict:
    special = ["[UNK]"]
    model, trainer = {
        "WordPiece": (models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=120, special_tokens=special)),
        "BPE": (models.BPE(unk_token="[UNK]"), trainers.BpeTrainer(vocab_size=120, special_tokens=special)),
        "Unigram": (models.Unigram(), trainers.UnigramTrainer(vocab_size=60, special_tokens=special, unk_token="[UNK]")),
        "WordLevel": (models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(special_tokens=special)),
    }[kind]
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())


@pytest.mark.parametrize("kind", ["WordPiece", "BPE", "Unigram", "WordLevel"])
def test_a_pruned_tokenizer_spells_known_texts_as_before(kind: str) -> None:
    full = Text(trained(kind))
    seen = CORPUS[:2]
    small, origin = full.pruned(seen)
    assert small.vocabulary_size <= full.vocabulary_size
    assert small.vocabulary_size == len(origin.old_ids_V) == len(origin.used_V)
    for before, after in zip(full.encode(seen), small.encode(seen), strict=True):
        np.testing.assert_array_equal(origin.old_ids_V[after], before)
        assert origin.used_V[after].all()


@pytest.mark.parametrize("kind", ["WordPiece", "BPE", "Unigram"])
def test_pruning_adds_no_unknown_token(kind: str) -> None:
    full = Text(trained(kind))
    small, origin = full.pruned(CORPUS[:1])
    unknown = full.encode(["\u4e00"])[0]
    for before, after in zip(full.encode([*CORPUS, *OTHER]), small.encode([*CORPUS, *OTHER]), strict=True):
        assert np.isin(origin.old_ids_V[after], unknown).sum() <= np.isin(before, unknown).sum()


def test_a_special_token_that_a_customer_types_is_text() -> None:
    tokenizer = trained("WordPiece")
    tokenizer["added_tokens"] = [
        {
            "id": 0,
            "content": "[UNK]",
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
    ]
    assert Text(tokenizer).spec()["tokenizer"]["added_tokens"] == []


def test_a_broken_tokenizer_is_said() -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Text({"model": {"type": "Nonsense"}})


RECORDS = [Record(str(i), f"text number {i} with some words", "ab"[i % 2]) for i in range(20)]


def test_views_are_the_same_again_and_do_not_depend_on_other_records() -> None:
    plan = TextViews(per_record=4, splice_share=0.0)
    first = Text.views(RECORDS, plan, seed=3)
    assert first == Text.views(RECORDS, plan, seed=3)
    assert first != Text.views(RECORDS, plan, seed=4)
    assert all(v in first for v in Text.views(RECORDS[:10], plan, 3))
    assert [v.payload for v in first[:20]] == [r.payload for r in RECORDS]
    assert len({v.payload for v in first}) == len(first)


def test_a_splice_has_two_keys_and_no_label() -> None:
    views = [v for v in Text.views(RECORDS, TextViews(per_record=4, splice_share=0.9), 0) if v.operations]
    spliced = [v for v in views if v.operations[0].name == "splice"]
    assert spliced
    assert all(len(v.keys) == 2 and v.label is None for v in spliced)
    assert all(v.label is not None for v in views if v not in spliced)


@pytest.mark.parametrize("text", ["", " ", "x", "one", "👍", "a\x00b c", "w " * 1000])
def test_operations_take_any_text(text: str) -> None:
    dice = random.Random(0)
    for _ in range(50):
        assert isinstance(drop_words(text, 0.9, dice), str)
        assert isinstance(splice(text, "other words", dice), str)
        assert abs(len(typos(text, dice)) - len(text)) <= 2
    if text.split():
        assert drop_words(text, 0.99, dice)
