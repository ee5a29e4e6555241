"""What every teacher keeps; a new file in teachers/ is picked up without edits."""

import dataclasses

import numpy as np
import pytest
import torch

from limbeck import find, names
from limbeck.types import Teacher

TEXTS = ["hello", "where is my parcel?", "", "a " * 400, "👍", "thanks " * 3, "x"] * 20


@pytest.fixture(params=names("teachers"), scope="module")
def teacher(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    return find("teachers", request.param).tiny(tmp_path_factory.mktemp(request.param))


def test_keeps_the_protocol(teacher) -> None:
    assert isinstance(teacher, Teacher)
    assert dataclasses.is_dataclass(type(teacher).Settings)
    assert "logits_BC" in teacher.gives()
    assert len(teacher.labels) >= 2


def test_gives_every_field_that_it_says_in_order(teacher) -> None:
    signal = teacher.answer(TEXTS, teacher.gives())
    assert set(signal.given()) == teacher.gives()
    for value in signal.given().values():
        assert value.dtype == np.float32
        assert len(value) == len(TEXTS)
        assert np.isfinite(value).all()
    assert signal.logits_BC.shape[1] == len(teacher.labels)


def test_gives_only_what_is_asked(teacher) -> None:
    assert set(teacher.answer(TEXTS[:2], frozenset({"logits_BC"})).given()) == {"logits_BC"}


def test_two_calls_agree_and_company_does_not_matter(teacher) -> None:
    needs = frozenset({"logits_BC"})
    first = teacher.answer(TEXTS, needs).logits_BC
    np.testing.assert_array_equal(first, teacher.answer(TEXTS, needs).logits_BC)
    alone = np.concatenate([teacher.answer([t], needs).logits_BC for t in TEXTS[:7]])
    np.testing.assert_allclose(alone, first[:7], atol=teacher.tolerance)


def test_leaves_gradients_on_for_its_caller(teacher) -> None:
    teacher.answer(TEXTS[:3], frozenset({"logits_BC"}))
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_the_fingerprint_is_stable_and_notices_changes(teacher, tmp_path) -> None:
    before = dict(teacher.fingerprint())
    assert before == dict(teacher.fingerprint())
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in before.items())
    other = type(teacher).tiny(tmp_path)
    assert dict(other.fingerprint()) == before
    if hasattr(other, "module"):
        with torch.no_grad():
            next(other.module.parameters()).add_(1e-3)
        changed = dict(other.fingerprint())
        assert [k for k in before if before[k] != changed[k]] == ["weights"]


def test_an_unknown_source_is_explained(teacher) -> None:
    from limbeck.errors import TeacherError

    with pytest.raises(TeacherError, match="cannot load the teacher"):
        type(teacher).load(type(teacher).Settings(model="no/such-model"))
