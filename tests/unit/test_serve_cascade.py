"""A student hands over what it is not sure of; the client gets an answer that says who gave it, or why nobody else did."""

import asyncio
import time
from dataclasses import replace

import numpy as np
import pytest

from asking import ask
from bundles import sealed
from handing_over import BETTER, PERSON, SURE, UNSURE, Teacher, figures, stage
from limbeck.bundle import Bundle
from limbeck.errors import BundleError, InputFileError, TeacherError
from limbeck.runtime.predict import Predictor
from limbeck.serve.answer import Answer
from limbeck.serve.app import App
from limbeck.serve.cascade import Cascade
from limbeck.serve.escalation import escalation_of
from limbeck.serve.post import UnavailableError
from limbeck.serve.service import Model, Service
from limbeck.serve.settings import HandOver
from limbeck.serve.stage import Asking, Stage
from limbeck.serve.teacher import BundleTeacher
from limbeck.verify.cascade import chosen
from limbeck.verify.validation import Validation


def handed_over(*asked_ones, sure: float = 0.0) -> Answer:
    async def run():
        stages = [Stage(who, one, Asking(deadline=0.3)) for who, one in zip(("teacher", "person"), asked_ones, strict=False)]
        cascade = Cascade(0.5, stages, sure)
        try:
            return await cascade("text", UNSURE)
        finally:
            cascade.close()
            for one in asked_ones:
                one.go.set()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("teacher", "person", "sure", "expected"),
    [
        (BETTER, None, 0.0, BETTER),
        (BETTER, PERSON, 0.99, PERSON),
        (BETTER, PERSON, 0.9, BETTER),
        (BETTER, UnavailableError("down"), 0.99, BETTER),
        (None, PERSON, 0.0, PERSON),
        (UnavailableError("down"), PERSON, 0.0, PERSON),
        (UnavailableError("down"), None, 0.0, replace(UNSURE, escalation="failed")),
        ("hang", None, 0.0, replace(UNSURE, escalation="late")),
        (None, None, 0.0, replace(UNSURE, escalation="no answer")),
    ],
)
def test_the_next_one_is_asked_and_the_answer_says_who_answered(teacher, person, sure, expected) -> None:
    assert handed_over(Teacher(teacher), Teacher(person), sure=sure) == expected


def test_only_what_the_student_is_not_sure_of_is_handed_over() -> None:
    cascade = Cascade(0.5, [])
    assert cascade.wanted(UNSURE)
    assert not cascade.wanted(replace(UNSURE, confidence=0.5))
    assert asyncio.run(cascade("text", UNSURE)).escalation == "no answer"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return sealed(tmp_path_factory.mktemp("cascade") / "tiny" / "bundle")


@pytest.fixture(scope="module")
def student(bundle) -> Predictor:
    return Predictor(bundle)


@pytest.fixture(scope="module")
def model(bundle, student) -> Model:
    return Model("tiny", student, bundle.path, bundle.sha256)


def service(student, *stages, threshold: float = 1.01, watchers=()) -> Service:
    return Service(
        {"tiny": Model("tiny", student, student.path)}, escalate={"tiny": Cascade(threshold, stages, watchers=watchers)}
    )


def test_the_response_says_who_answered(student) -> None:
    served = service(student, stage(BundleTeacher(student, student)))
    found = ask(App(served), "/v1/classify", {"input": ["where is it", "hello"], "top_k": 3}).json()
    own = student.predict(["where is it", "hello"])
    assert [(r["answered_by"], r["label"]) for r in found["results"]] == [("teacher", p.label) for p in own]
    assert found["results"][0]["confidence"] == pytest.approx(own[0].probability, abs=1e-5)
    assert len(found["results"][0]["top"]) == 3
    down = service(student, stage(Teacher(UnavailableError("down"))))
    one = ask(App(down), "/v1/classify", {"input": "hello"}).json()["results"][0]
    assert (one["answered_by"], one["escalation"], one["label"]) == ("student", "failed", own[1].label)
    quiet = ask(App(service(student, threshold=0.0)), "/v1/classify", {"input": "hello"}).json()["results"][0]
    assert quiet["answered_by"] == "student"
    assert "escalation" not in quiet
    assert figures(served)["limbeck_cascade_asked_total", "tiny", "teacher", "answered"] == 2
    served.close()


