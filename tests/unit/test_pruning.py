"""Pruning never yields an unknown token where the full tokenizer reads a text, spells known texts as before, and keeps special tokens as ids.

`unread` is the measure: the places of a text that no known token covers.
"""

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from limbeck.errors import DataError
from limbeck.modalities._pruning import Template, template
from limbeck.modalities._text_spec import numbered
from limbeck.modalities.text import Text
from limbeck.text import Reading

CORPUS = [
    "where is my parcel",
    "the parcel never came",
    "return the lamp, please!",
    "my lamp is broken",
    "straße köln ｆｕｌｌ",
] * 5
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{i:02X}>" for i in range(256)]
KINDS = (
    "wordpiece", "wordpiece without prefix", "wordpiece without some letters", "wordlevel", "bpe", "bpe with suffix", "bpe with prefix",
    "bpe of bytes", "bpe of bytes, whole words", "bpe with bytes", "unigram", "unigram without some letters", "unigram like xlm-r",
    "unigram with bytes",
)  # fmt: skip


def _model(kind: str):
    family, _, manner = kind.partition(" ")
    if family == "wordpiece":
        prefix = "" if manner == "without prefix" else "##"
        trainer = trainers.WordPieceTrainer(vocab_size=110, special_tokens=SPECIAL, continuing_subword_prefix=prefix)
        return models.WordPiece(unk_token="<unk>", continuing_subword_prefix=prefix), trainer
    if family == "wordlevel":
        return models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(special_tokens=SPECIAL)
    if family == "unigram":
        named = [*SPECIAL, *BYTES] if manner == "with bytes" else SPECIAL
        return models.Unigram(), trainers.UnigramTrainer(vocab_size=60 + len(named), special_tokens=named, unk_token="<unk>")
    around = {"with suffix": {"end_of_word_suffix": "</w>"}, "with prefix": {"continuing_subword_prefix": "##"}}.get(manner, {})
    named = [*SPECIAL, *BYTES] if manner == "with bytes" else SPECIAL
    alphabet = pre_tokenizers.ByteLevel.alphabet() if manner.startswith("of bytes") else []
    size = 80 + len(named) + len(alphabet)
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=named, initial_alphabet=alphabet, **around)
    return models.BPE(**around, **({} if alphabet else {"unk_token": "<unk>"})), trainer


@cache
def _trained(kind: str) -> str:
    model, trainer = _model(kind)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if "of bytes" in kind:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    elif kind == "unigram like xlm-r":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    elif kind == "wordpiece":
        tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[(s, tokenizer.token_to_id(s)) for s in SPECIAL[1:]]
    )
    content = json.loads(tokenizer.to_str())
    model = content["model"]
    if "with bytes" in kind:
        model["byte_fallback"] = True
    if "whole words" in kind:  # the byte of "k" is read only inside words that are pieces
        model["ignore_merges"] = True
        words = {"k": 0, **model["vocab"], "Ġbroken": len(model["vocab"])}
        model["merges"] = [m for m in model["merges"] if "k" not in "".join(m)]
        gone = [p for p in words if "k" in p and p != "Ġbroken"]
        model["vocab"] = {p: i for p, i in words.items() if p not in gone}
    if "without some letters" in kind:  # read only inside larger pieces
        lost = {"a", "e", "##a", "##e", "##r"}
        if isinstance(model["vocab"], dict):
            model["vocab"] = {p: i for p, i in model["vocab"].items() if p not in lost}
        else:
            model["vocab"] = [[p, s] for p, s in model["vocab"] if p not in lost]
    return json.dumps(content)


def trained(kind: str) -> dict:
    return json.loads(_trained(kind))


def unread(modality: Text, text: str) -> set[int]:
    tokenizer = Tokenizer.from_str(json.dumps(numbered(modality.spec()["tokenizer"])))
    encoding = tokenizer.encode(text, add_special_tokens=False)
    unknown = tokenizer.token_to_id("<unk>")  # by id: a Unigram model names an unknown token as it was written
    known = {place for i, (a, b) in zip(encoding.ids, encoding.offsets, strict=True) if i != unknown for place in range(a, b)}
    return set(range(len(text))) - known


WORDS = sorted({w for line in CORPUS for w in line.split()})
texts = st.lists(st.sampled_from(WORDS) | st.text("aeiklmprstßöＡz愛!, ", max_size=8) | st.text(max_size=4), max_size=6).map(
    "".join
) | st.lists(st.sampled_from([*WORDS, "pparcel", "lampe", "unbroken", "z", "ae"]), max_size=5).map(" ".join)
readable_texts = texts.filter(lambda t: not any(s in t for s in SPECIAL) and not any("\ud800" <= c <= "\udfff" for c in t))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(seen=st.lists(readable_texts, min_size=1, max_size=3), text=readable_texts)
def test_no_text_becomes_unknown_where_the_full_tokenizer_reads_it(kind: str, seen: list[str], text: str) -> None:
    full = Text(trained(kind))
    small, origin = full.pruned(seen)
    assert unread(small, text) <= unread(full, text)
    assert small.vocabulary_size == len(origin.old_ids_V) == len(origin.used_V)
    for known in seen:
        if not unread(full, known):
            before, after = full.encode([known])[0], small.encode([known])[0]
            np.testing.assert_array_equal(origin.old_ids_V[after], before)
            assert origin.used_V[after].all()


