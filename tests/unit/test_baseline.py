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


def test_nothing_to_learn_from_is_no_baseline() -> None:
    assert baseline_answers(TASK, TEXTS, ["card"] * 4, [], ["card"]) is None
    assert baseline_answers(TASK, ["", " "], ["a", "b"], [], ["a", "b"]) is None
