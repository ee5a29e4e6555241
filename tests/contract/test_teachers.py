"""What every teacher keeps; a new file in teachers/ is picked up without edits."""

import dataclasses

import numpy as np
import pytest
import torch

from limbeck import find, names
from limbeck.engine.batches import Examples, batches
from limbeck.errors import MissingExtraError, TeacherError
from limbeck.types import Teacher

TEXTS = ["hello", "where is my parcel?", "", "a " * 400, "👍", "thanks " * 3, "x"] * 20


def made(kind: str, folder, **more):
    """The kind's smallest instance; skips where its packages are not installed."""
    try:
        return find("teachers", kind).tiny(folder, **more)
    except MissingExtraError as error:
        pytest.skip(str(error))


def asked(kind: str) -> list:
    """What a teacher of this kind is asked: of pictures, some of many sizes."""
    reads = getattr(find("teachers", kind), "modality", "text")
    if reads == "text":
        return TEXTS
    modality = find("modalities", reads)
    return [*modality.tiny()[1], *modality.tiny()[1][:7]] * 10


FINE_TUNED = [name for name in names("teachers") if hasattr(find("teachers", name), "add_head")]


@pytest.fixture(params=names("teachers"), scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def teacher(kind: str, tmp_path_factory: pytest.TempPathFactory):
    found = made(kind, tmp_path_factory.mktemp(kind))
    yield found
    if hasattr(found, "close"):
        found.close()


@pytest.fixture
def payloads(kind: str) -> list:
    return asked(kind)


def test_keeps_the_protocol(teacher) -> None:
    assert isinstance(teacher, Teacher)
    assert dataclasses.is_dataclass(type(teacher).Settings)
    assert "logits_BC" in teacher.gives()
    assert len(teacher.labels) >= 2
    assert teacher.has_head
    assert isinstance(teacher.parameters, int)


def test_gives_every_field_that_it_says_in_order(teacher, payloads) -> None:
    signal = teacher.answer(payloads, teacher.gives())
    assert set(signal.given()) == teacher.gives()
    for value in signal.given().values():
        assert value.dtype == np.float32
        assert len(value) == len(payloads)
        assert np.isfinite(value).all()
    assert signal.logits_BC.shape[1] == len(teacher.labels)
    assert np.ptp(signal.logits_BC[:7], axis=0).max() > 1e-3  # a teacher that ignores its texts would not pass


def test_gives_only_what_is_asked(teacher, payloads) -> None:
    assert set(teacher.answer(payloads[:2], frozenset({"logits_BC"})).given()) == {"logits_BC"}


def test_two_calls_agree_and_company_does_not_matter(teacher, payloads) -> None:
    needs = frozenset({"logits_BC"})
    first = teacher.answer(payloads, needs).logits_BC
    np.testing.assert_array_equal(first, teacher.answer(payloads, needs).logits_BC)
    alone = np.concatenate([teacher.answer([t], needs).logits_BC for t in payloads[:7]])
    np.testing.assert_allclose(alone, first[:7], atol=teacher.tolerance)


def test_leaves_gradients_on_for_its_caller(teacher, payloads) -> None:
    teacher.answer(payloads[:3], frozenset({"logits_BC"}))
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("kind", FINE_TUNED, indirect=True, scope="module")
def test_what_it_encodes_can_be_learned_from_in_batches(teacher, payloads) -> None:
    some = [payloads[0]] * 5  # clips of one length, which a teacher may ask for
    examples = Examples(teacher.encode(some), np.zeros(5, np.int64))
    for batch in batches(examples, teacher.collate, batch_size=2, epochs=1, seed=0, device="cpu"):
        logits_BC = teacher.module(**batch.inputs).logits_BC
        assert logits_BC.shape == (len(batch.labels_B), len(teacher.labels))
        assert logits_BC.requires_grad


def test_other_names_for_its_labels_change_no_answer(teacher, payloads) -> None:
    needs = frozenset({"logits_BC"})
    before, labels = teacher.answer(payloads[:7], needs).logits_BC, teacher.labels
    fingerprint = dict(teacher.fingerprint())
    try:
        teacher.labels = tuple(label.upper() for label in labels)  # as the pipeline does, to spell them as the data does
        np.testing.assert_array_equal(teacher.answer(payloads[:7], needs).logits_BC, before)
    finally:
        teacher.labels = labels
    assert dict(teacher.fingerprint()) == fingerprint


def test_the_fingerprint_is_stable_and_notices_other_weights(kind: str, teacher, tmp_path) -> None:
    before = dict(teacher.fingerprint())
    assert before == dict(teacher.fingerprint())
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in before.items())
    assert before["kind"] == kind
    for name in ("same", "other"):
        (tmp_path / name).mkdir()
    same, other = made(kind, tmp_path / "same"), made(kind, tmp_path / "other", seed=1)
    assert dict(same.fingerprint()) == before
    assert "weights" in {k for k in before if before[k] != other.fingerprint()[k]}
    if hasattr(same, "module"):
        with torch.no_grad():
            next(same.module.parameters()).add_(1e-3)
        changed = dict(same.fingerprint())
        assert [k for k in before if before[k] != changed[k]] == ["weights"]
    for each in (same, other):
        if hasattr(each, "close"):
            each.close()


def test_an_unknown_source_is_explained(kind: str) -> None:
    entry = find("teachers", kind)
    source = {"model": "no/such-model"}
    if "model" not in {f.name for f in dataclasses.fields(entry.Settings)}:
        source = {"members": ({"kind": "onnx", **source}, {"kind": "onnx"})}
    if "endpoint" in {f.name for f in dataclasses.fields(entry.Settings)}:
        source["endpoint"] = "no-such-endpoint"  # a teacher that is asked elsewhere is not looked for before it is asked
    with pytest.raises((TeacherError, MissingExtraError), match=r"cannot load the teacher|needs the package|teacher\.\w+"):
        entry.load(entry.Settings(**source))
