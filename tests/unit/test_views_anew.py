"""Views that are drawn anew in each epoch: the same ones from wherever a training is taken up, and the teacher answers to what the student sees."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from limbeck.engine.batches import Examples, batches
from limbeck.modalities.image import Image
from limbeck.pipeline import views as pipeline_views
from limbeck.pipeline.views import afresh, answers, labels_of, lesson_size, lesson_views, redrawn
from limbeck.signals.store import SignalStore
from limbeck.types import Record, Signal, View
from pictures import drawn

ROWS, LABELS, NEEDS = 6, ("bars", "dots"), frozenset({"logits_BC"})
PLAN = Image.view_plan(per_record=2, live=True)
MODALITY = Image(12, 3)
RUN: Any = SimpleNamespace(recipe=SimpleNamespace(seed=0))


def records() -> list[Record]:
    payloads = [Image.payload(drawn(LABELS[n % 2], n), None) for n in range(ROWS)]
    return [Record(Image.key(p), p, LABELS[n % 2]) for n, p in enumerate(payloads)]


class Brightness:
    """A teacher whose logit is the mean of the pixels; it notes what it is asked, and in which precision."""

    def __init__(self) -> None:
        self.precision, self.asked, self.precisions = "float32", list[bytes](), set[str]()

    def answer(self, payloads: list[Any], needs: frozenset[str]) -> Signal:
        self.asked += [p.identity for p in payloads]
        self.precisions.add(self.precision)
        return Signal(logits_BC=np.array([[p.plain().mean(), 0.0] for p in payloads], np.float32))


def label(views: list[View]) -> np.ndarray:
    return labels_of(views, LABELS, several=False)


def test_each_epoch_draws_other_views_of_the_same_records() -> None:
    first = MODALITY.views(records(), PLAN, 0)
    draw = redrawn(RUN, MODALITY, records(), PLAN)
    epochs = [first, draw(1), draw(2)]
    for one in epochs[1:]:
        assert [v.payload.identity for v in one[:ROWS]] == [v.payload.identity for v in first[:ROWS]]
        assert [v.keys[0] for v in one] == [v.keys[0] for v in first]
    seen = [{v.payload.identity for v in one[ROWS:]} for one in epochs]
    assert len(set().union(*seen)) == sum(map(len, seen))
    assert [v.payload.identity for v in draw(1)] == [v.payload.identity for v in epochs[1]]
    later = redrawn(RUN, MODALITY, records(), PLAN, first=1)
    assert [v.payload.identity for v in later(1)] == [v.payload.identity for v in epochs[2]]
    mixes = [[len(v.keys) for v in draw(epoch)[ROWS:]] for epoch in range(1, 9)]
    assert len({tuple(one) for one in mixes}) > 1, "which views are mixes is drawn anew too"


def test_the_teacher_answers_to_what_is_seen_and_a_training_may_be_taken_up_within_any_epoch(tmp_path: Path) -> None:
    teacher, views = Brightness(), MODALITY.views(records(), PLAN, 0)
    store = SignalStore(tmp_path, {"weights": "1", "precision": "bfloat16"})
    payloads = [v.payload for v in views]
    new = store.missing(payloads, NEEDS)
    store.commit(new, teacher.answer(new, NEEDS))
    teacher.asked, teacher.precisions = [], set()
    plain = Examples(MODALITY.encode(payloads), label(views), store.get(payloads, NEEDS))
    draw = redrawn(RUN, MODALITY, records(), PLAN)
    examples = afresh(plain, MODALITY, draw, label, answers(teacher, store, NEEDS))

    def taken(first: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        found = batches(examples, MODALITY.collate, batch_size=4, epochs=3, seed=0, device="cpu", first=first)
        return [(b.inputs["pixels"].numpy(), b.signal.logits_BC.numpy(), b.labels_B.numpy()) for b in found]

    whole = taken(0)
    assert len(whole) == 3 * 5
    assert len(teacher.asked) == len(set(teacher.asked)) == 2 * 2 * ROWS, "records and the first epoch lie in the store"
    assert teacher.precisions == {"bfloat16"}, "as the first epoch was labelled"
    assert teacher.precision == "float32"
    for pixels_BCHW, logits_BC, _ in whole:
        np.testing.assert_allclose(pixels_BCHW.mean(axis=(1, 2, 3)), logits_BC[:, 0], rtol=1e-4)
    for epoch in range(3):
        labels = np.concatenate([of[2] for of in whole[5 * epoch : 5 * epoch + 5]])
        assert sorted(labels) == sorted(label(draw(epoch) if epoch else views)), (
            "a mix has no label, and which are mixes changes"
        )
    for first in (1, 6, 9):
        for ours, theirs in zip(taken(first), whole[first:], strict=True):
            for one, other in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(one, other)


def test_without_a_teacher_there_are_labels_alone() -> None:
    plan = PLAN.keeping_labels()
    views = MODALITY.views(records(), plan, 0)
    plain = Examples(MODALITY.encode([v.payload for v in views]), label(views))
    examples = afresh(plain, MODALITY, redrawn(RUN, MODALITY, records(), plan), label)
    later = [*batches(examples, MODALITY.collate, batch_size=18, epochs=2, seed=0, device="cpu", first=1)]
    assert later[0].signal.logits_BC is None
    assert sorted(later[0].labels_B.tolist()) == sorted(label(views).tolist())
    assert -1 not in later[0].labels_B


def test_a_teacher_learns_views_that_keep_their_labels_by_dice_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_views, "full_modality", lambda run, teacher: MODALITY)
    rows = records()

    def shown(views: int | None, seed: int) -> tuple[list[bytes], list[int]]:
        plan = None if views is None else replace(PLAN.keeping_labels(), per_record=views)
        run: Any = SimpleNamespace(recipe=SimpleNamespace(seed=0, lesson_plan=lambda: plan))
        payloads, row_N = lesson_views(run, None, rows, seed)
        assert len(payloads) == ROWS * lesson_size(run)
        return [p.identity for p in payloads], row_N.tolist()

    identities, numbers = shown(3, 0)
    assert numbers == [*range(ROWS), *(n for n in range(ROWS) for _ in range(3))]
    assert identities[:ROWS] == [r.payload.identity for r in rows]
    assert len(set(identities)) == 4 * ROWS
    assert shown(3, 0) == (identities, numbers)
    assert not set(identities[ROWS:]) & set(shown(3, 1)[0]), "another seed of the teacher sees others"
    assert shown(None, 0) == (identities[:ROWS], [*range(ROWS)])
    rows.append(replace(rows[0], label="dots"))  # a copy whose label is another: each keeps its own
    again: Any = SimpleNamespace(recipe=SimpleNamespace(seed=0, lesson_plan=PLAN.keeping_labels))
    _, row_N = lesson_views(again, None, rows, 0)
    assert row_N[: len(rows)].tolist() == [*range(len(rows))]
