"""Every hostile bundle of the benchmark is refused by name, and so is a good one after a random change of its bytes."""

import re
import sys
import time
from pathlib import Path

import pytest

from limbeck.bundle import Bundle
from limbeck.errors import LimbeckError
from limbeck.runtime.predict import load

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import hostile_archives
import hostile_bundles  # registers the cases of all files
import hostile_cases

CASES = hostile_cases.CASES


def test_the_good_bundle_from_which_they_are_made_answers(tmp_path: Path) -> None:
    for target in ("onnx", "numpy"):
        (tmp_path / target).mkdir()
        folder = hostile_cases.write(tmp_path / target, hostile_cases.good(target))
        assert load(folder).predict(["hello"])[0].label in hostile_cases.LABELS
    path, public = hostile_archives.signed(tmp_path)
    assert load(path, key=public).predict(["hello"])[0].label in hostile_cases.LABELS


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 250


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_bundle_is_refused_by_name(name: str, tmp_path: Path) -> None:
    path, options = CASES[name].make(tmp_path)
    began = time.perf_counter()
    with pytest.raises(LimbeckError) as refusal:
        load(path, **options)
    assert re.search(CASES[name].names, str(refusal.value), re.DOTALL), refusal.value
    assert time.perf_counter() - began < 10  # none of them keeps the machine busy


def test_mutations_are_refused_by_name() -> None:
    found = hostile_bundles.mutations(1_000, seed=2)
    assert {key: n for key, n in found.items() if key in hostile_bundles.OUTCOMES} == {"refused": 1_000}


def test_mutations_with_right_hashes_end_in_an_answer_or_in_an_error_of_ours() -> None:
    outcomes = {hostile_bundles._resealed(number, seed=2)["outcome"] for number in range(300)}
    assert outcomes == {"refused", "accepted"}  # a changed weight may pass where no key is asked for
    assert hostile_bundles.with_key(50, seed=2) == {"refused": 50}


def test_what_is_opened_is_not_what_was_changed_later(tmp_path: Path) -> None:
    folder = hostile_cases.write(tmp_path, hostile_cases.good())
    bundle = Bundle.open(folder)
    (folder / "model.onnx").write_bytes(b"changed")
    assert bundle.content["model.onnx"] == hostile_cases.good()["model.onnx"]
