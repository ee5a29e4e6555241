"""Pruning spells every known text as before and never falls to unknown where the full tokenizer reads; views can be made again."""

import json
import random

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from limbeck.errors import DataError
from limbeck.modalities._text_views import TextViews, drop_words, splice, swap_words, typos
from limbeck.modalities.text import Text
from limbeck.students.bag import Bag
from limbeck.text import Reading
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


@pytest.mark.parametrize("longest", [2, 3])
def test_ids_of_ngrams_stand_behind_those_of_the_text(longest: int) -> None:
    """Worked out by hand from the ids of a reader without them, for texts alone and in company, short, long and empty."""
    full = Text(trained("WordPiece"), max_tokens=6)  # once: the trainer decides ties as it likes
    plain, _ = full.pruned(CORPUS)
    reader, origin = full.pruned(CORPUS, Reading(ngrams=longest, buckets=11))
    assert reader.vocabulary_size == plain.vocabulary_size == len(origin.old_ids_V)
    again = Text.from_spec(json.loads(json.dumps(reader.spec())))
    texts = [*CORPUS[:5], "", "lamp", "my lamp", "straße " * 9, "éé zzz"]
    said = spared = 0
    for text, tokens, together in zip(texts, plain.encode(texts), reader.encode(texts), strict=True):
        ids = [int(i) for i in tokens]
        runs = [tuple(ids[at : at + size]) for size in range(2, longest + 1) for at in range(len(ids) - size + 1)]
        runs = [run for run in runs if origin.used_V[list(run)].all()]
        said += len(runs)
        spared += not origin.used_V[ids].all()
        factors = (1_103_515_245, 668_265_263, 374_761_393)
        hashes = [sum(f * i for f, i in zip(factors, run, strict=False)) % (2**31 - 1) % 11 for run in runs]
        expected = [*ids, *(plain.vocabulary_size + h for h in hashes)]
        assert together.tolist() == reader.encode([text])[0].tolist() == again.encode([text])[0].tolist() == expected
        assert reader.words([text])[0].tolist() == [*plain.words([text])[0].tolist(), *[-1] * len(runs)]
        assert reader.pieces([text]) == plain.pieces([text])
    assert said
    assert spared  # some texts hold pieces that no training text held


def test_a_text_of_pieces_that_no_training_text_held_is_answered_as_an_empty_one() -> None:
    """Its n-grams too: a bucket of others would answer for it, and the norm would make that loud."""
    reader, origin = Text(trained("WordPiece")).pruned(["where is my parcel"] * 2, Reading(ngrams=2, buckets=7))
    settings = Bag.Settings(width=6, hidden=9, ngrams=2, buckets=7, precision="float32")
    bag = Bag(settings, reader.vocabulary_size, 3, used_V=origin.used_V).eval()
    with torch.no_grad():
        bag.embedding.weight.normal_(generator=torch.Generator().manual_seed(0))

    def answered(text: str) -> list[float]:
        arrays = reader.collate(reader.encode([text]))
        with torch.inference_mode():
            return bag(**{k: torch.from_numpy(v) for k, v in arrays.items()}).logits_BC[0].tolist()

    other = "lnnn nnl"
    assert not origin.used_V[reader.encode([other])[0]].any()
    assert answered(other) == answered("") != answered("where is my parcel")


@pytest.mark.parametrize(
    "odd",
    [
        {"longest": 1}, {"longest": 4}, {"buckets": 0}, {"buckets": 2**31}, {"buckets": True}, {"longest": 2.0}, {"unused": None},
        {"unused": "AA"}, {"unused": "§"}, {"unused": "AAAA" * 999}, {"more": 1},
    ],
)  # fmt: skip
def test_ngrams_that_are_none_are_refused(odd: dict) -> None:
    spec = Text(trained("WordPiece")).pruned(CORPUS, Reading(ngrams=2, buckets=5))[0].spec()
    assert Text.from_spec(spec).spec() == spec
    with pytest.raises(DataError, match="'ngrams' is |the unused ids of the n-grams cannot be read"):
        Text.from_spec({**spec, "ngrams": {**spec["ngrams"], **odd}})
    for other in (None, 3, [2, 5], {}):
        with pytest.raises(DataError, match="'ngrams' is "):
            Text.from_spec({**spec, "ngrams": other})


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


TEXT = Text(trained("WordPiece"))
RECORDS = [Record(str(i), f"text number {i} with some words", "ab"[i % 2]) for i in range(20)]


def test_views_are_the_same_again_and_do_not_depend_on_other_records() -> None:
    plan = TextViews(per_record=4, splice_share=0.0, synonym_share=0.0)
    first = TEXT.views(RECORDS, plan, seed=3)
    assert first == TEXT.views(RECORDS, plan, seed=3)
    assert first != TEXT.views(RECORDS, plan, seed=4)
    assert all(v in first for v in TEXT.views(RECORDS[:10], plan, 3))
    assert [v.payload for v in first[:20]] == [r.payload for r in RECORDS]
    assert len({v.payload for v in first}) == len(first)


def test_a_splice_has_two_keys_and_no_label() -> None:
    views = [
        v
        for v in TEXT.views(RECORDS, TextViews(per_record=4, splice_share=0.9, span_share=0.0, synonym_share=0.0), 0)
        if v.operations
    ]
    spliced = [v for v in views if v.operations[0].name == "splice"]
    assert spliced
    assert all(len(v.keys) == 2 and v.label is None for v in spliced)
    assert all(v.label is not None for v in views if v not in spliced)


