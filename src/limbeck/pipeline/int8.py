"""The int8 form of a trained student, chosen by measurement. Knows graphs, a target and encoded rows; knows nothing of training.

Every scheme is written and judged on training rows that calibrated nothing. One that keeps weights in 7 bits comes first, since
it means the same on processors without VNNI; then the one that is nearest to the float32 file. Where that is not near enough, the
parts that harm most alone stay float32, one more each time; where most of them would, 8 bits are tried, then none. Products of
pooled rows stay float32 always: ONNX Runtime turns product and bias there into one Gemm, for which it would widen the whole
weight again at every call (docs/diary.md). Test rows are never seen.

Letters: N rows, T places, I inputs of a product, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from limbeck.data.split import Splits
from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.quantize import Activations, Clipping, Range, Scheme, products, quantized, ranges, tables, tapped
from limbeck.run import Run, write_json
from limbeck.targets.numpy import evaluate
from limbeck.types import Json, Runner
from limbeck.verify.footprint import interleaved_latency
from limbeck.verify.parity import Collate, Ids, Nearness, check_int8, divergence, nearness

LEAST_AGREEMENT = 0.995
_MOST_KL, _SHARE_OF_OWN = 0.002, 0.02
"""Nats. By Pinsker's inequality the probability of no set of classes moves by more than sqrt(0.002 / 2) = 3.2 % on average."""
_CALIBRATED, _TOKENS, _JUDGED, _SCREENED = 512, 8192, 1000, 256
_KINDS: tuple[Activations, ...] = get_args(Activations)
_TIMED, _FASTER, _SPAN = 60, 1.5, dict.fromkeys(get_args(Clipping), Range(-4.0, 4.0))  # of the measurement of the machine
_BATCH, _TOLERANCES = 32, 10
_ELSEWHERE = 32
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of the tolerance: coarse, so that a last digit of numpy's changes no bundle


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded training rows, (T,) each: `calibration` gives ranges, `judging` none of them; `collate` pads a batch."""

    calibration: Sequence[Ids]
    judging: Sequence[Ids]
    collate: Collate


@dataclass(frozen=True, slots=True)
class Form:
    """What is to be written: the graph, how far a logit may differ elsewhere, and what was tried."""

    graph: Graph
    tolerance: float
    record: Json

    @property
    def note(self) -> str:
        """What it is, in words."""
        if not self.record["chosen"]:
            return "the written file says what the student says"
        return f"int8 ({self.record['chosen']}), {self.record['judged'][-1]['agreement']:.2%} of its labels those of the float32 file"


def spread(rows: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the rows, evenly spread."""
    many = min(most, len(rows))
    return [rows[place * len(rows) // many] for place in range(many)]


def calibration_and_judging(train: Sequence[Any], valid: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Rows for both uses, none in both: training rows; and the validation rows, filled up with other training rows. Evenly spread."""
    train = list(dict.fromkeys(train))
    calibration = spread(train, min(_CALIBRATED, (len(train) + 1) // 2))
    used = set(calibration)
    judging = spread([row for row in dict.fromkeys(valid) if row not in used], _JUDGED)
    used |= set(judging)
    return calibration, judging + spread([row for row in train if row not in used], _JUDGED - len(judging))


def int8_form(
    graph: Graph,
    target: Any,
    rows: Rows,
    folder: Path,
    decided: Callable[[str, Callable[[], Json]], Json],
    own_kl: float | None = None,
) -> Form:
    """The int8 form of a float32 graph, or the graph itself where none is near enough.

    Args:
        graph: of the trained student.
        target: in whose format each candidate is written and measured.
        rows: of training, never of the test.
        folder: for the candidates' files, one at a time.
        decided: `Run.decided`. Only the kind of activations hangs on the clock, and is written down, so that a run that is taken up
            makes the same bytes.
        own_kl: the student's own divergence from its teacher in nats; a fiftieth of it is allowed where this is more than 0.002.
    """
    record: Json = {"chosen": None, "bytes": {"float32": graph.bytes}}

    def stays(why: str) -> Form:
        return Form(graph, _TOLERANCES * target.tolerance, {**record, "why": why})

    if not rows.judging or not any(map(len, rows.calibration)):
        return stays("too few rows with a token to calibrate and to judge")
    bench = _Bench(target, rows, folder)
    seen, pooled = bench.observe(graph)
    record["pooled"] = sorted(pooled)
    parts = [name for name in [*(p.weight for p in products(graph)), *tables(graph)] if name not in pooled]
    if not parts:
        return stays("nothing but products of pooled rows")
    most_kl = max(_MOST_KL, _SHARE_OF_OWN * (own_kl or 0.0))
    run = bench.load(graph)
    float_NC = bench.sorted_logits(run, rows.judging)

    def form(scheme: Scheme, excluded: Sequence[str] = ()) -> Graph:
        return quantized(graph, scheme, seen, {*pooled, *excluded})

    def screened(candidate: Graph) -> float:
        some = bench.sorted_logits(bench.load(candidate), rows.judging[:_SCREENED])
        return divergence(float_NC[:_SCREENED], some)

    clock = decided("int8", bench.activations)
    kinds = product(clock["judged"], (True, False), (True, False), get_args(Clipping))
    kl = {scheme: screened(form(scheme)) for scheme in (Scheme(*kind) for kind in kinds)}
    record |= {
        "limits": {"agreement": LEAST_AGREEMENT, "kl": most_kl},
        "rows": {
            "calibration": len(rows.calibration),
            "judging": len(rows.judging),
            "screening": min(_SCREENED, len(rows.judging)),
        },
        "clock": clock,
        "kl": {scheme.name: float(f"{value:.4g}") for scheme, value in kl.items()},
        "judged": [],
    }
    for bits7 in (True, False):
        usable = [s for s in kl if s.activations == clock["activations"] and s.reduce_range is bits7]
        scheme = min(usable, key=lambda s: kl[s])
        harm: dict[str, float] | None = None
        for out in range(len(parts) // 2 + 1):
            if out and harm is None:
                harm = {part: screened(form(scheme, [p for p in parts if p != part])) for part in parts}
                record[f"alone, {scheme.name}"] = {part: float(f"{value:.4g}") for part, value in harm.items()}
            excluded = sorted(parts, key=lambda p: -(harm or {}).get(p, 0.0))[:out]
            candidate = form(scheme, excluded)
            found = bench.judged(candidate, float_NC)
            record["judged"].append({"scheme": scheme.name, "float32": excluded, **found.to_json()})
            if found.agreement >= LEAST_AGREEMENT and found.kl <= most_kl and not found.batch_flips:
                record["chosen"] = scheme.name
                record["bytes"]["int8"] = candidate.bytes
                record["elsewhere"] = float(f"{bench.elsewhere(candidate):.4g}")
                tolerance = min(step for step in _STEPS if step >= min(2 * record["elsewhere"], _STEPS[-1]))
                return Form(candidate, tolerance, record)
    return stays("no form is near enough to the float32 file")


def first_form(graph: Graph, target: Any, rows: Rows, folder: Path) -> Graph:
    """The int8 form by the first scheme, judged by nobody: as large and as fast as the chosen one will be, where nothing stays float32."""
    seen, pooled = _Bench(target, rows, folder).observe(graph)
    return quantized(graph, Scheme(), seen, pooled)


def in_int8(run: Run, student: Any, graph: Graph, target: Any, model: Path, modality: Any, splits: Splits) -> Form:
    """Write a student's int8 form over its float32 file, which moves to evidence/, where its settings ask for int8.

    evidence/int8.json says what was tried.

    Args:
        student: trained.
        graph, model: its graph, in float32, and the file where it is written.
        modality: encodes the rows of `splits`, of which the test's are not read.

    Raises:
        ParityError: the int8 file that was written is not the one that was chosen: too few labels agree, or one hangs on the batch.
    """
    if getattr(student.settings, "network", "float32") != "int8":
        return Form(
            graph, _TOLERANCES * target.tolerance, {"chosen": None, "why": "float32 is asked for, or all that the family has"}
        )
    payloads = ([r.payload for r in some] for some in (splits.train, splits.valid))
    calibration, judging = (modality.encode(some) for some in calibration_and_judging(*payloads))
    rows = Rows(calibration, judging, modality.collate)
    form = int8_form(graph, target, rows, model.parent, run.decided)
    evidence = run.folder / "evidence"
    evidence.mkdir(exist_ok=True)
    if form.record["chosen"]:
        float_NC = _sorted_logits(target.load(model), rows.judging, rows.collate)
        model.replace(evidence / f"float32-{target.filename}")
        target.write(form.graph, model)
        check_int8(nearness(float_NC, *_alone_and_batched(target.load(model), rows)), LEAST_AGREEMENT)
    write_json(evidence / "int8.json", form.record)
    return form


class _Bench:
    """Candidates are written, loaded and answer here; the same rows each time."""

    def __init__(self, target: Any, rows: Rows, folder: Path) -> None:
        self.target, self.rows, self.file = target, rows, folder / f"candidate-{target.filename}"

    def load(self, graph: Graph) -> Runner:
        """What the written graph answers; the file is gone then."""
        self.target.write(graph, self.file)
        try:
            found: Runner = self.target.load(self.file)
        finally:
            self.file.unlink(missing_ok=True)
        return found

    def observe(self, graph: Graph) -> tuple[dict[str, Mapping[Clipping, Range]], set[str]]:
        """The ranges of each product's x, by its name; and the weights whose x has one row for each text.

        Texts of equal length go together, so that no padding is observed; a product whose texts all have one token counts as pooled.
        """
        groups: dict[int, list[Ids]] = {}
        some = [ids for ids in self.rows.calibration if len(ids)]
        for ids in spread(some, max(1, len(some) * _TOKENS // max(_TOKENS, sum(map(len, some))))):
            groups.setdefault(len(ids), []).append(ids)
        batches = [g[i : i + _BATCH] for _, g in sorted(groups.items()) for i in range(0, len(g), _BATCH)]
        found: dict[str, Mapping[Clipping, Range]] = {}
        pooled, pooled_x = set[str](), set[str]()
        for part in products(graph):
            if part.x not in found:
                run = self.load(tapped(graph, part))
                rows_NI = np.concatenate([run(self.rows.collate(batch)) for batch in batches])
                found[part.x] = ranges(rows_NI)
                if len(rows_NI) == sum(map(len, batches)):
                    pooled_x.add(part.x)
            if part.x in pooled_x:
                pooled.add(part.weight)
        return found, pooled

    def sorted_logits(self, run: Runner, encoded: Sequence[Ids]) -> NDArray[np.float32]:
        return _sorted_logits(run, encoded, self.rows.collate)

    def judged(self, graph: Graph, float_NC: NDArray[np.float32]) -> Nearness:
        """A candidate against the float32 file, on all judging rows."""
        return nearness(float_NC, *_alone_and_batched(self.load(graph), self.rows))

    def elsewhere(self, graph: Graph) -> float:
        """How far a logit moves where somebody else computes the float32 parts: numpy against the target, on a few judging rows.

        A last digit decides now and then whether a value is rounded up or down, so another processor's int8 answers differ by more than
        its float32 answers do.
        """
        run, some = self.load(graph), [self.rows.collate([ids]) for ids in self.rows.judging[:_ELSEWHERE]]
        return max(float(np.abs(run(arrays) - evaluate(graph, arrays)).max()) for arrays in some)

    def activations(self) -> Json:
        """Which kind is faster on this machine, by products of a fixed size in turns at batch 1; int8 only where it is clearly so.

        A student's own times were noisy enough to give two runs of a tiny recipe different bytes. The other kind is judged too, for
        the record, unless it is slower than float32: where a runtime does not know it, it is many times slower.
        """
        graph, x = _layers()
        rounded = {
            a: quantized(graph, Scheme(activations=a), dict.fromkeys((p.x for p in products(graph)), _SPAN)) for a in _KINDS
        }
        runs = [self.load(graph), *(self.load(candidate) for candidate in rounded.values())]
        times = dict(zip(("float32", *_KINDS), interleaved_latency(runs, [{"x": x}] * _TIMED), strict=True))
        chosen = "int8" if times["uint8"].p50_us > _FASTER * times["int8"].p50_us else "uint8"
        return {
            "activations": chosen,
            "judged": [a for a in _KINDS if a == chosen or times[a].p50_us <= times["float32"].p50_us],
            "p50_us": {name: round(latency.p50_us, 1) for name, latency in times.items()},
        }


def _layers() -> tuple[Graph, NDArray[np.float32]]:
    """The products of a transformer's layer, three of them of one x, and a text of 13 tokens for it, (1, 13, I).

    With three axes and with biases, as students have them: of others ONNX Runtime makes something else (docs/diary.md).
    """
    dice, width = np.random.default_rng(0), 384
    g = GraphBuilder(GraphInput("x", "float32", ("B", "T", width)))

    def linear(x: str, name: str, outer: int, inner: int) -> str:
        return g.linear(name, x, dice.normal(0.0, inner**-0.5, (outer, inner)).astype(np.float32), np.zeros(outer, np.float32))

    first, second, third = (linear("x", name, width, width) for name in ("query", "key", "value"))
    inner = g("Relu", linear(g("Add", g("Add", first, second), third), "up", 4 * width, width))
    mean = g("ReduceMean", linear(inner, "down", width, 4 * width), axes=[1], keepdims=0)
    return g.build(mean), dice.normal(size=(1, 13, width)).astype(np.float32)


def _sorted_logits(run: Runner, encoded: Sequence[Ids], collate: Collate) -> NDArray[np.float32]:
    """Logits (N, C), in order; texts of like length share a batch."""
    order = np.argsort([len(ids) for ids in encoded], kind="stable")
    parts = [run(collate([encoded[i] for i in order[at : at + _BATCH]])) for at in range(0, len(order), _BATCH)]
    return np.asarray(np.concatenate(parts)[np.argsort(order)])


def _alone_and_batched(run: Runner, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (N, C) of the judging rows, each alone, and in batches as they come, where one pads the other."""
    alone_NC = np.concatenate([run(rows.collate([ids])) for ids in rows.judging])
    starts = range(0, len(rows.judging), _BATCH)
    return alone_NC, np.concatenate([run(rows.collate(rows.judging[at : at + _BATCH])) for at in starts])