@pytest.mark.parametrize("by_bytes", [False, True])
def test_the_best_way_through_a_text_stays_the_best(by_bytes: bool) -> None:
    """ub + cdv costs 28; u + bc + v and an unknown d cost 33, as the worst piece costs 20: 27 if the worst piece were forgotten."""
    pieces = [["<unk>", 0.0], ["u", -1.0], ["v", -1.0], ["bc", -1.0], ["ub", -14.0], ["cdv", -14.0], ["zzz", -20.0]]
    pieces += [[byte, 0.0] for byte in BYTES] if by_bytes else []
    full = Text({"version": "1.0", "model": {"type": "Unigram", "unk_id": 0, "vocab": pieces, "byte_fallback": by_bytes}})
    small, origin = full.pruned(["ubcdv", "bc"])
    assert full.encode(["ubcdv"])[0].tolist() == [4, 5]
    assert origin.old_ids_V[small.encode(["ubcdv"])[0]].tolist() == [4, 5]


def test_a_word_with_a_piece_of_its_own_is_read_though_its_letters_are_not() -> None:
    model = {"type": "BPE", "vocab": {"<unk>": 0, "l": 1, "lamp": 2}, "merges": [], "unk_token": "<unk>", "ignore_merges": True}
    full = Text({"version": "1.0", "model": model, "pre_tokenizer": {"type": "Whitespace"}})
    small, origin = full.pruned(["l"])
    assert origin.old_ids_V[small.encode(["lamp l"])[0]].tolist() == [2, 1]


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "wordlevel"])
def test_pruning_makes_a_vocabulary_smaller(kind: str) -> None:
    full = Text(trained(kind))
    assert full.pruned(["lamp"])[0].vocabulary_size < full.vocabulary_size


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_stand_around_as_ids_that_no_text_can_spell(kind: str) -> None:
    content = trained(kind)
    around = template(content)
    assert [content["added_tokens"][i]["content"] for i in (*around.before, *around.after)] == ["<s>", "</s>"]
    full = Text(content, max_tokens=6)
    small, origin = full.pruned(CORPUS[:2], Reading(special_tokens=True))
    inner, _ = full.pruned(CORPUS[:2])
    vocabulary = small.spec()["tokenizer"]["model"]["vocab"]
    pieces = [piece if isinstance(piece, str) else piece[0] for piece in vocabulary]
    assert not {"<s>", "</s>"} & set(pieces)
    assert "<" not in pieces or "of bytes" in kind
    typed = ["my lamp", "", "<s> </s>", "parcel " * 10, "</s>"]
    for inside, found in zip(inner.encode(typed), small.encode(typed), strict=True):
        assert list(origin.old_ids_V[found[[0, -1]]]) == [*around.before, *around.after]
        np.testing.assert_array_equal(found[1:-1], inside[:4])
        assert not np.isin(found[1:-1], found[[0, -1]]).any()
    assert origin.used_V[small.encode([""])[0]].all()
    assert small.vocabulary_size == len(origin.old_ids_V) == inner.vocabulary_size + 2
    again = Text.from_spec(json.loads(json.dumps(small.spec())))
    assert again.vocabulary_size == small.vocabulary_size
    for a, b in zip(small.encode(typed), again.encode(typed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_templates_of_all_post_processors() -> None:
    bert, roberta = (
        processors.BertProcessing(("[SEP]", 102), ("[CLS]", 101)),
        processors.RobertaProcessing(("</s>", 2), ("<s>", 0)),
    )
    first = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    chain = processors.Sequence([processors.ByteLevel(), first])
    expected = [Template((101,), (102,)), Template((0,), (2,)), Template((1,), ()), Template((1,), ()), Template(), Template()]
    for processor, wanted in zip([bert, roberta, first, chain, processors.ByteLevel(), None], expected, strict=True):
        tokenizer = Tokenizer(models.BPE())
        if processor is not None:
            tokenizer.post_processor = processor
        assert template(json.loads(tokenizer.to_str())) == wanted


def test_the_packaged_teachers_own_ids_are_kept() -> None:
    """101 and 102 are [CLS] and [SEP] of BERT's vocabulary; 7592 is "hello"."""
    from limbeck.shop import packaged_model

    folder = packaged_model()
    assert folder is not None
    full = Text(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")), max_tokens=16)
    small, origin = full.pruned(["hello [SEP]"], Reading(special_tokens=True))
    found = origin.old_ids_V[small.encode(["Hello [SEP]"])[0]].tolist()
    assert found[0] == 101
    assert found[1] == 7592
    assert found[-1] == 102
    assert 102 not in found[:-1]


def test_rare_pieces_are_counted_by_texts() -> None:
    full = Text(trained("wordlevel"))
    small, origin = full.pruned(["lamp lamp lamp", "my lamp", "my parcel"], min_count=2)
    often = [bool(origin.used_V[small.encode([word])[0]].all()) for word in ("lamp", "my", "parcel", "where")]
    assert often == [True, True, False, False]


def test_no_room_for_a_text_is_said() -> None:
    with pytest.raises(DataError, match="2 special tokens stand around each text"):
        Text(trained("wordpiece"), max_tokens=2).pruned(["lamp"], Reading(special_tokens=True))
