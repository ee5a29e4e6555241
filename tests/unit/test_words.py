"""Two tokenizers speak of the same words: WordPiece, byte-level BPE and Unigram, trained here on a few sentences.

The tokenizers are seen as a student sees them (`Text`) and as a teacher does (`Huggingface`, with special tokens around the text).
"""

import json
import re
import unicodedata

import pytest
import transformers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

from limbeck.modalities.text import Text
from limbeck.teachers.huggingface import EncoderClassifier, Huggingface
from limbeck.text import word_of, words

CORPUS = [
    "where is my parcel? it's been 5 days!", "don't ask, the parcel never came.", "return the lamp please, order x2 _id", "straße köln 👍",
    "l'été où, e\u0301te\u0301", "日本語です。はい", "हिन्दी में", "I am so 😡 about the lamp",
] * 5  # fmt: skip
CHUNKS = [
    "where", "parcel", "Parcel?", "it's", "p.m.", "x2", "_id", "straße", "KÖLN", "İzmir", "e\u0301te\u0301", "été", "👍", "❤️", "👩‍👩‍👧", "日本語です。",
    "हिन्दी", "(a)", "unheardofword", "ﬁnd", "½", "한국어", "…", "5€",
]  # fmt: skip
SPACES = [" ", "  ", "\n", "\t", "\u00a0", "\u3000", "\r\n "]


def trained(kind: str) -> Tokenizer:
    special = ["[UNK]", "[CLS]", "[SEP]"]
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=special)
    elif kind.startswith("byte"):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space="prefix" in kind)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=350, special_tokens=special, initial_alphabet=alphabet)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="[UNK]")
    tokenizer.train_from_iterator(CORPUS, trainer)
    ids = [("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]"))]
    template = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    # As RoBERTa's files have it: the space before a word is no part of its offsets there, but it is in a student's bare tokenizer.
    byte_level = [processors.ByteLevel(trim_offsets=True)] if kind.startswith("byte") else []
    tokenizer.post_processor = processors.Sequence([*byte_level, template])
    return tokenizer


KINDS = ("wordpiece", "byte-level", "byte-level-prefix", "unigram")
TOKENIZERS = {kind: trained(kind) for kind in KINDS}


def student(kind: str, max_tokens: int = 64) -> Text:
    return Text(json.loads(TOKENIZERS[kind].to_str()), max_tokens)


def teacher(kind: str, max_tokens: int = 64) -> Huggingface:
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=TOKENIZERS[kind], unk_token="[UNK]")
    return Huggingface(EncoderClassifier(nn.Identity(), None), fast, (), max_tokens)


STUDENTS, TEACHERS = {kind: student(kind) for kind in KINDS}, {kind: teacher(kind) for kind in KINDS}
ANY = st.one_of(st.text(max_size=40), st.text("aé\u0301_5 \n👍\u200d\ufe0f日नि्?.'", max_size=20))
MADE = st.lists(st.tuples(st.sampled_from(CHUNKS), st.sampled_from(SPACES)), max_size=8).map(
    lambda p: "".join(a + b for a, b in p)
)


def spelled(text: str) -> list[str]:
    return [text[start:end] for start, end in words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\u3000", []),
        ("It's x2, 5.5€!", ["It", "'", "s", "x2", ",", "5", ".", "5", "€", "!"]),
        ("e\u0301te\u0301 été", ["e\u0301te\u0301", "été"]),
        ("हिन्दी में।", ["हिन्दी", "में", "।"]),
        ("❤️ok", ["❤️", "ok"]),
        ("日本語です。はい", ["日本語です", "。", "はい"]),
        ("!\u0301a", ["!\u0301", "a"]),
        ("\u0301a", ["\u0301", "a"]),
        ("_id __", ["_id", "__"]),
    ],
)
def test_words_by_hand(text: str, expected: list[str]) -> None:
    assert spelled(text) == expected


