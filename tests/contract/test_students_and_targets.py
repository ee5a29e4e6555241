"""What every student and every target keeps, for every pair of them; new files are picked up without edits."""

import dataclasses
import subprocess
import sys
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from limbeck import find, names, settings
from limbeck.graph import Graph
from limbeck.quantize import Scheme, products, quantized, ranges, tapped
from limbeck.targets.numpy import evaluate
from limbeck.types import Student, Target, TrainingPlan


def forms() -> list[tuple[str, str | None]]:
    """Each student in each precision of its tables; None where it has no such setting."""
    hints = {name: get_type_hints(find("students", name).Settings) for name in names("students")}
    return [(name, kind) for name in hints for kind in get_args(hints[name].get("precision")) or (None,)]


@pytest.fixture(params=forms(), ids=lambda form: " ".join(filter(None, form)))
def student(request: pytest.FixtureRequest):
    name, precision = request.param
    network, inputs = find("students", name).tiny()
    if precision is not None:
        network.settings = dataclasses.replace(network.settings, precision=precision)
    return network.eval(), inputs


@pytest.fixture(params=names("targets"))
def target(request: pytest.FixtureRequest):
    return find("targets", request.param)()


def drawn(dice: np.random.Generator, shape: tuple[int, ...], dtype: object) -> np.ndarray:
    """What a student of one shape may be given: any bytes, or features of about their usual size."""
    found = dice.standard_normal(shape) if np.dtype(dtype).kind == "f" else dice.integers(0, 256, shape)
    return found.astype(dtype)


def torch_logits(network, inputs) -> np.ndarray:
    with torch.inference_mode():
        return network(**{k: torch.from_numpy(v) for k, v in inputs.items()}).logits_BC.numpy()


def test_a_student_keeps_the_protocol(student) -> None:
    network, inputs = student
    assert isinstance(network, Student)
    assert dataclasses.is_dataclass(type(network).Settings)
    assert isinstance(network.graph(), Graph)
    assert {i.name for i in network.graph().inputs} == set(inputs)
    described = network.describe()
    assert described["parameters"] == sum(p.numel() for p in network.parameters())
    assert described["origin"]


def test_a_student_answers_the_same_alone_and_in_a_batch(student) -> None:
    network, inputs = student
    together = torch_logits(network, inputs)
    for row in range(len(together)):
        alone = torch_logits(network, {k: v[row : row + 1] for k, v in inputs.items()})
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


def test_padding_says_nothing_whatever_lies_there(student, target, tmp_path) -> None:
    network, inputs = student
    if "mask" not in inputs:
        pytest.skip("what it reads has one shape, so nothing is padded")
    target.write(network.graph(), tmp_path / target.filename)
    written = target.load(tmp_path / target.filename)
    dice = np.random.default_rng(0)
    lengths = inputs["mask"].sum(1).astype(int)
    longer = {k: np.concatenate([v, np.zeros((len(v), 9), v.dtype)], axis=1) for k, v in inputs.items()}
    longer["ids"] = np.where(longer["mask"] > 0, longer["ids"], dice.integers(0, 11, longer["ids"].shape))
    found, expected = torch_logits(network, longer), torch_logits(network, inputs)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(written(longer), expected, atol=target.tolerance)
    assert np.isfinite(expected).all()
    for row, length in enumerate(lengths):  # without any padding
        bare = {k: v[row : row + 1, : max(1, length)] for k, v in inputs.items()}
        np.testing.assert_allclose(torch_logits(network, bare)[0], expected[row], atol=1e-5)
        np.testing.assert_allclose(written(bare)[0], expected[row], atol=target.tolerance)


def test_a_ladder_rises(student) -> None:
    family = type(student[0])
    ladder = family.ladder()
    assert len(ladder) >= 3
    for step in ladder:
        assert settings.made(family.Settings, dataclasses.asdict(step)) == step
    read = {"text": {"pieces": 400}, "image": {"channels": 1, "size": 16}, "audio": {"frames": 20, "mels": 16}}[family.modality]
    sizes = [family(step, classes=3, **read).graph().bytes for step in ladder]
    assert sizes == sorted(set(sizes))


def test_hidden_states_lie_at_the_tokens_and_have_the_width_that_is_told(student) -> None:
    network, inputs = student
    with torch.inference_mode():
        out = network(**{k: torch.from_numpy(v) for k, v in inputs.items()})
    shapes, rows = network.shapes(), len(next(iter(inputs.values())))
    if "ids" in inputs:
        assert out.hidden_BTD.shape == (*inputs["ids"].shape, shapes.width)
    assert out.embedding_BD.shape == (rows, shapes.width)
    assert out.logits_BC.shape == (rows, shapes.classes)