def test_a_teacher_that_hangs_keeps_no_other_client_waiting(student) -> None:
    teacher = Teacher("hang")

    async def run():
        cascade = Cascade(1.01, [stage(teacher, workers=2, deadline=1.0)])
        served = Service({"tiny": Model("tiny", student, student.path)}, escalate={"tiny": cascade})
        waiting = [asyncio.ensure_future(served.classify(None, [f"text {i}"])) for i in range(10)]
        await asyncio.sleep(0.05)
        cascade.wanted = lambda answer: False  # from here on texts that the student is sure of
        begin, times = time.perf_counter(), []
        for _ in range(50):
            assert served.now(None, ["hello"]) is not None
            await asyncio.sleep(0)
            times.append(time.perf_counter() - begin)
        answered = times[-1]
        teacher.go.set()
        found = await asyncio.gather(*waiting)
        served.close()
        return answered, found

    answered, found = asyncio.run(run())
    assert answered < 0.9  # fifty answers, while ten clients wait for a teacher that takes a second and more
    assert len(found) == 10


def test_a_client_that_cannot_wait_gets_the_students_answer(student) -> None:
    teacher = Teacher("hang")

    async def run():
        served = service(student, stage(teacher, deadline=5.0))
        found = await served.classify(None, ["hello"], deadline=time.monotonic() + 0.2)
        served.close()
        return found.results[0]

    found = asyncio.run(run())
    assert (found.answered_by, found.escalation) == ("student", "late")


def test_what_was_chosen_is_served(bundle, model, tmp_path) -> None:
    made = escalation_of(model, HandOver(teacher=str(bundle.path), threshold=0.7, shadow=0.5, keep=tmp_path / "kept.jsonl"))
    assert made.wanted(replace(SURE, confidence=0.69))
    assert not made.wanted(replace(SURE, confidence=0.7))
    names = {name for name, *_ in made.figures()}
    assert {"limbeck_cascade_breaker_open", "limbeck_shadow_asked_total", "limbeck_escalations_kept_total"} <= names
    made.close()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"person": "https://hook/x"}, r"nothing says below which confidence.*--cascade FILE.*--threshold"),
        ({"teacher": "https://host/v1", "threshold": 0.5}, "--teacher-model NAME"),
        ({"person": "https://hook/x", "threshold": 0.5, "shadow": 0.1}, "--shadow asks the teacher"),
        ({"shadow": 0.1}, "--shadow asks the teacher"),
        ({"threshold": 0.5}, "name who is asked with --teacher or --person"),
        ({"keep": "kept.jsonl"}, "name who is asked"),
        ({"teacher": "nowhere", "threshold": 0.5}, "there is no bundle at nowhere"),
        ({"cascade": "nowhere.json"}, "limbeck cascade RUN"),
        ({"person": "https://hook/x", "threshold": 0.5, "keep": "kept.txt"}, "a .jsonl file"),
    ],
)
def test_what_is_missing_is_asked_for(wanted, message, model, tmp_path) -> None:
    paths = {name: tmp_path / value for name, value in wanted.items() if name in ("cascade", "keep")}
    assert HandOver(**wanted).asked
    with pytest.raises(InputFileError, match=message):
        escalation_of(model, HandOver(**{**wanted, **paths}))


def test_the_threshold_of_the_run_is_found_beside_the_bundle(bundle, model) -> None:
    evidence = bundle.path.parent / "evidence"
    evidence.mkdir()
    answers = Validation([str(i) for i in range(99)], np.eye(3)[[0] * 99], np.eye(3)[[0] * 99], None, bundle.sha256)
    chosen(answers, 1.0, share=1.0).write(evidence / "cascade.json")
    made = escalation_of(model, HandOver(teacher=str(bundle.path)))
    assert made.wanted(replace(SURE, confidence=1.0))  # everything goes to the teacher
    chosen(replace(answers, bundle="0" * 64), 1.0).write(evidence / "cascade.json")
    with pytest.raises(BundleError, match="another student is sure of other texts"):
        escalation_of(model, HandOver(teacher=str(bundle.path)))


def test_a_teacher_with_other_labels_is_none(student, tmp_path) -> None:
    other = Predictor(sealed(tmp_path / "bundle", labels=["greeting", "question", "refund"]))
    with pytest.raises(TeacherError, match="other labels.*'refund', 'thanks'"):
        BundleTeacher(student, other)
