"""The int8 form of a trained student, chosen by measurement. Knows graphs, a target and encoded rows; knows nothing of training.

Every scheme is written and judged on training rows that calibrated nothing. One that keeps weights in 7 bits comes first, since
it means the same on processors without VNNI; then the one that is nearest to the float32 file. Where that is not near enough, the
parts that harm most alone stay float32, one more each time; where most of them would, 8 bits are tried, then none. A file that is
clearly slower than float32 is not taken either. Products of
pooled rows stay float32 always: ONNX Runtime turns product and bias there into one Gemm, for which it would widen the whole
weight again at every call (docs/diary.md). Test rows are never seen.

Letters: N rows, T places, I inputs of a product, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, get_args

from limbeck.data.split import Splits
from limbeck.graph import Graph
from limbeck.metrics.probabilities import kl
from limbeck.pipeline.int8_bench import Bench, Rows, alone_and_batched, sorted_logits, spread
from limbeck.quantize import Clipping, Scheme, products, quantized, tables
from limbeck.run import Run, write_json
from limbeck.types import Json
from limbeck.verify.parity import check_int8, nearness

LEAST_AGREEMENT = 0.995
MOST_KL, _SHARE_OF_OWN = 0.002, 0.02
"""Nats. By Pinsker's inequality the probability of no set of classes moves by more than sqrt(0.002 / 2) = 3.2 % on average."""
_CALIBRATED, _JUDGED, _SCREENED = 512, 1000, 256
_SLOWER = 2.0
"""How many times slower a file must be to be refused: noise is not so large, and products that a runtime does not fuse are."""
_TOLERANCES = 10
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of the tolerance: coarse, so that a last digit of numpy's changes no bundle


@dataclass(frozen=True, slots=True)
class Form:
    """What is to be written: the graph, how far a logit may differ elsewhere, what was tried, and whether all of it was too far from float32."""

    graph: Graph
    tolerance: float
    record: Json
    missed: bool = False

    @property
    def note(self) -> str:
        """What it is, in words."""
        if not self.record["chosen"]:
            return "the written file says what the student says"
        return f"int8 ({self.record['chosen']}), {self.record['judged'][-1]['agreement']:.2%} of its labels those of the float32 file"


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
        decided: `Run.decided`. The kind of activations, and whether int8 is taken at all, hang on the clock, and are written down, so
            that a run that is taken up makes the same bytes.
        own_kl: the student's own divergence from its teacher in nats; a fiftieth of it is allowed where this is more than 0.002.
    """
    record: Json = {"chosen": None, "bytes": {"float32": graph.bytes}}

    def stays(why: str) -> Form:
        return Form(graph, _TOLERANCES * target.tolerance, {**record, "why": why})

    if not rows.judging or not any(map(len, rows.calibration)):
        return stays("too few rows with a token to calibrate and to judge")
    bench = Bench(target, rows, folder)
    seen, pooled = bench.observe(graph)
    record["pooled"] = sorted(pooled)
    parts = [name for name in [*(p.weight for p in products(graph)), *tables(graph)] if name not in pooled]
    if not parts:
        return stays("nothing but products of pooled rows")
    most_kl = max(MOST_KL, _SHARE_OF_OWN * (own_kl or 0.0))
    run = bench.load(graph)
    float_NC = sorted_logits(run, rows.judging, rows.collate)

    def form(scheme: Scheme, excluded: Sequence[str] = ()) -> Graph:
        return quantized(graph, scheme, seen, {*pooled, *excluded})

    def screened(candidate: Graph) -> float:
        some = sorted_logits(bench.load(candidate), rows.judging[:_SCREENED], rows.collate)
        return float(kl(float_NC[:_SCREENED], some).mean())

    clock = decided("int8", bench.activations)
    kinds = product(clock["judged"], (True, False), (True, False), get_args(Clipping))
    kl_of = {scheme: screened(form(scheme)) for scheme in (Scheme(*kind) for kind in kinds)}
    record |= {
        "limits": {"agreement": LEAST_AGREEMENT, "kl": most_kl},
        "rows": {
            "calibration": len(rows.calibration),
            "judging": len(rows.judging),
            "screening": min(_SCREENED, len(rows.judging)),
        },
        "clock": clock,
        "kl": {scheme.name: float(f"{value:.4g}") for scheme, value in kl_of.items()},
        "judged": [],
    }
    for bits7 in (True, False):
        usable = [s for s in kl_of if s.activations == clock["activations"] and s.reduce_range is bits7]
        scheme = min(usable, key=lambda s: kl_of[s])
        harm: dict[str, float] | None = None
        for out in range(len(parts) // 2 + 1):
            if out and harm is None:
                harm = {part: screened(form(scheme, [p for p in parts if p != part])) for part in parts}
                record[f"alone, {scheme.name}"] = {part: float(f"{value:.4g}") for part, value in harm.items()}
            excluded = sorted(parts, key=lambda p: -(harm or {}).get(p, 0.0))[:out]
            candidate = form(scheme, excluded)
            moved_back = bench.corrected(graph, candidate)
            biases = moved_back is not candidate and screened(moved_back) < screened(candidate)
            candidate = moved_back if biases else candidate
            found = bench.judged(candidate, float_NC)
            record["judged"].append({"scheme": scheme.name, "float32": excluded, "biases corrected": biases, **found.to_json()})
            if found.agreement >= LEAST_AGREEMENT and found.kl <= most_kl and not found.batch_flips:
                record["p50_us"] = times = decided("int8.latency", partial(bench.latency, graph, candidate))
                if times["int8"] > _SLOWER * times["float32"]:
                    return stays("it is slower here than the float32 file: this runtime does not fuse its products")
                record["chosen"] = scheme.name
                record["bytes"]["int8"] = candidate.bytes
                record["elsewhere"] = float(f"{bench.elsewhere(candidate):.4g}")
                tolerance = min(step for step in _STEPS if step >= min(2 * record["elsewhere"], _STEPS[-1]))
                return Form(candidate, tolerance, record)
    return replace(stays("no form is near enough to the float32 file"), missed=True)


def first_form(graph: Graph, target: Any, rows: Rows, folder: Path) -> Graph:
    """The int8 form by the first scheme, judged by nobody: as large and as fast as the chosen one will be, where nothing stays float32."""
    seen, pooled = Bench(target, rows, folder).observe(graph)
    return quantized(graph, Scheme(), seen, pooled)


def in_int8(
    run: Run, student: Any, graph: Graph, target: Any, model: Path, modality: Any, splits: Splits, before: Json | None = None
) -> Form:
    """Write a student's int8 form over its float32 file, which moves to evidence/, where its settings ask for int8.

    evidence/int8.json says what was tried.

    Args:
        student: trained.
        graph, model: its graph, in float32, and the file where it is written.
        modality: encodes the rows of `splits`, of which the test's are not read.
        before: the record of the same student before it learned with rounding, which is kept beside this one.

    Raises:
        ParityError: the int8 file that was written is not the one that was chosen: too few labels agree, or one hangs on the batch.
    """
    if run.recipe.several:
        return Form(
            graph, _TOLERANCES * target.tolerance, {"chosen": None, "why": "nearness is measured of one label among all"}
        )
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
        float_NC = sorted_logits(target.load(model), rows.judging, rows.collate)
        model.replace(evidence / f"float32-{target.filename}")
        target.write(form.graph, model)
        check_int8(nearness(float_NC, *alone_and_batched(target.load(model), rows)), LEAST_AGREEMENT)
    write_json(evidence / "int8.json", form.record | ({"before it learned with rounding": before} if before else {}))
    return form
