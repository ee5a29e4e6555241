"""One text alone gets the ids that it gets among others, whether all its words are pieces, some or none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.data.files import text_lines
from limbeck.modalities.text import Text
from limbeck.shop import packaged_model

SIGNS = "".join(map(chr, range(32, 127)))
WORDS = st.sampled_from(
    ["card", "Cards", "my", "isn't", "U.S.", "[SEP]", "##s", "a" * 101, "e-mail", "3.50$", "unpayable", "zq", "~"]
)


@pytest.fixture(scope="module")
def minilm() -> Text:
    folder = packaged_model()
    assert folder is not None, "the teacher of the demo is part of the dev extra"
    full = Text(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")), 32)
    return full.pruned(["my card is lost", "where's the money?", "it has not arrived: 3 days"])[0]


@given(text=st.one_of(st.text(SIGNS, max_size=60), st.text(max_size=30), st.lists(WORDS, max_size=12).map(" ".join)))
def test_alone_is_as_among_others(minilm: Text, text: str) -> None:
    assert minilm.encode([text])[0].tolist() == minilm.encode([text, "another"])[0].tolist()


@pytest.mark.parametrize("around", [False, True])
def test_alone_is_as_among_others_on_real_questions(minilm: Text, around: bool, banking77) -> None:
    texts = [json.loads(line)["text"] for line in text_lines(banking77 / "train.jsonl.gz")][::7]
    modality = minilm.with_special_tokens() if around else minilm
    assert [modality.encode([t])[0].tolist() for t in texts] == [ids.tolist() for ids in modality.encode(texts)]


def test_the_library_is_asked_of_what_is_no_piece_alone(minilm: Text, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(minilm._quick, "_ids", lambda text: asked.append(text) or [7])
    minilm.encode(["My card, please: 3"])
    assert asked == ["please"]
    minilm.encode(["my cärd"])
    minilm.encode(["my\ncard"])
    assert asked == ["please", "my cärd", "my\ncard"]


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": None},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"normalizer": {"type": "Lowercase"}},
        {"model": {"type": "BPE", "vocab": {}}},
    ],
)
def test_other_tokenizers_answer_for_themselves(change: dict) -> None:
    from limbeck.modalities._quick_words import QuickWords

    bert = {"normalizer": {"type": "BertNormalizer", "lowercase": True}, "pre_tokenizer": {"type": "BertPreTokenizer"}}
    vocab = {"type": "WordPiece", "vocab": {"[UNK]": 0, "hi": 1}, "max_input_chars_per_word": 100}
    assert QuickWords({**bert, "model": vocab}, lambda _: [9])("hi") == [1]
    assert QuickWords({**bert, "model": vocab, **change}, lambda _: [9])("hi") == [9]
    assert QuickWords({**bert, "model": vocab, "added_tokens": [{"content": "hi"}]}, lambda _: [9])("hi") == [9]
    cased = {**bert, "normalizer": {"type": "BertNormalizer", "lowercase": False}}
    assert QuickWords({**cased, "model": vocab}, lambda _: [9])("Hi hi") == [9, 1]
