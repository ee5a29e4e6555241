"""What every objective keeps; a new file in objectives/ is picked up without edits. Letters: B examples, C classes."""

import dataclasses
import inspect
import re

import pytest
import torch

from limbeck import find, names
from limbeck.types import Batch, Objective, Outputs, Shapes, Signal

B, C, D = 6, 5, 4
LABELS = torch.tensor([0, 1, 2, 3, 4, -1])


@pytest.fixture(params=names("objectives"))
def objective(request: pytest.FixtureRequest):
    return find("objectives", request.param)()


def signal(seed: int = 0, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> Signal:
    dice = torch.Generator().manual_seed(seed)
    return Signal(
        logits_BC=(scale * torch.randn(B, C, generator=dice)).to(dtype),
        embedding_BD=torch.randn(B, D, generator=dice).to(dtype),
    )


def student(seed: int = 1, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> torch.Tensor:
    return (scale * torch.randn(B, C, generator=torch.Generator().manual_seed(seed))).to(dtype).requires_grad_()


def loss(objective, logits_BC, given: Signal, weight_B=None, labels=LABELS):
    shapes = Shapes(C, D)
    state = objective.init(shapes, shapes)
    weight_B = torch.full((len(logits_BC),), 1 / len(logits_BC)) if weight_B is None else weight_B
    return objective(Outputs(logits_BC), given, Batch({}, labels[: len(logits_BC)], given), state, weight_B)


def test_is_a_frozen_dataclass_that_keeps_the_protocol(objective) -> None:
    assert isinstance(objective, Objective)
    assert objective.couples in ("element", "batch")
    assert objective.needs <= set(Signal.names())
    assert dataclasses.is_dataclass(objective)
    assert type(objective).__dataclass_params__.frozen


def test_shape_and_total(objective) -> None:
    weight_B = torch.rand(B, generator=torch.Generator().manual_seed(2))
    found = loss(objective, student(), signal(), weight_B)
    assert found.per_element.shape == (B,)
    assert not found.per_element.requires_grad
    torch.testing.assert_close(found.total.detach(), (weight_B * found.per_element).sum())


def test_zero_when_student_equals_teacher_or_says_why_not(objective) -> None:
    if hasattr(objective, "not_zero_at_teacher"):
        assert len(objective.not_zero_at_teacher) > 20
        return
    given = signal()
    assert loss(objective, given.logits_BC.clone(), given).per_element.abs().max() < 1e-6


@pytest.mark.parametrize("seed", range(20))
def test_never_negative(objective, seed: int) -> None:
    assert (loss(objective, student(seed), signal(seed + 100)).per_element >= 0).all()


def test_examples_are_independent(objective) -> None:
    if objective.couples == "batch":
        pytest.skip("a relational objective depends on the whole batch by definition")
    logits, given = student(), signal()
    whole = loss(objective, logits, given).per_element
    for row in range(B):
        alone = loss(objective, logits[row : row + 1], given.map(lambda x, r=row: x[r : r + 1]), labels=LABELS[row:])
        torch.testing.assert_close(alone.per_element[0], whole[row])


def test_micro_batches_give_the_gradient_of_the_whole_batch(objective) -> None:
    if objective.couples == "batch":
        pytest.skip("a relational objective refuses gradient accumulation")
    given, share_B = signal(), torch.full((B,), 1 / B)
    whole, parts = student(), student()
    loss(objective, whole, given, share_B).total.backward()
    for half in (slice(0, 2), slice(2, B)):
        loss(objective, parts[half], given.map(lambda x, h=half: x[h]), share_B[half], LABELS[half]).total.backward()
    torch.testing.assert_close(whole.grad, parts.grad)


def test_masked_equals_absent(objective) -> None:
    given, weight_B = signal(), torch.tensor([0.25, 0.25, 0.25, 0.25, 0.0, 0.0])
    masked, absent = student(), student()
    loss(objective, masked, given, weight_B).total.backward()
    loss(objective, absent[:4], given.map(lambda x: x[:4]), weight_B[:4]).total.backward()
    torch.testing.assert_close(masked.grad, absent.grad)


def test_no_gradient_to_the_teacher(objective) -> None:
    given = signal().map(lambda x: x.requires_grad_())
    loss(objective, student(), given).total.backward()
    assert all(value.grad is None for value in given.given().values())


def test_finite_at_huge_logits(objective) -> None:
    logits = student(scale=1e4)
    found = loss(objective, logits, signal(scale=1e4))
    found.total.backward()
    assert torch.isfinite(found.per_element).all()
    assert torch.isfinite(logits.grad).all()


def test_gradient_is_right_in_float64(objective) -> None:
    given = signal(dtype=torch.float64)
    weight_B = torch.full((B,), 1 / B, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(objective, x, given, weight_B).total, student(dtype=torch.float64))


def test_half_types_are_raised_to_float32(objective) -> None:
    found = loss(objective, student(dtype=torch.bfloat16), signal(dtype=torch.bfloat16))
    assert found.per_element.dtype == torch.float32
    assert loss(objective, student(dtype=torch.float64), signal(dtype=torch.float64)).per_element.dtype == torch.float64


def test_the_docstring_has_shapes_and_a_reference(objective) -> None:
    text = inspect.getdoc(type(objective)) or ""
    assert re.search(r"\(B(, \w+)*\)", text), "no shape such as (B, C)"
    assert re.search(r"\(?\d{4}\)?", text), "no reference with a year"
