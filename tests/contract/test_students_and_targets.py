"""What every student and every target keeps, for every pair of them; new files are picked up without edits."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from limbeck import find, names
from limbeck.graph import Graph
from limbeck.types import Student, Target


@pytest.fixture(params=names("students"))
def student(request: pytest.FixtureRequest):
    network, inputs = find("students", request.param).tiny()
    return network.eval(), inputs


@pytest.fixture(params=names("targets"))
def target(request: pytest.FixtureRequest):
    return find("targets", request.param)()


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
    path = tmp_path / target.filename
    target.write(network.graph(), path)
    run = target.load(path)
    together = run(swept)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, torch_logits(network, swept), atol=target.tolerance)
    alone = np.concatenate([run({k: v[i : i + 1] for k, v in swept.items()}) for i in range(batch)])
    np.testing.assert_allclose(alone, together, atol=target.tolerance)


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
