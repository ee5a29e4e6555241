"""Real questions of bank customers, where the data is at hand (LIMBECK_DATA): they are read whole, and pruning spells them as before."""

import json

import numpy as np

from limbeck.data.read import read_records
from limbeck.modalities.text import Text
from limbeck.shop import packaged_model


def test_banking77_is_read_whole(banking77) -> None:
    train, test = (read_records(banking77 / f"{name}.jsonl.gz") for name in ("train", "test"))
    assert (len(train), len(test)) == (10_003, 3_080)
    assert len({r.label for r in train}) == len({r.label for r in test}) == 77


def test_a_pruned_vocabulary_spells_real_questions(banking77) -> None:
    """Texts that it was pruned for keep their pieces; texts that it has never seen get no unknown token."""
    folder = packaged_model()
    assert folder is not None
    full = Text(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")))
    texts = [r.payload for r in read_records(banking77 / "train.jsonl.gz")]
    seen, unseen = texts[::10], texts[5::10]
    small, origin = full.pruned(seen)
    for before, after in zip(full.encode(seen), small.encode(seen), strict=True):
        np.testing.assert_array_equal(origin.old_ids_V[after], before)
    unknown = full.encode(["\u4e00\ue000"])[0][-1]
    assert not any((origin.old_ids_V[ids] == unknown).any() for ids in small.encode(unseen))
    assert small.vocabulary_size < full.vocabulary_size / 3
