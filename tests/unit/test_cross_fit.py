"""The parts of a cross-fitting, put together again: each row has the answer that was given to it."""

import numpy as np

from limbeck.pipeline.cross_fit import together
from limbeck.types import Record

ROWS = [Record(key, text, "x") for key, text in (("a", "hi"), ("b", "why"), ("a", "HI"), ("c", "when"), ("a", "hi"))]


def answers(numbers, **more):
    return {"student": np.array([[n, -n] for n in numbers], np.float32), **more}


def test_copies_of_a_text_each_get_their_answer() -> None:
    told = [(0, {"a"}, answers([1, 3, 5])), (0, {"b", "c"}, answers([2, 4])), (1, {"a", "b", "c"}, answers([1, 2, 3, 4, 5]))]
    found = together(ROWS, 2, told)
    assert found["student"].shape == (2, 5, 2)
    assert (found["student"][..., 0] == [1, 2, 3, 4, 5]).all()


def test_a_model_that_a_part_lacks_is_left_out_and_not_made_up() -> None:
    told = [(0, {"a"}, answers([1, 3, 5], baseline=np.array([2, 2, 2]))), (0, {"b", "c"}, answers([2, 4]))]
    assert set(together(ROWS, 1, told)) == {"student"}
    assert set(together(ROWS, 1, told[::-1])) == {"student"}
