"""Views that are drawn anew in each epoch: the same ones from wherever a training is taken up, and never twice."""

import numpy as np

from limbeck.engine.batches import Examples, batches
from limbeck.modalities.audio import Audio
from limbeck.modalities.image import Image
from limbeck.pipeline.views import afresh
from limbeck.types import Record, Signal
from pictures import drawn

ROWS = 5


def views() -> list:
    payloads = [Image(12, 3).payload(drawn("bars", n), None) for n in range(ROWS)]
    records = [Record(Image.key(p), p, "bars") for p in payloads]
    return [v.payload for v in Image(12, 3).views(records, Image.view_plan(per_record=2), 0)]


def test_a_view_by_other_dice_is_another_picture_and_a_record_stays_itself() -> None:
    found = views()
    again = [Image.anew(p, 1) for p in found]
    assert [p.identity for p in again[:ROWS]] == [p.identity for p in found[:ROWS]]
    assert not {p.identity for p in again[ROWS:]} & {p.identity for p in found}
    assert again == [Image.anew(p, 1) for p in found] != [Image.anew(p, 2) for p in found]
    assert any(not np.array_equal(a.plain(), b.plain()) for a, b in zip(found[ROWS:], again[ROWS:], strict=True))
    assert {p.source for p in again} == {p.source for p in found}
    assert Audio.anew is Image.anew


def test_each_epoch_has_its_own_and_a_training_may_be_taken_up_within_any() -> None:
    payloads, modality = views(), Image(12, 3)
    asked: list[bytes] = []

    def answer(some: list) -> Signal:
        asked.extend(p.identity for p in some)
        return Signal(logits_BC=np.array([[float(p.plain().mean()), 0.0] for p in some], np.float32))

    stored = np.array([[float(p.plain().mean()), 0.0] for p in payloads], np.float32)
    plain = Examples(modality.encode(payloads), np.zeros(len(payloads), np.int64), Signal(logits_BC=stored))
    examples = afresh(plain, modality, payloads, answer)

    def taken(first: int) -> list:
        found = batches(examples, modality.collate, batch_size=4, epochs=3, seed=0, device="cpu", first=first)
        return [(b.inputs["pixels"].numpy(), b.signal.logits_BC.numpy()) for b in found]

    whole = taken(0)
    assert len(whole) == 12
    assert len(asked) == len(payloads) * 2, "the first epoch's answers lie in the store"
    assert len(set(asked)) == ROWS + 2 * 2 * ROWS
    for pixels_BCHW, logits_BC in whole:  # the teacher answers to what the student is shown
        np.testing.assert_allclose(pixels_BCHW.mean(axis=(1, 2, 3)), logits_BC[:, 0], rtol=1e-4)
    for first in (1, 5, 8):
        for ours, theirs in zip(taken(first), whole[first:], strict=True):
            np.testing.assert_array_equal(ours[0], theirs[0])
            np.testing.assert_array_equal(ours[1], theirs[1])


def test_without_a_teacher_labels_hold_on() -> None:
    payloads, modality = views(), Image(12, 3)
    labels = np.arange(len(payloads)) % 3
    examples = afresh(Examples(modality.encode(payloads), labels), modality, payloads)
    later = [*batches(examples, modality.collate, batch_size=15, epochs=2, seed=0, device="cpu", first=1)]
    assert sorted(later[0].labels_B.tolist()) == sorted(labels.tolist())
    assert later[0].signal.logits_BC is None
