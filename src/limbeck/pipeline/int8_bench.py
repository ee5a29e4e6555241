"""Candidates for an int8 file, written and measured. Knows graphs, a target and encoded rows; chooses nothing.

Letters: N rows, T places, I inputs of a product, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from limbeck.engine.batches import lengths
from limbeck.graph import Graph, GraphBuilder, GraphInput
from limbeck.quantize import (
    Activations,
    Clipping,
    Product,
    Range,
    Scheme,
    averaged,
    corrected,
    products,
    quantized,
    ranges,
    tapped,
)
from limbeck.smoothing import SMOOTH, factors, smoothed
from limbeck.targets.numpy import evaluate
from limbeck.types import Json, Runner
from limbeck.verify.footprint import interleaved_latency
from limbeck.verify.parity import Collate, Ids, Nearness, nearness

_TOKENS, _FEW_TOKENS = 8192, 2048  # the latter of a teacher, whose every part costs seconds
_KINDS: tuple[Activations, ...] = get_args(Activations)
_TIMED, _FASTER, _SPAN = 60, 1.5, dict.fromkeys(get_args(Clipping), Range(-4.0, 4.0))  # of the measurement of the machine
_BATCH, _ELSEWHERE, _ROUNDS = 32, 32, 3


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded training rows, (T,) each: `calibration` gives ranges, `judging` none of them; `collate` pads a batch."""

    calibration: Sequence[Ids]
    judging: Sequence[Ids]
    collate: Collate


def spread(rows: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the rows, evenly spread."""
    many = min(most, len(rows))
    return [rows[place * len(rows) // many] for place in range(many)]


@dataclass(frozen=True, slots=True)
class Smooth:
    """A graph whose products read smoothed inputs.

    seen: their ranges, by name. noise: of each weight the range of what it reads over its root mean square: what rounding costs grows
    with it. pooled: weights whose x has one row for each text; they read what they read before.
    """

    graph: Graph
    seen: Mapping[str, Mapping[Clipping, Range]]
    noise: Mapping[str, float]
    pooled: frozenset[str]


class Bench:
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
        """The ranges of each product's x, by its name; and the weights whose x has one row for each text."""
        found: dict[str, Mapping[Clipping, Range]] = {}
        pooled = set[str]()
        for parts, rows_NI, once in self._inputs(graph, _TOKENS):
            found[parts[0].x] = ranges(rows_NI)
            pooled |= {part.weight for part in parts if once}
        return found, pooled

    def smooth(self, graph: Graph) -> Smooth:
        """The graph with smoothed inputs, and what is known of them."""
        scales, seen, noise, pooled = {}, dict[str, Mapping[Clipping, Range]](), dict[str, float](), set[str]()
        for parts, rows_NI, once in self._inputs(graph, _FEW_TOKENS):
            x = parts[0].x
            if once:
                pooled |= {part.weight for part in parts}
                continue
            scales[x] = factors(rows_NI, [graph.constants[part.weight] for part in parts])
            smooth_NI = rows_NI / scales[x]
            span = Range(min(0.0, float(smooth_NI.min())), max(0.0, float(smooth_NI.max())))
            seen[x + SMOOTH] = {"min-max": span}
            size = float(np.sqrt(np.square(smooth_NI).mean())) or 1.0
            noise |= {part.weight: (span.high - span.low) / size for part in parts}
        return Smooth(smoothed(graph, scales, pooled), seen, noise, frozenset(pooled))

    def corrected(self, graph: Graph, candidate: Graph) -> Graph:
        """A candidate with the biases of its convolutions corrected, as `limbeck.quantize.corrected` says."""
        batches = self._batches(_TOKENS)

        def mean(of: Graph, name: str) -> NDArray[np.float32]:
            run = self.load(averaged(of, name))
            mean_O: NDArray[np.float32] = np.concatenate([run(self.rows.collate(batch)) for batch in batches]).mean(axis=0)
            return mean_O

        return corrected(graph, candidate, mean)

    def _batches(self, tokens: int) -> list[list[Ids]]:
        """Some calibration rows, those of equal length together."""
        groups: dict[int, list[Ids]] = {}
        some = [ids for ids in self.rows.calibration if len(ids)]
        for ids in spread(some, max(1, len(some) * tokens // max(tokens, sum(map(len, some))))):
            groups.setdefault(len(ids), []).append(ids)
        return [g[i : i + _BATCH] for _, g in sorted(groups.items()) for i in range(0, len(g), _BATCH)]

    def _inputs(self, graph: Graph, tokens: int) -> Iterator[tuple[list[Product], NDArray[np.float32], bool]]:
        """Of each x its products, its rows, and whether there is one row for each text.

        Texts of equal length go together, so that no padding is observed; a product whose texts all have one token counts as pooled.
        """
        batches = self._batches(tokens)
        of_x: dict[str, list[Product]] = {}
        for part in products(graph):
            of_x.setdefault(part.x, []).append(part)
        for parts in of_x.values():
            run = self.load(tapped(graph, parts[0]))
            rows_NI = np.concatenate([run(self.rows.collate(batch)) for batch in batches])
            yield parts, rows_NI, len(rows_NI) == sum(map(len, batches))

    def judged(self, graph: Graph, float_NC: NDArray[np.float32]) -> Nearness:
        """A candidate against the float32 file, on all judging rows."""
        return nearness(float_NC, *alone_and_batched(self.load(graph), self.rows))

    def elsewhere(self, graph: Graph) -> float:
        """How far a logit moves where somebody else computes the float32 parts: numpy against the target, on a few judging rows.

        A last digit decides now and then whether a value is rounded up or down, so another processor's int8 answers differ by more than
        its float32 answers do.
        """
        run, some = self.load(graph), [self.rows.collate([ids]) for ids in self.rows.judging[:_ELSEWHERE]]
        return max(float(np.abs(run(arrays) - evaluate(graph, arrays)).max()) for arrays in some)

    def latency(self, graph: Graph, candidate: Graph) -> Json:
        """p50 in microseconds of the float32 file and of a candidate, in turns, at batch 1: of the best of a few rounds for int8.

        A runtime that does not fuse the products is slower in every round. One that somebody disturbed in a single round is not, and the
        bytes of a run must not depend on him.
        """
        queries = [self.rows.collate([ids]) for ids in self.rows.judging[:_TIMED]]
        runs = [self.load(graph), self.load(candidate)]
        rounds = [[latency.p50_us for latency in interleaved_latency(runs, queries)] for _ in range(_ROUNDS)]
        times = min(rounds, key=lambda times: times[1] / times[0])
        return dict(zip(("float32", "int8"), (round(t, 1) for t in times), strict=True))

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


def sorted_logits(run: Runner, encoded: Sequence[Ids], collate: Collate) -> NDArray[np.float32]:
    """Logits (N, C), in order; texts of like length share a batch."""
    order = np.argsort(lengths(encoded), kind="stable")
    parts = [run(collate([encoded[i] for i in order[at : at + _BATCH]])) for at in range(0, len(order), _BATCH)]
    return np.asarray(np.concatenate(parts)[np.argsort(order)])


def alone_and_batched(run: Runner, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (N, C) of the judging rows, each alone, and in batches as they come, where one pads the other."""
    alone_NC = np.concatenate([run(rows.collate([ids])) for ids in rows.judging])
    starts = range(0, len(rows.judging), _BATCH)
    return alone_NC, np.concatenate([run(rows.collate(rows.judging[at : at + _BATCH])) for at in starts])
