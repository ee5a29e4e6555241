"""States by word: what counts, what is learned beside the student, and what is said when there is nothing to compare."""

import pytest
import torch

from limbeck.errors import RecipeError
from limbeck.objectives.hidden_states import HiddenStates
from limbeck.types import Batch, Outputs, Shapes, Signal

SHAPES = Shapes(classes=2, width=3)


def loss(hidden_BTD, words_BT, hidden_BWD, mask_BW, objective=HiddenStates(), teacher_width=3):  # noqa: B008 - frozen
    given = Signal(hidden_BWD=torch.tensor(hidden_BWD), mask_BW=torch.tensor(mask_BW))
    batch = Batch({}, torch.zeros(len(mask_BW), dtype=torch.int64), given, torch.tensor(words_BT))
    outputs = Outputs(torch.zeros(len(mask_BW), 2), None, torch.tensor(hidden_BTD))
    state = objective.init(SHAPES, Shapes(2, teacher_width))
    return objective(outputs, given, batch, state, torch.ones(len(mask_BW))).per_element.tolist()


HIDDEN = [[[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [7.0, -7.0, 0.0]]]


def test_tokens_are_averaged_and_words_of_one_side_do_not_count() -> None:
    # Word 0: mean (2, 3, 4), as the teacher says. Word 1: only the student. Word 2: only the teacher.
    teacher = [[[2.0, 3.0, 4.0], [0.0, 0.0, 0.0], [9.0, 8.0, 9.0]]]
    assert loss(HIDDEN, [[-1, 0, 0, 1]], teacher, [[1.0, 0.0, 1.0]]) == [0.0]
    # Word 1 on both sides: squared differences 0, 49, 0 to the teacher's (7, 0, 0), whose variance is 98/9; the mean with word 0's zero.
    teacher[0][1] = [7.0, 0.0, 0.0]
    found = loss(HIDDEN, [[-1, 0, 0, 1]], teacher, [[1.0, 1.0, 1.0]])
    assert found == pytest.approx([(49 / 3) / (98 / 9) / 2])


def test_truncation_on_each_side_leaves_the_words_that_both_read() -> None:
    whole = loss(HIDDEN, [[0, 1, 2, 3]], [[[1.0, 0, 0], [0, 1.0, 0]]], [[1.0, 1.0]])
    longer = loss(HIDDEN, [[0, 1, -1, -1]], [[[1.0, 0, 0], [0, 1.0, 0], [5.0, 6, 7]]], [[1.0, 1.0, 1.0]])
    assert whole == longer
    assert whole[0] > 0


def test_a_text_without_common_words_is_0() -> None:
    assert loss(HIDDEN, [[-1, -1, -1, -1]], [[[1.0, 0.0, 0.0]]], [[1.0]]) == [0.0]
    assert loss(HIDDEN, [[0, 0, 0, 0]], [[[0.0, 0.0, 0.0]]], [[0.0]]) == [0.0]


def test_the_cosine_leaves_lengths_free() -> None:
    objective = HiddenStates(distance="cosine")
    assert loss(HIDDEN, [[-1, 0, 0, -1]], [[[20.0, 30.0, 40.0]]], [[1.0]], objective) == pytest.approx([0.0], abs=1e-6)


def test_the_projection_goes_to_the_teachers_width_and_is_the_same_for_every_seed() -> None:
    torch.manual_seed(0)
    first = HiddenStates().init(SHAPES, Shapes(2, 5))
    torch.manual_seed(1)
    second = HiddenStates().init(SHAPES, Shapes(2, 5))
    assert isinstance(first, torch.nn.Linear)
    assert (first.in_features, first.out_features) == (3, 5)
    assert torch.equal(first.weight, second.weight)
    torch.testing.assert_close(first.weight.T @ first.weight, torch.eye(3))  # it keeps distances
    assert torch.equal(HiddenStates().init(SHAPES, SHAPES).weight, torch.eye(3))


def test_a_student_learns_any_linear_map_of_the_teachers_states() -> None:
    """The projection takes up what the student lays out otherwise: the loss falls to nothing though no state is equal."""
    dice = torch.Generator().manual_seed(0)
    mine, turned = torch.randn(32, 4, 3, generator=dice), torch.randn(3, 5, generator=dice)
    given = Signal(hidden_BWD=mine @ turned, mask_BW=torch.ones(32, 4))
    batch = Batch({}, torch.zeros(32, dtype=torch.int64), given, torch.arange(4).expand(32, 4))
    objective = HiddenStates()
    state = objective.init(SHAPES, Shapes(2, 5))
    optimizer = torch.optim.Adam(state.parameters(), lr=0.1)
    for _ in range(120):
        found = objective(Outputs(torch.zeros(32, 2), None, mine), given, batch, state, torch.full((32,), 1 / 32))
        optimizer.zero_grad()
        found.total.backward()
        optimizer.step()
    assert found.total < 1e-3


def test_a_student_without_states_by_token_is_told() -> None:
    outputs = Outputs(torch.zeros(4, 3))
    with pytest.raises(RecipeError, match=r"hidden_BTD.*--set student.family=encoder"):
        HiddenStates()(outputs, Signal(), Batch({}, torch.zeros(4), Signal()), None, torch.ones(4))


def test_it_is_live_unless_a_recipe_says_otherwise() -> None:
    assert HiddenStates().live
    assert not HiddenStates(live=False).live
