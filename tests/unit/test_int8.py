"""The int8 form is chosen by what was measured: kept where it is near, left part by part where it is not, the same when made again."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import limbeck
from limbeck import Recipe
from limbeck.bundle import Bundle
from limbeck.data.split import Splits
from limbeck.errors import ParityError
from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.pipeline import written
from limbeck.pipeline.data import read_data
from limbeck.pipeline.int8 import Form, calibration_and_judging, int8_form
from limbeck.pipeline.int8_bench import Rows, spread
from limbeck.pipeline.teacher import load_teacher
from limbeck.pipeline.untrained import new_student
from limbeck.pipeline.written import write_bundle
from limbeck.run import open_run
from limbeck.students.bag import Bag
from limbeck.targets.numpy import evaluate
from limbeck.targets.onnx import Onnx
from limbeck.verify.parity import check_int8, check_parity, check_pieces, nearness
from samples import ROWS, TINY

V, D, C = 40, 24, 3
DICE = np.random.default_rng(0)
TEXTS = [DICE.integers(0, V, DICE.integers(2, 9)) for _ in range(160)]


def collate(encoded):
    length = max(map(len, encoded))
    mask = np.array([[float(place < len(ids)) for place in range(length)] for ids in encoded], np.float32)
    return {"ids": np.array([np.pad(ids, (0, length - len(ids))) for ids in encoded]), "mask": mask}


def network(*sizes: float) -> Graph:
    """A product for each size, whose x has one input so many times larger than the others that the weights do not read; then a mean."""
    dice = np.random.default_rng(1)
    g = GraphBuilder(GraphInput("ids", "int64", ("B", "T")), GraphInput("mask", "float32", ("B", "T")))
    x = g("Gather", g.constant("table", dice.normal(size=(V, D)).astype(np.float32)), "ids", axis=0)
    for place, size in enumerate(sizes):
        weight = dice.normal(size=(D, D)).astype(np.float32) / D**0.5
        weight[0] = 0.0
        loud = g.constant(f"loud_{place}", np.array([size] + [1.0] * (D - 1), np.float32))
        x = g("MatMul", g("Mul", x, loud), g.constant(f"w{place}", weight))
    total = g("ReduceSum", g("Mul", x, g("Unsqueeze", "mask", axes=[2])), axes=[1], keepdims=0)
    return g.build(g("MatMul", total, g.constant("head", dice.normal(size=(D, C)).astype(np.float32))))


def clear(graph: Graph) -> list[np.ndarray]:
    """Texts whose answer does not hang on the last digits, so that no processor tells another story."""
    logits = np.concatenate([evaluate(graph, collate([ids])) for ids in TEXTS])
    first, second = np.sort(logits, axis=1)[:, :-3:-1].T
    return [TEXTS[place] for place in np.flatnonzero(first - second > 0.1 * logits.std())]


FAST = {"float32": 10.0, "int8": 19.0}


def chosen(graph: Graph, tmp_path: Path, times: dict = FAST, **more):
    said: dict = {"int8.latency": times}  # networks as small as these take no time that a clock could tell apart

    def decided(name, measure):
        return said.setdefault(name, measure())

    return int8_form(graph, Onnx(), Rows(clear(graph)[:40], clear(graph)[40:120], collate), tmp_path, decided, **more)


def test_a_network_that_bears_it_is_int8_but_for_its_pooled_products(tmp_path: Path) -> None:
    graph = network(1.0, 1.0)
    form = chosen(graph, tmp_path)
    record = form.record
    assert record["chosen"].endswith("7 bits, " + record["chosen"].rsplit(", ", 1)[1])
    assert record["pooled"] == ["head"]
    assert {n: c.dtype.name for n, c in form.graph.constants.items() if n in ("w0", "w1", "head")} == {
        "w0": "int8", "w1": "int8", "head": "float32",
    }  # fmt: skip
    assert len(record["kl"]) == 16 * len(record["clock"]["judged"])
    assert min(record["kl"].values()) < 0.001
    assert record["judged"][-1]["agreement"] >= record["limits"]["agreement"] == 0.995
    assert record["judged"][-1]["batch_flips"] == 0
    assert record["rows"] == {"calibration": 40, "judging": 80, "screening": 80}
    assert record["bytes"]["int8"] == form.graph.bytes < graph.bytes == record["bytes"]["float32"]
    assert form.tolerance >= 1e-2
    assert not list(tmp_path.iterdir())
    assert json.loads(json.dumps(record)) == record
    assert "int8 (U8S8" in form.note or "int8 (S8S8" in form.note


def test_a_part_that_does_not_bear_it_stays_float32(tmp_path: Path) -> None:
    form = chosen(network(1.0, 3000.0, 1.0, 1.0), tmp_path)
    assert form.record["judged"][0]["agreement"] < 0.995
    assert form.record["judged"][-1]["float32"] == ["w1"]
    kinds = [form.graph.constants[f"w{place}"].dtype.name for place in range(4)]
    assert kinds == ["int8", "float32", "int8", "int8"]
    alone = form.record[f"alone, {form.record['chosen']}"]
    assert max(alone, key=alone.get) == "w1"


def test_a_network_that_bears_nothing_stays_as_it_is(tmp_path: Path) -> None:
    graph = network(3000.0, 3000.0, 3000.0)
    form = chosen(graph, tmp_path)
    assert form.graph is graph
    assert form.record["chosen"] is None
    assert form.record["why"] == "no form is near enough to the float32 file"
    assert any("8 bits" in judged["scheme"] for judged in form.record["judged"])
    assert form.tolerance == pytest.approx(1e-3)
    assert form.note == "the written file says what the student says"


def test_how_much_divergence_is_allowed_follows_from_the_students_own(tmp_path: Path) -> None:
    assert chosen(network(1.0), tmp_path, own_kl=1.0).record["limits"]["kl"] == pytest.approx(0.02)
    assert chosen(network(1.0), tmp_path, own_kl=0.001).record["limits"]["kl"] == 0.002


def test_a_file_that_is_clearly_slower_is_not_taken(tmp_path: Path) -> None:
    graph = network(1.0)
    form = chosen(graph, tmp_path, {"float32": 10.0, "int8": 20.1})
    assert form.graph is graph
    assert form.record["chosen"] is None
    assert form.record["why"].startswith("it is slower here")
    assert form.record["p50_us"] == {"float32": 10.0, "int8": 20.1}
    measured: dict = {}

    def decided(name, measure):
        measured[name] = measure()
        return measured[name] if name == "int8" else FAST

    int8_form(graph, Onnx(), Rows(clear(graph)[:40], clear(graph)[40:120], collate), tmp_path, decided)
    assert set(measured["int8.latency"]) == {"float32", "int8"}
    assert min(measured["int8.latency"].values()) > 0


def test_a_bag_has_nothing_but_pooled_products(tmp_path: Path) -> None:
    student, _ = Bag.tiny()
    texts = [ids % 11 for ids in TEXTS]
    form = int8_form(student.graph(), Onnx(), Rows(texts[:9], texts[9:], collate), tmp_path, lambda name, measure: measure())
    assert form.record["chosen"] is None
    assert form.record["why"] == "nothing but products of pooled rows"


def test_without_rows_nothing_is_chosen(tmp_path: Path) -> None:
    empty = np.zeros(0, np.int64)
    for rows in (Rows([], TEXTS, collate), Rows(TEXTS, [], collate), Rows([empty], TEXTS, collate)):
        form = int8_form(network(1.0), Onnx(), rows, tmp_path, lambda name, measure: measure())
        assert form.record["why"] == "too few rows with a token to calibrate and to judge"


def test_what_was_measured_once_is_obeyed(tmp_path: Path) -> None:
    graph = network(1.0)
    rows = Rows(clear(graph)[:40], clear(graph)[40:120], collate)

    def said(kind, *judged):
        return lambda name, measure: {"activations": kind, "judged": judged} if name == "int8" else FAST

    signed, unsigned = (int8_form(graph, Onnx(), rows, tmp_path, said(kind, "uint8", "int8")) for kind in ("int8", "uint8"))
    assert signed.record["chosen"].startswith("S8S8")
    assert unsigned.record["chosen"].startswith("U8S8")
    again = int8_form(graph, Onnx(), rows, tmp_path, said("int8", "int8"))
    for form in (signed, again):
        Onnx().write(form.graph, tmp_path / f"{form is again}.onnx")
    assert (tmp_path / "True.onnx").read_bytes() == (tmp_path / "False.onnx").read_bytes()


def test_no_row_calibrates_and_judges() -> None:
    train, valid = list(range(3000)), list(range(5000, 5300))
    calibration, judging = calibration_and_judging(train, valid)
    assert len(calibration) == 512
    assert len(judging) == 1000
    assert not set(calibration) & set(judging)
    assert set(valid) < set(judging)
    assert calibration_and_judging([1, 2, 3], []) == ([1, 2], [3])
    assert calibration_and_judging(["a", "b", "a", "c"], ["a", "d"]) == (["a", "b"], ["d", "c"])
    assert calibration_and_judging([1], []) == ([1], [])
    assert spread([], 3) == []
    assert spread(list(range(10)), 3) == [0, 3, 6]


def test_parity_names_what_differs() -> None:
    def says(arrays):
        return np.stack([arrays["ids"].sum(1), arrays["mask"].sum(1)], axis=1).astype(np.float32)

    flow = np.concatenate(TEXTS[:5])
    sweep = {f"{n} tokens each": [np.resize(np.roll(flow, -r), n) for r in range(32)] for n in (1, 16)}
    assert check_parity(says, says, sweep, collate, 1e-4) == 0.0
    with pytest.raises(ParityError, match=r"differs from the trained student by 0\.5 in a logit, 1 records of 1 tokens each"):
        check_parity(says, lambda a: says(a) + 0.5, sweep, collate, 1e-4)
    with pytest.raises(ParityError, match=r"trained student by 1 in a logit, 1 records of 16 tokens"):
        check_parity(says, lambda a: says(a) + (a["ids"].shape[1] == 16), sweep, collate, 1e-4)
    with pytest.raises(ParityError, match="itself one record at a time by 1 in a logit, 32 records of 1 tokens"):
        check_parity(lambda a: says(a) + (len(a["ids"]) == 32), lambda a: says(a) + (len(a["ids"]) == 32), sweep, collate, 1e-4)
    with pytest.raises(ParityError, match="not finite: its training diverged"):
        check_parity(lambda a: says(a) + np.nan, says, sweep, collate, 1e-4)


def test_pieces_are_the_same_or_it_is_said() -> None:
    check_pieces([["a"], ["b", "c"], None], [["a"], ["b", "c"], None], ["a", "bc", "?"])
    check_pieces([["x"]], [None], ["where the full tokenizer reads nothing, nothing is compared"])
    with pytest.raises(ParityError, match=r"reads the text 'bc' as \['b', 'c'\], the teacher's as \['bc'\]"):
        check_pieces([["b", "c"]], [["bc"]], ["bc"])
    with pytest.raises(ParityError, match="as None"):
        check_pieces([None], [["bc"]], ["bc"])


def test_nearness_by_hand() -> None:
    p = np.log(np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]], np.float32))
    q = np.log(np.array([[0.25, 0.75], [0.9, 0.1], [0.2, 0.8]], np.float32))
    batched = q.copy()
    batched[2] = [0.0, -1.0]
    found = nearness(p, q, batched)
    assert (found.rows, found.batch_flips) == (3, 1)
    assert found.agreement == pytest.approx(2 / 3)
    assert found.kl == pytest.approx((0.5 * np.log(2) + 0.5 * np.log(2 / 3)) / 3, rel=1e-5)
    with pytest.raises(ParityError, match=r"on 66\.67% of 3 training rows; at least 99\.50% is asked"):
        check_int8(found, 0.995)
    with pytest.raises(ParityError, match="1 of 3 training rows have another label in a batch"):
        check_int8(found, 0.5)
    check_int8(nearness(q, q, q), 0.995)


@pytest.fixture
def begun(rows_file: Path, tiny_teacher, tmp_path: Path):
    """A run of an encoder up to its untrained student, twice in a folder of its own: (run, student, modality, teacher, splits)."""

    def begin(name: str, **settings):
        student = {"family": "encoder", "layers": 1, **settings}
        recipe = {**TINY, "student": student}
        run = open_run(
            Recipe.read(
                recipe,
                values={"data.train": str(rows_file), "teacher.model": str(tiny_teacher[1]), "out": str(tmp_path / name)},
            )
        )
        splits: Splits = read_data(run).splits
        teacher = load_teacher(run, splits)
        network, modality = new_student(run, teacher, [t for t, _ in ROWS], teacher.labels)
        with torch.no_grad():  # answers far enough apart that rounding does not turn them
            network.head.weight.mul_(50.0)
        return run, network.eval(), modality, teacher, splits

    return begin


def test_a_run_writes_int8_and_keeps_the_float32_file_as_evidence(begun, tmp_path: Path) -> None:
    bundles = []
    for name in ("a", "a", "b"):  # "a" twice: what was measured at the first start holds
        run, *parts = begun(name)
        with run:
            bundles.append(write_bundle(run, *parts))
    record = json.loads((tmp_path / "a" / "evidence" / "int8.json").read_text())
    assert record["chosen"]
    assert json.loads((tmp_path / "a" / "resolved.json").read_text())["measured"]["int8"] == record["clock"]
    assert (tmp_path / "a" / "evidence" / "float32-model.onnx").stat().st_size > (
        tmp_path / "a" / "bundle" / "model.onnx"
    ).stat().st_size
    assert bundles[0].sha256 == bundles[1].sha256 == bundles[2].sha256
    assert sorted(p.name for p in (tmp_path / "a" / "bundle").iterdir()) == [
        "golden.json",
        "manifest.json",
        "modality.json",
        "model.onnx",
    ]
    assert bundles[0].json("golden.json")["tolerance"] >= 1e-2
    predictor, texts = limbeck.load(tmp_path / "a" / "bundle"), [t for t, _ in ROWS]
    assert [p.label for p in predictor.predict(texts)] == [predictor.predict([t])[0].label for t in texts]


def test_float32_is_float32(begun, tmp_path: Path) -> None:
    run, *parts = begun("a", network="float32")
    with run:
        bundle = write_bundle(run, *parts)
    assert not (tmp_path / "a" / "evidence" / "int8.json").exists()
    assert bundle.json("golden.json")["tolerance"] == pytest.approx(1e-3)
    assert isinstance(bundle, Bundle)


def test_a_file_that_says_something_else_is_refused(begun, monkeypatch) -> None:
    run, student, *parts = begun("a")
    graph = student.graph()
    broken = {n: c + 0.5 if n == "head.bias" else c for n, c in graph.constants.items()}
    monkeypatch.setattr(type(student), "graph", lambda self: Graph(graph.inputs, broken, graph.nodes, graph.output))
    with run, pytest.raises(ParityError, match="the written file differs from the trained student"):
        write_bundle(run, student, *parts)
    assert not (run.folder / "bundle").exists()


def test_a_student_that_no_int8_form_is_near_to_learns_with_rounding(begun, monkeypatch, tmp_path: Path) -> None:
    real, asked = written.in_int8, []

    def far_at_first(run, student, *rest):
        asked.append(student)
        found = real(run, student, *rest)
        return (
            found
            if len(asked) > 1
            else replace(found, graph=student.graph(), record={"chosen": None, "judged": []}, missed=True)
        )

    class Checkpoint:
        removed = False

        def remove(self) -> None:
            self.removed = True

    monkeypatch.setattr(written, "in_int8", far_at_first)
    run, student, *parts = begun("a")
    again, checkpoint = copy.deepcopy(student), Checkpoint()
    with torch.no_grad():
        again.head.bias += 1.0
    with run:
        bundle = write_bundle(run, student, *parts, None, lambda: (again, checkpoint))
    assert asked == [student, again]
    assert checkpoint.removed
    record = json.loads((tmp_path / "a" / "evidence" / "int8.json").read_text())
    assert record["chosen"]
    assert record["before it learned with rounding"] == {"chosen": None, "judged": []}
    assert bundle.manifest.precision == "int8"


@pytest.mark.parametrize("missed_again", [True, False], ids=["too far again", "near enough and too slow"])
def test_where_rounding_did_not_help_the_first_student_is_written_in_float32(
    begun, monkeypatch, tmp_path: Path, missed_again: bool
) -> None:
    class Checkpoint:
        def remove(self) -> None: ...

    asked = []

    def far_or_slow(run, student, graph, *rest):
        asked.append(student)
        (run.folder / "evidence").mkdir(exist_ok=True)  # as the real one leaves it
        return Form(graph, 1e-3, {"chosen": None}, missed=len(asked) == 1 or missed_again)

    monkeypatch.setattr(written, "in_int8", far_or_slow)
    run, student, *parts = begun("a")
    again = copy.deepcopy(student)
    with torch.no_grad():
        again.head.bias += 1.0
    with run:
        bundle = write_bundle(run, student, *parts, None, lambda: (again, Checkpoint()))
    assert bundle.manifest.precision == "float32"
    other, *others = begun("b", network="float32")
    with other:
        assert (tmp_path / "a" / "bundle" / "model.onnx").read_bytes() == (
            write_bundle(other, student, *others[1:]).path / "model.onnx"
        ).read_bytes()
