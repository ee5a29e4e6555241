"""The engine: what a step depends on, what a checkpoint holds, what is chosen. Letters: N examples, V pieces, C classes."""

import numpy as np
import pytest
import torch
from torch import nn

from limbeck import memory
from limbeck.engine.batches import Examples, batches, plan
from limbeck.engine.checkpoint import Checkpoint
from limbeck.engine.device import faster_precision, is_heavy
from limbeck.engine.loop import Term, Training
from limbeck.engine.muon import Muon, hidden_weights, orthogonal
from limbeck.engine.optim import Optimizer
from limbeck.errors import RunFolderError
from limbeck.objectives.hard_labels import HardLabels
from limbeck.objectives.soft_targets import SoftTargets
from limbeck.students.conv_image import ConvImage
from limbeck.teachers.wide_resnet import Network, WideResnet
from limbeck.types import Outputs, Signal, TrainingPlan

V, C, N = 4000, 3, 50


@pytest.fixture(autouse=True)
def _small_tables_count_as_large(monkeypatch) -> None:
    monkeypatch.setattr("limbeck.engine.optim._LARGE", 100_000)


class Small(nn.Module):
    """A bag with dropout, so that chance matters, and a table of 4,000 x 32 = 128,000 weights, so that it counts as large."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(V, 32)
        self.dropout = nn.Dropout(0.3)
        self.filters = nn.Conv2d(1, 4, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
        self.norm = nn.BatchNorm2d(4)  # which counts batches in a whole number
        self.between = nn.Linear(128, 32)
        self.head = nn.Linear(32, C)

    def forward(self, ids: torch.Tensor) -> Outputs:
        mean_BD = self.dropout(self.embedding(ids).mean(1))
        seen = self.norm(self.filters(mean_BD.reshape(-1, 1, 4, 8)))
        return Outputs(self.head(self.between(seen.flatten(1))))


def examples(**more) -> Examples:
    dice = np.random.default_rng(0)
    encoded = [dice.integers(0, 200, dice.integers(1, 9)) for _ in range(N)]
    return Examples(encoded, dice.integers(0, C, N), Signal(logits_BC=dice.normal(size=(N, C)).astype(np.float32)), **more)


def collate(encoded):
    ids_BT = np.zeros((len(encoded), max(map(len, encoded))), np.int64)
    for row, ids in enumerate(encoded):
        ids_BT[row, : len(ids)] = ids
    return {"ids": ids_BT}


def training(judge=None, ema: float = 0.0, optimizer: str = "adamw", **more) -> Training:
    recipe = TrainingPlan(epochs=4, batch_size=8, learning_rate=1e-2, ema=ema, optimizer=optimizer)
    return Training(
        Small(), examples(), collate, [Term(SoftTargets(), 1.0), Term(HardLabels(), 0.1)], recipe, judge=judge, seed=3, **more
    )


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def figure(model: nn.Module) -> dict[str, float]:
    return {"figure": float(model.head.weight.detach()[0, 0])}


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize("judge", [None, figure])
@pytest.mark.parametrize("killed", [1, 7, 13, 27])
def test_a_training_taken_up_from_its_checkpoint_ends_with_the_same_bits(tmp_path, ema, judge, killed, optimizer) -> None:
    whole = training(judge, ema, optimizer)
    losses = [step.loss for step in whole.steps()]
    begun = training(judge, ema, optimizer)
    steps = begun.steps()
    for _ in range(killed):
        next(steps)
    Checkpoint(tmp_path / "c", "me").save(*begun.state())
    for _ in range(2):  # steps that are lost
        next(steps, None)
    again = training(judge, ema, optimizer)
    with torch.no_grad():
        again.model.head.weight.add_(1.0)  # all of it must come from the checkpoint
    again.restore(*Checkpoint(tmp_path / "c", "me").load())
    assert [step.loss for step in again.steps()] == losses[killed:]
    for name, value in weights(whole.model).items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    assert (again.best, again.best_epoch) == (whole.best, whole.best_epoch)


def test_the_callers_dice_do_not_matter_and_are_left_alone() -> None:
    first, second = training(), training()
    list(first.steps())
    torch.manual_seed(99)
    before = torch.get_rng_state()
    list(second.steps())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.model.head.weight, second.model.head.weight)


def test_rows_that_no_batch_touches_stay_as_they_are() -> None:
    found = training()
    before = weights(found.model)["embedding.weight"]
    list(found.steps())
    after = found.model.embedding.weight.detach()
    assert torch.equal(after[200:], before[200:])
    assert not torch.equal(after[:200], before[:200])
    assert found.model.embedding.sparse


def test_lazy_adam_of_a_row_touched_in_every_step_is_adam() -> None:
    one = Examples([np.array([5]), np.array([5])], np.array([0, 1]), Signal(logits_BC=np.eye(2, C, dtype=np.float32)))
    recipe = TrainingPlan(epochs=5, batch_size=2, learning_rate=1e-2, weight_decay=0.0)
    lazy = Training(Small(), one, collate, [Term(SoftTargets(), 1.0)], recipe)
    dense = Training(Small(), one, collate, [Term(SoftTargets(), 1.0)], recipe)
    dense.model.embedding.sparse = False
    parameters = list(dense.model.parameters())
    dense._optimizer._parts = [torch.optim.AdamW([{"params": parameters, "lr": 1e-2}], weight_decay=0.0)]
    dense._optimizer._rates = [[1e-2]]
    list(lazy.steps()), list(dense.steps())
    torch.testing.assert_close(lazy.model.embedding.weight[5], dense.model.embedding.weight[5])


def test_momentum_is_nesterovs_and_weight_decay_a_part_of_the_gradient() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(2.0)
    optimizer = Optimizer([layer], TrainingPlan(1, 1, 0.1, weight_decay=0.5, warmup_share=0.0, optimizer="sgd"), {})
    weight, momentum = 2.0, 0.0
    for number, gradient in enumerate((3.0, -1.0)):
        layer.weight.grad = torch.full((1, 1), gradient)
        optimizer.step(number, 2)
        whole = gradient + 0.5 * weight
        momentum = 0.9 * momentum + whole
        weight -= 0.1 * TrainingPlan(1, 1, 0.1, warmup_share=0.0).rate(number, 2) * (whole + 0.9 * momentum)
        assert layer.weight.item() == pytest.approx(weight, rel=1e-6)


def test_muon_moves_what_lies_inside_and_adamw_the_rest() -> None:
    network = Network(WideResnet.Settings(depth=10, width=1, stride=2, size=8, channels=1))
    network.head = nn.Linear(64, C)
    inside = hidden_weights(network)
    names = {name for name, p in network.named_parameters() if p in inside}
    assert names == {name for name, p in network.named_parameters() if p.ndim == 4 and name != "stem.weight"}
    small = Small()
    assert hidden_weights(small) == {small.filters.weight, small.between.weight}
    student = ConvImage.tiny()[0]
    names = {name for name, p in student.named_parameters() if p in hidden_weights(student)}
    assert names == {f"blocks.{place}.pointwise.weight" for place in range(len(student.blocks))}
    tied = nn.ModuleDict({"words": nn.Embedding(9, 8), "onto": nn.Linear(8, 9), "classifier": nn.Sequential(nn.Linear(8, 8))})
    tied["onto"].weight = tied["words"].weight
    assert hidden_weights(tied) == set()
    optimizer = Optimizer([network], TrainingPlan(1, 1, 0.1, optimizer="muon"), {"head": 0.5})
    kinds = {
        type(part).__name__: [(group["lr"], group["weight_decay"]) for group in part.param_groups] for part in optimizer._parts
    }
    assert kinds == {"AdamW": [(0.1, 0.01), (0.5, 0.01), (0.1, 0.0), (0.5, 0.0)], "Muon": [(0.1, 0.01)]}
    spared = [p for group in optimizer._parts[0].param_groups[2:] for p in group["params"]]
    assert {id(p) for p in spared} == {id(p) for p in network.parameters() if p.ndim < 2}


@pytest.mark.parametrize("shape", [(24, 8, 3, 3), (96, 8, 1, 1), (16, 64)])
def test_a_step_of_muon_goes_along_the_momentum_with_its_singular_values_alike(shape) -> None:
    weight = nn.Parameter(torch.ones(shape))
    optimizer = Muon([weight], 0.5, momentum=0.9, weight_decay=0.1)
    dice = torch.Generator().manual_seed(0)
    gradients = [torch.randn(shape, generator=dice) for _ in range(2)]
    momentum = torch.zeros(shape)
    for gradient in gradients:
        before = weight.detach().clone()
        weight.grad = gradient
        optimizer.step()
        momentum = 0.9 * momentum + gradient
        left, _, right = torch.linalg.svd((gradient + 0.9 * momentum).flatten(1), full_matrices=False)
        made = (0.95 * before - weight.detach()).flatten(1) / (0.5 * 0.2 * max(left.shape[0], right.shape[1]) ** 0.5)
        sizes = (left.T @ made @ right.T).diagonal()
        assert 0.5 < sizes.min() <= sizes.max() < 1.3
        torch.testing.assert_close(left * sizes @ right, made, atol=1e-4, rtol=1e-3)  # no direction but the momentum's own


def test_a_channel_that_died_costs_no_time() -> None:
    weight = nn.Parameter(torch.ones(4, 6))
    optimizer = Muon([weight], 0.01)
    weight.grad = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    for number in range(700):  # 0.9 ** 700 is 1e-32, where numbers are about to lose digits and the processor slows down
        optimizer.step()
        if not number:
            weight.grad[1] = 0.0
    momentum = optimizer.state[weight]["momentum_buffer"]
    assert not momentum[1].any()
    assert momentum[[0, 2, 3]].all()
    matrix = torch.eye(3, 4)
    matrix[1] *= 1e-10  # its square's square would be such a number
    assert not orthogonal(matrix)[1].any()
    assert orthogonal(matrix)[2, 2] > 0.6


@pytest.mark.parametrize("turned", [False, True])
def test_singular_values_become_alike_as_three_turns_of_the_quintic_make_them(turned) -> None:
    # By hand, from x -> 3.4445 x - 4.775 x^3 + 2.0315 x^5, three times over.
    expected = {0.001: 0.041, 0.01: 0.400, 0.02: 0.751, 0.03: 1.012}
    dice = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(n, 5, generator=dice))[0] for n in (7, 11))
    values = torch.tensor([*expected, (1 - sum(x * x for x in expected)) ** 0.5])
    matrix = 1e-3 * left * values @ right.T  # of any size
    found = orthogonal(matrix.T if turned else matrix)
    made = (left.T @ (found.T if turned else found) @ right).diagonal()
    torch.testing.assert_close(made[:4], torch.tensor([*expected.values()]), atol=2e-3, rtol=0)
    assert torch.equal(orthogonal(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_the_best_epoch_stands_at_the_end_and_ties_go_to_the_later() -> None:
    seen: list[tuple[float, torch.Tensor]] = []
    scores = iter([0.5, 0.9, 0.9, 0.1])

    def judge(model: nn.Module) -> dict[str, float]:
        assert not model.training
        seen.append((next(scores), model.head.weight.detach().clone()))
        return {"accuracy": seen[-1][0]}

    found = training(judge)
    judged = [step.judged for step in found.steps() if step.judged]
    assert [j["accuracy"] for j in judged] == [0.5, 0.9, 0.9, 0.1]
    assert found.best_epoch == 3
    assert torch.equal(found.model.head.weight, seen[2][1])
    assert not found.model.training


def test_a_shorter_training_is_the_beginning_of_the_longer_one() -> None:
    short, whole = training(epochs=2), training()
    losses = [step.loss for step in short.steps()]
    assert losses == [step.loss for step in whole.steps()][: len(losses)]
    assert len(losses) == 14


def test_stopped_within_an_epoch_the_better_weights_stand_and_it_goes_on_as_if_it_had_not_stopped() -> None:
    def judge(scores: list[float]):
        left = iter(scores)
        return lambda _: {"accuracy": next(left)}

    whole = training(judge([0.1, 0.2, 0.3, 0.4]))
    losses = [step.loss for step in whole.steps()]
    for scores, ends in (([0.1, 0.9], True), ([0.1, 0.05], False)):
        part = training(judge(scores), epochs=1.5)
        assert part.total == 10
        seen, kept, taken = [], {}, None
        for step in part.steps():
            seen.append(step.loss)
            numbers, tensors = part.state()
            taken = numbers, {name: tensor.clone() for name, tensor in tensors.items()}
            if step.number in (7, 10):
                kept[step.number] = part.model.head.weight.detach().clone()
        assert seen == losses[:10]
        assert torch.equal(part.model.head.weight, kept[10 if ends else 7])
        rest = training(judge([0.2, 0.3, 0.4]))
        rest.restore(*taken)
        assert [step.loss for step in rest.steps()] == losses[10:]
        assert torch.equal(rest.model.head.weight, whole.model.head.weight)
        stopped = training(judge([0.1]), epochs=1.5)
        stopped.restore(*taken)
        assert list(stopped.steps()) == []


def test_memory_is_kept_from_the_first_step_to_the_last_and_let_go_where_it_is_left(monkeypatch) -> None:
    told: list[tuple[int, ...]] = []
    monkeypatch.setattr(memory, "_mallopt", lambda *what: told.append(what) or True)
    steps = training().steps()
    next(steps)
    kept = [(memory._MMAP_THRESHOLD, memory._HUGE), (memory._TRIM_THRESHOLD, memory._ALL)]
    assert told == kept
    steps.close()
    usual = [(memory._MMAP_THRESHOLD, memory._LEARNED), (memory._TRIM_THRESHOLD, 2 * memory._LEARNED)]
    assert told == kept + usual
    told.clear()
    list(training().steps())
    assert told == kept + usual


def test_a_moving_average_takes_the_place_of_the_weights() -> None:
    plain, averaged = training(), training(ema=0.9)
    assert [s.loss for s in plain.steps()] == [s.loss for s in averaged.steps()]
    assert not torch.equal(plain.model.head.weight, averaged.model.head.weight)


def test_precision_is_chosen_by_the_clock(monkeypatch) -> None:
    found = faster_precision("cpu")
    assert found["precision"] in ("float32", "bfloat16")
    assert set(found["seconds"]) == {"float32", "bfloat16"}
    for slow, expected in ((torch.float32, "bfloat16"), (torch.bfloat16, "float32"), (None, "float32")):
        now = [0.0]

        def clock(now=now) -> float:
            return now[0]

        def ones(*shape, dtype, device, now=now, slow=slow):
            class Matrix:
                def __matmul__(self, _):
                    now[0] += 2.0 if dtype is slow else 1.0

            return Matrix()

        with monkeypatch.context() as patched:
            patched.setattr("limbeck.engine.device.time.perf_counter", clock)
            patched.setattr("limbeck.engine.device.torch.ones", ones)
            assert faster_precision("cpu")["precision"] == expected


def test_a_light_model_stays_in_float32() -> None:
    assert not is_heavy(Small())
    assert is_heavy(nn.Sequential(nn.Linear(384, 384)))


def test_a_plan_holds_every_example_once_and_any_batch_can_be_the_first() -> None:
    lengths_N = np.arange(50) % 7
    planned = plan(lengths_N, 8, np.random.default_rng(0))
    assert sorted(np.concatenate(planned)) == list(range(50))
    options = {"batch_size": 8, "epochs": 3, "seed": 1, "device": "cpu"}
    whole = [b.labels_B.tolist() for b in batches(examples(), collate, **options)]
    for first in (0, 1, 6, 7, 20, 21):
        assert [b.labels_B.tolist() for b in batches(examples(), collate, first=first, **options)] == whole[first:]


def test_a_live_teacher_is_asked_about_the_examples_of_the_batch() -> None:
    def live(chosen_B):
        return Signal(embedding_BD=np.repeat(chosen_B[:, None], 2, axis=1).astype(np.float32))

    words = [np.arange(len(e)) for e in examples().encoded]
    batch = examples(words=words, live=live).batch(np.array([4, 2]), collate)
    assert batch.signal.embedding_BD.tolist() == [[4.0, 4.0], [2.0, 2.0]]
    assert batch.signal.logits_BC.shape == (2, C)
    longest = max(len(words[4]), len(words[2]))
    assert batch.words_BT.tolist() == [[*range(len(words[i])), *[-1] * (longest - len(words[i]))] for i in (4, 2)]


def test_a_checkpoint_of_another_training_or_a_damaged_one_is_none(tmp_path) -> None:
    path = tmp_path / "c"
    Checkpoint(path, "me").save({"number": 3}, {"a": torch.ones(5)})
    numbers, tensors = Checkpoint(path, "me").load()
    assert numbers == {"number": 3}
    assert torch.equal(tensors["a"], torch.ones(5))
    assert Checkpoint(path, "another").load() is None
    data = path.read_bytes()
    for damaged in (data[:-1], data[: len(data) // 2], b"", data[:-2] + b"\x01\x02", b"{}\n", b"\xff\n"):
        path.write_bytes(damaged)
        assert Checkpoint(path, "me").load() is None
    Checkpoint(path, "me").remove()
    assert Checkpoint(path, "me").load() is None


def test_a_checkpoint_is_offered_often_and_saved_seldom(tmp_path) -> None:
    asked = []

    def state():
        asked.append(1)
        return {}, {"a": torch.ones(2)}

    seldom = Checkpoint(tmp_path / "c", "me", every=3600.0)
    often = Checkpoint(tmp_path / "d", "me", every=0.0)
    for _ in range(5):
        seldom.offer(state)
    assert not asked
    often.offer(state)
    assert asked == [1]


def test_a_full_disk_is_said_and_leaves_the_last_checkpoint(tmp_path, monkeypatch) -> None:
    import os

    checkpoint = Checkpoint(tmp_path / "c", "me")
    checkpoint.save({"number": 1}, {"a": torch.ones(2)})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="No space left on device"):
        checkpoint.save({"number": 2}, {"a": torch.ones(2)})
    assert checkpoint.load()[0] == {"number": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
