"""What every objective keeps; a new file in objectives/ is picked up without edits, and each choice of its settings with it.

Letters: B examples, C classes, D width, T tokens of the student, W words that the teacher saw.
"""

import dataclasses
import inspect
import re
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import torch

from limbeck import find, names
from limbeck.types import Batch, Objective, Outputs, Shapes, Signal

B, C, D, T, W = 6, 5, 4, 7, 3
LABELS = torch.tensor([0, 1, 2, 3, 4, -1])
# Of several labels: some, one, all, none; and of the last row nothing is known.
SETS = torch.tensor([[1.0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [1] * 5, [0] * 5, [0, 0, 0, 1, 1], [-1] * 5])
# Of some words the student has one token, of some several; it reads on where the teacher stopped (word 3) and stops before; one text is empty.
WORDS = torch.tensor(
    [
        [-1, 0, 0, 1, 2, 2, -1],
        [-1, 0, 1, 1, 1, 2, 3],
        [0, 1, -1, -1, -1, -1, -1],
        [-1, -1, -1, -1, -1, -1, -1],
        [2, 2, 2, 2, 1, 0, 0],
        [3, 3, 0, 1, 1, 2, 2],
    ]
)
# Of some texts all classes are known, of some all but one, of some only the best.
KNOWN = torch.tensor([[1.0] * 5, [1, 1, 0, 0, 0], [1, 1, 1, 1, 0], [0, 1, 0, 0, 0], [0] * 5, [0, 1, 0, 1, 1]])
MASK = torch.tensor([[1.0, 1, 1], [1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 1]])


def choices(name: str) -> list[dict[str, str]]:
    """The defaults, and every other value of each setting that is a choice."""
    hints = get_type_hints(find("objectives", name), include_extras=True)
    fields = [f for f in dataclasses.fields(find("objectives", name)) if get_origin(hints[f.name]) is Literal]
    return [{}, *({f.name: value} for f in fields for value in get_args(hints[f.name]) if value != f.default)]


CASES = [(name, chosen) for name in names("objectives") for chosen in choices(name)]


@pytest.fixture(params=CASES, ids=lambda case: "-".join([case[0], *case[1].values()]))
def objective(request: pytest.FixtureRequest):
    name, chosen = request.param
    return find("objectives", name)(**chosen)


def signal(seed: int = 0, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> Signal:
    dice = torch.Generator().manual_seed(seed)
    return Signal(
        logits_BC=(scale * torch.randn(B, C, generator=dice)).to(dtype),
        known_BC=KNOWN.to(dtype, copy=True),
        embedding_BD=(scale * torch.randn(B, D, generator=dice)).to(dtype),
        hidden_BWD=(scale * torch.randn(B, W, D, generator=dice) * MASK.unsqueeze(-1)).to(dtype),
        mask_BW=MASK.to(dtype, copy=True),
    )


def student(seed: int = 1, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> Outputs:
    dice = torch.Generator().manual_seed(seed)
    shapes = ((B, C), (B, D), (B, T, D))
    return Outputs(*((scale * torch.randn(*shape, generator=dice)).to(dtype).requires_grad_() for shape in shapes))


def like(given: Signal) -> Outputs:
    """A student that says what the teacher says, in each token what the teacher says of its word."""
    index = WORDS.clamp(0, W - 1).unsqueeze(-1).expand(B, T, D)
    return Outputs(given.logits_BC.clone(), given.embedding_BD.clone(), given.hidden_BWD.gather(1, index))


def parts(outputs: Outputs) -> list[torch.Tensor]:
    return [getattr(outputs, field.name) for field in dataclasses.fields(outputs)]


def grads(outputs: Outputs) -> torch.Tensor:
    """All gradients in one row; zeros where an objective does not look."""
    return torch.cat([(torch.zeros_like(x) if x.grad is None else x.grad).flatten() for x in parts(outputs)])


def made(objective):
    return objective.init(Shapes(C, D), Shapes(C, D))


def loss(objective, outputs: Outputs, given: Signal, weight_B=None, rows: slice = slice(None), state=None):
    """The loss of some rows; the weight is 1/B for each unless it is given, and then for the rows alone."""
    some = given.map(lambda x: x[rows])
    batch = Batch({}, (SETS if getattr(objective, "several", False) else LABELS)[rows], some, WORDS[rows])
    if weight_B is None:
        weight_B = torch.full((len(batch.labels_B),), 1 / B)
    return objective(Outputs(*(x[rows] for x in parts(outputs))), some, batch, state or made(objective), weight_B)


def test_is_a_frozen_dataclass_that_keeps_the_protocol(objective) -> None:
    assert isinstance(objective, Objective)
    assert objective.couples in ("element", "batch")
    assert objective.needs <= set(Signal.names())
    assert isinstance(getattr(objective, "live", False), bool)
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
    assert loss(objective, like(given), given).per_element.abs().max() < 1e-6
    assert loss(objective, student(), given).per_element.max() > 1e-2


@pytest.mark.parametrize("seed", range(20))
def test_never_negative(objective, seed: int) -> None:
    assert (loss(objective, student(seed), signal(seed + 100)).per_element >= 0).all()


def test_examples_are_independent(objective) -> None:
    if objective.couples == "batch":
        pytest.skip("a relational objective depends on the whole batch by definition")
    outputs, given = student(), signal()
    whole = loss(objective, outputs, given).per_element
    for row in range(B):
        alone = loss(objective, outputs, given, rows=slice(row, row + 1))
        torch.testing.assert_close(alone.per_element[0], whole[row])


def test_micro_batches_give_the_gradient_of_the_whole_batch(objective) -> None:
    if objective.couples == "batch":
        pytest.skip("a relational objective refuses gradient accumulation")
    given, whole, halves = signal(), student(), student()
    states = made(objective), made(objective)
    loss(objective, whole, given, state=states[0]).total.backward()
    for half in (slice(0, 2), slice(2, B)):
        loss(objective, halves, given, rows=half, state=states[1]).total.backward()
    torch.testing.assert_close(grads(whole), grads(halves))
    if states[0] is not None:
        for a, b in zip(states[0].parameters(), states[1].parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad)


def test_masked_equals_absent(objective) -> None:
    given, weight_B = signal(), torch.tensor([0.25, 0.25, 0.25, 0.25, 0.0, 0.0])
    masked, absent = student(), student()
    loss(objective, masked, given, weight_B).total.backward()
    loss(objective, absent, given, weight_B[:4], rows=slice(0, 4)).total.backward()
    torch.testing.assert_close(grads(masked), grads(absent))
    assert grads(masked).abs().max() > 0


def test_no_gradient_to_the_teacher(objective) -> None:
    given = signal().map(lambda x: x.requires_grad_())
    loss(objective, student(), given).total.backward()
    assert all(value.grad is None for value in given.given().values())


@pytest.mark.parametrize(("of_student", "of_teacher"), [(1e4, 1e4), (1e4, 1.0), (1.0, 1e4), (0.0, 0.0)])
def test_finite_at_huge_and_at_no_logits_and_states(objective, of_student: float, of_teacher: float) -> None:
    outputs = student(scale=of_student)
    found = loss(objective, outputs, signal(scale=of_teacher))
    found.total.backward()
    assert torch.isfinite(found.per_element).all()
    assert torch.isfinite(grads(outputs)).all()


def test_gradient_is_right_in_float64(objective) -> None:
    given, outputs = signal(dtype=torch.float64), student(dtype=torch.float64)
    weight_B = torch.full((B,), 1 / B, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *x: loss(objective, Outputs(*x), given, weight_B).total, parts(outputs))


def test_half_types_are_raised_to_float32(objective) -> None:
    """The same numbers as float32 would give, not only the same type."""
    outputs, given = student(dtype=torch.bfloat16), signal(dtype=torch.bfloat16)
    raised = Outputs(*(x.detach().float() for x in parts(outputs)))
    found, expected = loss(objective, outputs, given), loss(objective, raised, given.map(lambda x: x.float()))
    assert found.per_element.dtype == torch.float32
    torch.testing.assert_close(found.per_element, expected.per_element)
    exact = loss(objective, student(dtype=torch.float64), signal(dtype=torch.float64))
    assert exact.per_element.dtype == torch.float64


def test_the_docstring_has_shapes_and_a_reference(objective) -> None:
    text = inspect.getdoc(type(objective)) or ""
    assert re.search(r"\(B(, \w+)*\)", text), "no shape such as (B, C)"
    assert re.search(r"\(?\d{4}\)?", text), "no reference with a year"
