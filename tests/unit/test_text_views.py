"""Each kind of view does what its name says, on any text, again with the same dice; and says what it did."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.modalities._synonyms import synonyms
from limbeck.modalities._text_views import TextViews, span, swap_words, typed
from limbeck.types import Record

NONE = dict.fromkeys(
    ("drop_share", "splice_share", "span_share", "typo_share", "swap_share", "synonym_share", "case_share"), 0.0
)
RECORDS = [Record(str(i), f"Where is parcel number {i}, please, it never came?", "ab"[i % 2]) for i in range(20)]
NEAR, ALIKE = {"parcel": ("box",)}, {"came": ("arrived",), "parcel": ("lamp",)}


def made(records=RECORDS, seed: int = 0, **shares: float):
    return [v for v in TextViews(per_record=6, **{**NONE, **shares}).of(records, seed, NEAR, ALIKE) if v.operations]


@pytest.mark.parametrize(
    ("share", "name", "keeps_label"),
    [
        ("splice_share", "splice", False),
        ("span_share", "span", False),
        ("typo_share", "typos", True),
        ("drop_share", "drop_words", True),
        ("swap_share", "swap_words", False),
        ("synonym_share", "swap_words", False),
        ("case_share", "case", True),
    ],
)
def test_each_share_makes_its_kind_and_says_so(share: str, name: str, keeps_label: bool) -> None:
    views = made(**{share: 0.9})
    own = [v for v in views if name in [o.name for o in v.operations]]
    assert len(own) > 10
    label = {r.key: r.label for r in RECORDS}
    for view in own:
        assert view.label == (label[view.keys[0]] if keeps_label else None)
        assert all(o.version >= 1 for o in view.operations)
    assert views == made(**{share: 0.9})
    assert views != made(**{share: 0.9}, seed=1)
    nothing = made(**{"drop_share": 0.0})
    assert nothing == []  # a view that changes nothing repeats its text


def test_words_come_from_both_sources_where_both_are_chosen() -> None:
    views = made(swap_share=1.0, synonym_share=1.0)
    assert {o.parameters["of"] for v in views for o in v.operations if o.name == "swap_words"} == {"near and synonyms"}
    said = " ".join(v.payload for v in views)
    assert all(word in said for word in ("box", "lamp", "arrived"))
    near_alone = made(swap_share=1.0)
    assert not any("lamp" in v.payload or "arrived" in v.payload for v in near_alone)
    assert {o.parameters["of"] for v in near_alone for o in v.operations if o.name == "swap_words"} == {"near"}


def test_shares_of_kinds_that_exclude_each_other_may_add_up_to_1() -> None:
    TextViews(splice_share=0.7, span_share=0.2, typo_share=0.1)
    with pytest.raises(ValueError, match="splice_share, span_share and typo_share add up to more than 1"):
        TextViews(splice_share=0.7, span_share=0.3, typo_share=0.1)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.integers(0, 1000))
def test_a_span_is_a_part_of_at_least_half_the_words(text: str, seed: int) -> None:
    words, part = text.split(), span(text, random.Random(seed)).split()
    assert " ".join(part) in " ".join(words)
    assert len(part) >= min(len(words), max(2, len(words) / 2))
    assert len(part) < len(words) or len(words) <= 2


@settings(max_examples=200, deadline=None)
@given(st.text("abZßéÑ.!?…。 日👍\n", max_size=20))
def test_ways_of_typing_change_only_case_or_the_end(text: str) -> None:
    for name, other in typed(text).items():
        assert other not in ("", text)
        if name == "no full stop":
            assert text.rstrip().startswith(other)
        else:
            assert other.casefold() == text.casefold()


def test_ways_of_typing_by_hand() -> None:
    assert typed("It isn't here...") == {
        "lower": "it isn't here...", "upper": "IT ISN'T HERE...", "capitalised": "It Isn't Here...", "no full stop": "It isn't here",
    }  # fmt: skip
    assert typed("?") == typed("") == typed("👍") == {}
    assert typed("日本語。") == {"no full stop": "日本語"}


def test_swapping_takes_any_of_the_sources() -> None:
    dice = random.Random(0)
    assert swap_words("parcel came", [], 1.0, dice) == "parcel came"
    assert {swap_words("Parcel", [NEAR, ALIKE], 1.0, dice) for _ in range(50)} == {"box", "lamp"}


# --- synonyms from the texts -------------------------------------------------------------------------------

SHOP = [
    f"{start} my {thing} {came} {day} and i {want} a refund"
    for start in ("hello", "hi")
    for thing in ("parcel", "package", "lamp")
    for came in ("arrived", "came")
    for day in ("monday", "friday")
    for want in ("want", "need")
]


def test_words_that_stand_between_the_same_neighbours_are_found() -> None:
    found = synonyms(SHOP)
    for group in (("parcel", "package", "lamp"), ("arrived", "came"), ("monday", "friday"), ("want", "need"), ("hello", "hi")):
        for word in group:
            assert set(found[word]) == set(group) - {word}
    assert "refund" not in found
    assert found == synonyms(SHOP)
    assert found == synonyms([text.upper() for text in SHOP])


def test_rare_words_have_no_synonyms() -> None:
    assert "gremlin" not in synonyms([*SHOP, "hello my gremlin arrived monday"] * 4)
    assert "gremlin" in synonyms([*SHOP, "hello my gremlin arrived monday"] * 5)


@pytest.mark.parametrize("texts", [[], [""], ["", "👍", "5 5 5"], ["one"], ["one"] * 50, ["one two"] * 50, ["\x00 '' _"] * 9])
def test_any_texts_have_synonyms_or_none(texts: list[str]) -> None:
    assert isinstance(synonyms(texts), dict)


def test_synonyms_of_the_shops_own_texts() -> None:
    """What a person sees in 3,266 messages: days, courtesies and verbs that fill the same gap."""
    import json

    from limbeck import shop

    found = synonyms([json.loads(line)["text"] for line in shop.TRAIN.read_text(encoding="utf-8").splitlines()])
    assert {"friday", "wednesday"} <= set(found["monday"])
    assert "need" in found["want"]
    assert found["arrived"][0] == "came"
    assert all(1 <= len(alike) <= 10 and word not in alike for word, alike in found.items())