@pytest.mark.parametrize("space", [None, "byte level", "metaspace"])
def test_near_words_are_found_however_a_tokenizer_writes_spaces(space: str | None) -> None:
    """Embeddings made so that 'parcel' and 'lamp' are near, and nothing else is."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer, tokenizer.decoder = {
        None: (pre_tokenizers.Whitespace(), decoders.BPEDecoder()),
        "byte level": (pre_tokenizers.ByteLevel(), decoders.ByteLevel()),
        "metaspace": (pre_tokenizers.Metaspace(), decoders.Metaspace()),
    }[space]
    texts = [" ".join(CORPUS)] * 5
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=500, special_tokens=["[UNK]"]))
    text = Text(json.loads(tokenizer.to_str()))
    ids = {word: text.encode([f" {word}"])[0] for word in ("parcel", "lamp", "please")}
    assert all(len(i) == 1 for i in ids.values())
    embeddings_VD = np.eye(text.vocabulary_size, dtype=np.float32)
    embeddings_VD[ids["lamp"][0]] = embeddings_VD[ids["parcel"][0]] + 0.1
    records = [Record("1", "The PARCEL, please; parcel's parcel2", "a")]
    plain = {
        "drop_share": 0.0,
        "splice_share": 0.0,
        "span_share": 0.0,
        "typo_share": 0.0,
        "synonym_share": 0.0,
        "case_share": 0.0,
    }
    views = text.views(records, TextViews(per_record=50, **plain, swap_share=1.0), 0, embeddings_VD)
    assert [v.payload for v in views] == [records[0].payload, "The lamp, please; parcel's parcel2"]
    assert [v.label for v in views] == ["a", None]
    assert [o.name for o in views[1].operations] == ["drop_words", "swap_words"]
    without = text.views(records, TextViews(per_record=50, **plain), 0)
    assert [v.payload for v in without] == [records[0].payload]


def test_near_words_of_the_real_teacher() -> None:
    """The neighbours that a person would name, in the vocabulary of all-MiniLM-L6-v2."""
    from safetensors.numpy import load_file

    from limbeck.shop import packaged_model

    folder = packaged_model()
    assert folder is not None
    text = Text(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")))
    embeddings_VD = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    found = text.near_words(embeddings_VD, ["it ARRIVED broken, and I'm angry; xyzzy 42 ##ing"])
    assert {"arrive", "came"} <= set(found["arrived"])
    assert "broke" in found["broken"]
    assert "mad" in found["angry"]
    assert not {"xyzzy", "i", "m", "ing"} & set(found)
    assert all(len(near) <= 10 and word not in near for word, near in found.items())


@pytest.mark.parametrize("text", ["", " ", "x", "one", "👍", "a\x00b c", "w " * 1000])
def test_operations_take_any_text(text: str) -> None:
    dice = random.Random(0)
    for _ in range(50):
        assert isinstance(drop_words(text, 0.9, dice), str)
        assert isinstance(splice(text, "other words", dice), str)
        assert len(swap_words(text, [{"one": ("two",)}], 0.9, dice).split()) == len(text.split())
        assert abs(len(typos(text, dice)) - len(text)) <= 2
    if text.split():
        assert drop_words(text, 0.99, dice)


PATTERNS = [
    # how GPT-2, CLIP, GPT-4, o200k, Llama 3, DeepSeek and digit groups from the right are split
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}",
    r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))",
    r"(?<=\s)\d+",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_patterns_of_well_known_tokenizers_are_read(pattern: str) -> None:
    text, _ = Text.tiny()
    spec = json.loads(json.dumps(text.spec()))
    spec["tokenizer"]["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    assert Text.from_spec(spec).encode(["hello 123"])[0].size


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(a|aa)*b", r"((ab?)){2,}c", r"(?:(?:x*)y)*z", r"(a)\1", r"(?<n>a)\k<n>", r"(\p{L}+\s?)*$"]
)
def test_patterns_that_may_never_end_are_refused(pattern: str) -> None:
    text, _ = Text.tiny()
    spec = json.loads(json.dumps(text.spec()))
    part = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    spec["tokenizer"]["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [part]}
    with pytest.raises(DataError, match="would never end"):
        Text.from_spec(spec)


def test_a_spec_lists_its_pieces_in_the_order_of_their_ids_and_reads_both_forms() -> None:
    tokenizer = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"b": 1, "[UNK]": 0, "a": 2}, "unk_token": "[UNK]"}}
    modality = Text({**tokenizer, "pre_tokenizer": {"type": "Whitespace"}})
    spec = modality.spec()
    assert spec["tokenizer"]["model"]["vocab"] == ["[UNK]", "b", "a"]
    again = Text.from_spec(spec)
    assert again.tokenizer == modality.tokenizer
    older = {**spec, "tokenizer": modality.tokenizer}
    for read in (again, Text.from_spec(older)):
        assert [ids.tolist() for ids in read.encode(["a b c"])] == [[2, 1, 0]]
    gap = {**tokenizer, "model": {**tokenizer["model"], "vocab": {"[UNK]": 0, "a": 5}}}
    assert Text(gap).spec()["tokenizer"]["model"]["vocab"] == {"[UNK]": 0, "a": 5}
    for odd in (["a", "a", "[UNK]"], ["a", 1], ["a", ["b", 0.5]]):
        with pytest.raises(DataError, match="a list, but not of pieces that differ"):
            Text.from_spec({**spec, "tokenizer": {**spec["tokenizer"], "model": {**spec["tokenizer"]["model"], "vocab": odd}}})