@settings(max_examples=200, deadline=None)
@given(ANY, ANY)
def test_words_hold_every_character_that_is_no_space_once_and_in_order(text: str, more: str) -> None:
    spans = words(text)
    covered = [i for start, end in spans for i in range(start, end)]
    assert covered == [i for i, c in enumerate(text) if not re.match(r"\s", c)]
    assert spelled(f" {text}\n{more}") == spelled(text) + spelled(more)
    # However its accents are written, a text has the same words.
    composed, decomposed = (spelled(unicodedata.normalize(form, text)) for form in ("NFC", "NFD"))
    assert [unicodedata.normalize("NFD", w) for w in composed] == [unicodedata.normalize("NFD", w) for w in decomposed]


def test_word_of_takes_the_first_character_that_is_no_space() -> None:
    text = "ab  cd?!"
    assert word_of([(0, 2), (2, 3), (2, 6), (4, 6), (6, 8), (7, 8), (0, 0), (5, 5)], text) == [0, -1, 1, 1, 2, 3, -1, -1]
    assert word_of([], "") == []
    assert word_of([(0, 0)], "") == [-1]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(ANY, MADE), min_size=1, max_size=3))
@example(["", " ", "\ud800b", "w" * 5000, "a " * 3000])
def test_numbers_are_parallel_to_the_tokens_and_grow(kind: str, texts: list[str]) -> None:
    for side in (STUDENTS[kind], TEACHERS[kind]):
        for ids, numbers in zip(side.encode(texts), side.words(texts), strict=True):
            assert len(ids) == len(numbers) <= side.max_tokens
            real = [n for n in numbers.tolist() if n >= 0]
            assert real == sorted(real)


# Not with a prefix space: as a piece of its own it belongs to the first word, or to none where the post-processor trims it away.
@pytest.mark.parametrize("kind", ["wordpiece", "byte-level", "unigram"])
@settings(max_examples=60, deadline=None)
@given(st.one_of(ANY, MADE))
def test_teacher_and_student_with_one_tokenizer_number_alike_but_for_special_tokens(kind: str, text: str) -> None:
    own, around = student(kind, 10), teacher(kind, 12)
    (numbers,), (framed,) = own.words([text]), around.words([text])
    assert framed.tolist() == [-1, *numbers.tolist(), -1]


@settings(max_examples=150, deadline=None)
@given(MADE)
def test_all_tokenizers_see_every_word_that_a_space_or_the_start_precedes(text: str) -> None:
    first = {n for n, (start, _) in enumerate(words(text)) if start == 0 or text[start - 1].isspace()}
    for kind in KINDS:
        for side in (STUDENTS[kind], TEACHERS[kind]):
            seen = set(side.words([text])[0].tolist()) - {-1}
            cut = len(side.encode([text])[0]) == side.max_tokens
            assert cut or first <= seen, kind
            assert seen <= set(range(len(words(text)))), kind


@settings(max_examples=100, deadline=None)
@given(MADE)
def test_the_pieces_of_a_word_spell_it(text: str) -> None:
    """Byte-level pieces lose nothing, so those of one number, decoded, are that word; a piece of two signs belongs to the first."""
    for kind in ("byte-level", "byte-level-prefix"):
        long = student(kind, max_tokens=1024)
        ids, numbers = long.encode([text])[0], long.words([text])[0]
        for number, (start, end) in enumerate(words(text)):
            if start == 0 or text[start - 1].isspace():
                own, word = TOKENIZERS[kind].decode(ids[numbers == number].tolist()).strip(), text[start:end]
                assert own == word if word.isalnum() else own.startswith(word)


@settings(max_examples=100, deadline=None)
@given(MADE, st.integers(3, 20), st.integers(1, 20))
def test_truncation_on_a_side_cuts_its_last_words_and_renumbers_none(text: str, of_teacher: int, of_student: int) -> None:
    for kind in KINDS:
        whole, cut = TEACHERS[kind].words([text])[0].tolist(), teacher(kind, of_teacher).words([text])[0].tolist()
        assert cut[:-1] == whole[: len(cut) - 1]
        assert student(kind, of_student).words([text])[0].tolist() == STUDENTS[kind].words([text])[0].tolist()[:of_student]
