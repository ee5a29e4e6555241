"""The trivial baseline answers what it can learn from, and says where it cannot."""

import numpy as np

from limbeck import find
from limbeck.pipeline.baseline import baseline_answers
from limbeck.types import Record

TASK = find("tasks", "text-classification")
TEXTS = ["where is my card", "my card is lost", "hello there", "good morning to you"]
LABELS = ["card", "lost", "hello", "hello"]


def test_few_rows_of_many_classes_are_no_regression() -> None:
    judged = [Record("a", "hello", None), Record("b", "where is it", None), Record("c", "lost!", None)]
    found = baseline_answers(TASK, TEXTS, LABELS, judged, ["card", "hello", "lost"])  # a warning would be an error here
    assert found is not None
    assert np.array_equal(found, [1, 0, 2])


def test_pictures_have_a_baseline_of_their_own() -> None:
    task, dice = find("tasks", "image-classification"), np.random.default_rng(0)
    read = find("modalities", "image").received

    def drawn(level: int) -> object:
        return read(dice.integers(level, level + 60, (9, 7)).astype(np.uint8))

    payloads, labels = [drawn(level) for level in (20, 150) for _ in range(12)], ["dark"] * 12 + ["light"] * 12
    judged = [Record(str(n), drawn(level), None) for n, level in enumerate((30, 160, 25, 170))]
    assert baseline_answers(task, payloads, labels, judged, ["dark", "light"]).tolist() == [0, 1, 0, 1]
    assert baseline_answers(task, payloads[:1] * 4, ["a", "b", "a", "b"], [], ["a", "b"]) is None  # all are alike


def test_nothing_to_learn_from_is_no_baseline() -> None:
    assert baseline_answers(TASK, TEXTS, ["card"] * 4, [], ["card"]) is None
    assert baseline_answers(TASK, ["", " "], ["a", "b"], [], ["a", "b"]) is None
