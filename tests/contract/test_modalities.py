"""What every modality keeps; a new file in modalities/ is picked up without edits."""

import json

import numpy as np
import pytest

from limbeck import find, names
from limbeck.types import Modality


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
        assert len(expected) <= modality.max_tokens


def test_words_are_parallel_to_the_tokens(pair) -> None:
    modality, payloads = pair
    if not hasattr(modality, "words"):
        pytest.skip("no words in this modality")
    for encoded, numbers in zip(modality.encode(payloads), modality.words(payloads), strict=True):
        assert encoded.shape == numbers.shape
        assert (numbers >= -1).all()


def test_padding_a_batch_does_not_change_other_rows(pair) -> None:
    modality, payloads = pair
    batch = modality.collate(modality.encode(payloads))
    for row, payload in enumerate(payloads):
        alone = modality.collate(modality.encode([payload]))
        for name, value in alone.items():
            width = value.shape[1]
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
