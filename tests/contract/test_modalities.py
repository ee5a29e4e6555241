"""What every modality keeps; a new file in modalities/ is picked up without edits."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from limbeck import find, names
from limbeck.payloads import identity, size
from limbeck.types import Modality, Record


@pytest.fixture(params=names("modalities"))
def pair(request: pytest.FixtureRequest):
    return find("modalities", request.param).tiny()


def test_keeps_the_protocol(pair) -> None:
    assert isinstance(pair[0], Modality)


def test_encode_is_deterministic_and_does_not_depend_on_company(pair) -> None:
    modality, payloads = pair
    together = modality.encode(payloads)
    for payload, expected in zip(payloads, together, strict=True):
        np.testing.assert_array_equal(modality.encode([payload])[0], expected)
        assert len(expected) <= getattr(modality, "max_tokens", len(expected))


def test_words_are_parallel_to_the_tokens(pair) -> None:
    modality, payloads = pair
    if not hasattr(modality, "words"):
        pytest.skip("no words in this modality")
    for encoded, numbers in zip(modality.encode(payloads), modality.words(payloads), strict=True):
        assert encoded.shape == numbers.shape
        assert (numbers >= -1).all()


def test_a_payload_goes_through_json_and_has_a_key(pair) -> None:
    modality, payloads = pair
    for payload in payloads:
        again = modality.from_json(json.loads(json.dumps(modality.to_json(payload))))
        assert identity(again) == identity(payload)
        assert modality.key(again) == modality.key(payload)
    assert len(set(map(identity, payloads))) == len(payloads)


def test_a_stand_in_is_as_large_and_holds_nothing_of_the_payload(pair) -> None:
    modality, payloads = pair
    for number, payload in enumerate(payloads):
        found = modality.stand_in(payload, number)
        again = modality.from_json(json.loads(json.dumps(modality.to_json(found))))
        assert identity(again) == identity(found)
        if isinstance(payload, str):
            assert len(payload.split()) <= len(found.split()) or len(found.split()) == 10_000
            assert len(found) <= len(payload) + 6 * len(payload.split())
            assert set(found.split()) <= set(modality.stand_in("a " * 100, 0).split()), "all words are limbeck's own"
            continue
        assert size(found) == size(payload)
        theirs, own = (np.asarray(modality.encode([p])[0], np.float64).ravel() for p in (payload, found))
        if theirs.std() > 0 and own.std() > 0 and theirs.size > 50:
            assert abs(np.corrcoef(theirs, own)[0, 1]) < 0.9, "what it looks or sounds like does not come from the payload"
        assert modality.key(found) != modality.key(payload)


def test_golden_examples_and_swept_shapes_can_be_read(pair) -> None:
    modality, _ = pair
    encoded = modality.encode(list(map(modality.from_json, json.loads(json.dumps(modality.golden)))))
    for rows in modality.sweep(encoded, 32).values():
        assert len(rows) == 32
        assert all(len(v) == 32 for v in modality.collate(rows).values())


def test_an_empty_cell_is_no_payload(pair) -> None:
    for empty in (None, "", " "):
        with pytest.raises(ValueError, match="^$"):
            pair[0].payload(empty, Path())
    with pytest.raises(ValueError, match="must hold"):
        pair[0].payload(3.5, Path())


def test_views_are_the_same_for_the_same_seed(pair) -> None:
    modality, payloads = pair
    records = [Record(modality.key(p), p, "a") for p in payloads if not isinstance(p, str) or p.isalpha()]
    plan = dataclasses.replace(modality.view_plan(), per_record=4)
    one, again, other = (modality.views(records, plan, seed) for seed in (1, 1, 2))
    assert [identity(v.payload) for v in one] == [identity(v.payload) for v in again]
    assert [v.payload for v in one[: len(records)]] == [r.payload for r in records]
    assert all(v.label == "a" for v in modality.views(records, plan.keeping_labels(), 1))
    assert len(records) == 1 or {identity(v.payload) for v in one} != {identity(v.payload) for v in other}


def test_padding_a_batch_does_not_change_other_rows(pair) -> None:
    modality, payloads = pair
    batch = modality.collate(modality.encode(payloads))
    for row, payload in enumerate(payloads):
        alone = modality.collate(modality.encode([payload]))
        for name, value in alone.items():
            width = value.shape[1]  # of pictures, all of one size, the colours
            np.testing.assert_array_equal(batch[name][row, :width], value[0])
            assert (batch[name][row, width:] == 0).all()


def test_from_spec_encodes_identically(pair) -> None:
    modality, payloads = pair
    spec = json.loads(json.dumps(modality.spec()))
    again = type(modality).from_spec(spec)
    assert again.spec() == spec
    for a, b in zip(modality.encode(payloads), again.encode(payloads), strict=True):
        np.testing.assert_array_equal(a, b)


def test_truncation_and_padding_are_not_in_the_tokenizer_file(pair) -> None:
    tokenizer = pair[0].spec().get("tokenizer")
    if tokenizer is not None:
        assert tokenizer["truncation"] is None
        assert tokenizer["padding"] is None


def test_a_payload_of_another_type_is_refused(pair) -> None:
    with pytest.raises(TypeError, match="expected"):
        pair[0].encode([object()])
