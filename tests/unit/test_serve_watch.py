"""The live agreement with the teacher, and what comes in against what a student was made for."""

import asyncio
from dataclasses import replace

import pytest

from bundles import LABELS, sealed
from handing_over import BETTER, SURE, UNSURE, Teacher, figures, stage
from limbeck.bundle import Bundle
from limbeck.drift import Counts
from limbeck.evidence import Interval
from limbeck.runtime.pieces import Pieces
from limbeck.serve.shadow import Shadow
from limbeck.serve.watch import Watch


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return sealed(tmp_path_factory.mktemp("cascade") / "tiny" / "bundle")


def watched(answers, before=None, share=1.0, window=100) -> Shadow:
    """A shadow that has seen an answer of the student and heard the teacher's, for each of these labels."""

    async def run():
        teacher = stage(Teacher(BETTER), workers=4)
        dice = iter([0.0, 0.99] * len(answers))
        shadow = Shadow(teacher, share, before, window, dice=lambda: next(dice) if share < 1 else 0.0)
        for label in answers:
            shadow.seen("text", replace(SURE, label=label))
            while shadow._tasks:
                await asyncio.sleep(0)
        teacher.close()
        return shadow

    return asyncio.run(run())


def test_the_live_agreement_is_measured_in_windows() -> None:
    found = watched(["thanks"] * 90 + ["greeting"] * 10 + ["greeting"] * 5)
    assert found.agreement is not None
    assert (found.agreement.estimate, found.dropped) == (0.9, False)
    assert found.agreement.low < 0.9 < found.agreement.high
    assert figures(found)["limbeck_shadow_asked_total",] == 105
    assert watched(["thanks"] * 100, share=0.5)._total == 50


@pytest.mark.parametrize(("same", "dropped"), [(97, False), (94, False), (80, True)])
def test_a_drop_against_distillation_is_shown(same, dropped) -> None:
    before = Interval(0.967, 0.951, 0.978)
    found = watched(["thanks"] * same + ["greeting"] * (100 - same), before)
    assert found.dropped is dropped
    assert figures(found)["limbeck_shadow_agreement_dropped",] == float(dropped)
    assert figures(found)["limbeck_shadow_agreement_expected",] == 0.967


def test_no_client_waits_for_a_shadow() -> None:
    async def run():
        teacher = Teacher("hang")
        one = stage(teacher, workers=2, deadline=1.0)
        shadow = Shadow(one, 1.0)
        for _ in range(5):
            shadow.seen("text", SURE)
            await asyncio.sleep(0.01)
        while not teacher.texts:
            await asyncio.sleep(0.01)
        waiting, idle = len(teacher.texts), one.idle
        teacher.go.set()
        shadow.close()
        one.close()
        return waiting, idle, shadow

    waiting, idle, shadow = asyncio.run(run())
    assert (waiting, idle) == (1, False)  # the second worker is for clients
    assert figures(shadow)["limbeck_shadow_skipped_total",] == 4


def test_what_comes_in_is_held_against_a_reference(bundle) -> None:
    pieces = Pieces.of(bundle)
    counts = Counts(3, pieces.known(["where is it", "hello there"]))
    for _ in range(300):
        counts.add(0.9, 0, pieces("where is it"))
    watch = Watch(LABELS, pieces, counts.reference(), share=1.0, window=50)
    for _ in range(50):
        watch.seen("where is it", SURE)
    assert [m.what for m in watch.moved] == ["confidence", "pieces", "rare", "labels"]
    assert not any(m.alarm for m in watch.moved)
    for _ in range(50):
        watch.seen("zzz qqq xxx zzz qqq xxx zzz qqq xxx 123", UNSURE)
    assert {m.what for m in watch.moved if m.alarm} >= {"confidence", "pieces"}
    assert figures(watch)["limbeck_drift_alarm", "confidence"] == 1.0
    assert figures(watch)["limbeck_drift", "labels"] == 0.0


def test_without_a_reference_the_first_texts_are_one(bundle) -> None:
    watch = Watch(LABELS, Pieces.of(bundle), share=1.0, window=40)
    for _ in range(20 + 40 + 40):
        assert watch.moved == ()
        watch.seen("hello", SURE)
    assert len(watch.moved) == 4
    assert not any(m.alarm for m in watch.moved)