def test_every_weight_of_a_student_learns(student) -> None:
    network, inputs = student
    network.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        logits_BC = network(**{k: torch.from_numpy(v) for k, v in inputs.items()}).logits_BC
    logits_BC.log_softmax(-1)[:, 0].sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_student_says_how_it_is_best_trained(student) -> None:
    network, _ = student
    assert isinstance(network.plan, TrainingPlan)
    assert "Source:" in (type(network).__doc__ or "")


def test_a_student_is_the_same_for_the_same_seed(student) -> None:
    network, _ = student
    again, _ = type(network).tiny()
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_target_keeps_the_protocol(target) -> None:
    assert isinstance(target, Target)


@pytest.mark.parametrize("batch", [1, 2, 7, 32])
@pytest.mark.parametrize("length", [1, 5, 128])
def test_the_written_file_says_what_the_student_says(student, target, tmp_path, batch: int, length: int) -> None:
    network, inputs = student
    dice = np.random.default_rng(batch * 1000 + length)
    swept = {
        k: (dice.integers(0, 11, (batch, length)) if v.dtype == np.int64 else np.ones((batch, length), v.dtype))
        for k, v in inputs.items()
    }
    if "ids" not in inputs:  # of one shape
        if length > 1:
            pytest.skip("it has no length")
        swept = {k: drawn(dice, (batch, *v.shape[1:]), v.dtype) for k, v in inputs.items()}
    path = tmp_path / target.filename
    target.write(network.graph(), path)
    run = target.load(path)
    together = run(swept)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, torch_logits(network, swept), atol=target.tolerance)
    alone = np.concatenate([run({k: v[i : i + 1] for k, v in swept.items()}) for i in range(batch)])
    np.testing.assert_allclose(alone, together, atol=target.tolerance)


@pytest.fixture
def in_int8(student) -> Graph:
    """A student's graph with all that can be in whole numbers, ranges from its own batch."""
    network, inputs = student
    graph = network.graph()
    seen = {p.x: ranges(evaluate(tapped(graph, p), inputs)) for p in products(graph)}
    if not seen and getattr(network.settings, "network", "float32") == "float32":
        pytest.skip("all its weights are in whole numbers as it is")
    assert seen
    return quantized(graph, Scheme(), seen)


def test_int8_is_near_float32_and_the_same_by_every_target(student, in_int8: Graph, target, tmp_path) -> None:
    network, inputs = student
    target.write(in_int8, tmp_path / target.filename)
    written = target.load(tmp_path / target.filename)(inputs)
    spread = np.ptp(torch_logits(network, inputs))
    np.testing.assert_allclose(written, torch_logits(network, inputs), atol=0.05 * spread)
    # A last digit may round a value up here and down there; that must be rare and small.
    difference = np.abs(written - evaluate(in_int8, inputs))
    assert np.median(difference) <= target.tolerance
    assert difference.max() <= 0.02 * spread
    assert in_int8.bytes < network.graph().bytes


def test_an_int8_label_does_not_hang_on_the_batch(in_int8: Graph, target, tmp_path) -> None:
    target.write(in_int8, tmp_path / target.filename)
    run = target.load(tmp_path / target.filename)
    dice = np.random.default_rng(3)
    mask = (np.arange(9)[None, :] < dice.integers(1, 10, (32, 1))).astype(np.float32)
    batch = {"ids": dice.integers(0, 11, mask.shape) * mask.astype(np.int64), "mask": mask}
    if (first := in_int8.inputs[0]).name not in batch:  # of one shape, so that nothing is padded
        batch = {first.name: drawn(dice, (32, *first.shape[1:]), first.dtype)}
        mask = np.full((32, 1), first.shape[1])
    together = run(batch)
    for row, length in enumerate(mask.sum(1).astype(int)):  # no padding alone, padding in the batch
        alone = run({k: v[row : row + 1, :length] for k, v in batch.items()})
        assert alone.argmax() == together[row].argmax()


def test_writing_twice_gives_the_same_bytes(student, target, tmp_path) -> None:
    for name in ("a", "b"):
        target.write(student[0].graph(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_target_loads_without_torch(student, target, tmp_path) -> None:
    path = tmp_path / target.filename
    target.write(student[0].graph(), path)
    code = (
        "import sys; from limbeck import find; from pathlib import Path\n"
        f"find('targets', {type(target).__name__.lower()!r})().load(Path(sys.argv[1]))\n"
        "assert not {'torch', 'onnx', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
