"""Do the bounds hold what they promise? Made-up rows with a known truth, 20,000 samples each; needs no data and no teacher.

    python benchmarks/intervals.py --json work/intervals.json

The grid: 100, 400 and 3,080 rows; teacher and student differ in being right on 1, 5 and 15 % of all rows; the true difference of their
accuracies is 0 or minus the margin. The margin is 0.02; where only 1 % of the rows differ no loss is larger than 0.01, so there it is 0.01
and 0.005. `worst_coverage`: the share of samples whose one-sided bound holds the truth, the worst of all bounds of all cells.
`false_pass_at_margin`: the share of verdicts `kept` where exactly the margin is lost. `power_where_promised`: the share of verdicts
`kept` for a student as good as its teacher on as many rows as `rows_to_show` promises, for margins of 0.02 and 0.01. The others are for comparison: the
score interval without its correction, retention, a single share, the bootstrap that macro-F1 uses, and what the promise is worth when its rates come
from a first sample of n rows that ended in `not shown`.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from harness import arguments, write
from limbeck.evidence import Interval, Verdict
from limbeck.verify.bootstrap import RESAMPLES, bca
from limbeck.verify.sample_size import power, rows_to_show
from limbeck.verify.statistics import HALF_ROW, paired_bounds, paired_ratio_score, proportion, verdict

ROWS = (100, 400, 3080)
DISAGREEMENT = (0.01, 0.05, 0.15)
DRAWS = 20_000
RESAMPLED = 1_000
"""Samples of a cell that are resampled, 2,000 times each."""
PILOTS = 100
MARGIN = 0.02
TEACHER = 0.9
Z = NormalDist().inv_cdf(0.95)


def margins(disagreement: float) -> tuple[float, ...]:
    """The margins that a student can lose exactly."""
    return (MARGIN,) if disagreement >= MARGIN else (disagreement, disagreement / 2)


def cells() -> Iterator[tuple[int, float, float]]:
    """Rows, disagreement and true difference of each cell."""
    for rows in ROWS:
        for disagreement in DISAGREEMENT:
            for difference in (0.0, *(-m for m in margins(disagreement))):
                yield rows, disagreement, difference


def samples(rows: int, disagreement: float, difference: float, draws: int, seed: int) -> np.ndarray:
    """(draws, 3): rows gained, rows lost, rows that both have right."""
    gain, loss = (disagreement + difference) / 2, (disagreement - difference) / 2
    both = TEACHER - loss
    return np.random.default_rng(seed).multinomial(rows, [gain, loss, both, 1 - gain - loss - both], size=draws)[:, :3]


def coverage(found: np.ndarray, rows: int, difference: float, correction: float) -> tuple[float, float, np.ndarray]:
    """How often the lower and the upper bound hold the truth; and the lower bounds."""
    pairs, where = np.unique(found[:, :2], axis=0, return_inverse=True)
    low, high = paired_bounds(pairs[:, 0], pairs[:, 1], rows, 0.95, correction)
    low, high = low[where.ravel()], high[where.ravel()]
    return float(np.mean(low <= difference)), float(np.mean(high >= difference)), low


def retained(found: np.ndarray, rows: int, difference: float) -> list[float]:
    """How often the bounds of retention hold the truth."""
    gained, lost, both = found.T
    truth = (TEACHER + difference) / TEACHER
    lower = paired_ratio_score(both, gained, lost, rows, truth, HALF_ROW) <= Z
    upper = paired_ratio_score(both, gained, lost, rows, truth, -HALF_ROW) >= -Z
    return [float(lower.mean()), float(upper.mean())]


def bootstrapped(found: np.ndarray, rows: int, difference: float) -> tuple[list[float], list[float]]:
    """How often BCa and percentile bounds of the difference hold the truth."""
    dice = np.random.default_rng(5)
    held = np.zeros((2, 2))
    for gained, lost, _ in found[:RESAMPLED].tolist():
        same = rows - gained - lost
        drawn = dice.multinomial(rows, np.array([gained, lost, same]) / rows, size=RESAMPLES)
        estimate, drawn_S = (gained - lost) / rows, (drawn[:, 0] - drawn[:, 1]) / rows
        away = (gained - lost - np.array([1, -1, 0])) / (rows - 1)
        simple = np.quantile(drawn_S, [0.05, 0.95])
        better = bca(estimate, drawn_S, away, np.array([gained, lost, same]), 0.95) if np.ptp(drawn_S) > 0 else simple
        for k, (low, high) in enumerate((better, simple)):
            held[k] += (low <= difference, high >= difference)
    return (held[0] / RESAMPLED).tolist(), (held[1] / RESAMPLED).tolist()


def single(correction: float) -> float:
    """The worst coverage of the bounds of one share, at the shares that accuracy and agreement have."""
    worst = 1.0
    for rows in ROWS:
        for share in (0.85, 0.9, 0.95, 0.99):
            found = np.random.default_rng(7).binomial(rows, share, size=DRAWS)
            kinds, where = np.unique(found, return_inverse=True)
            bounds = [proportion(int(k), rows, 0.95, correction) for k in kinds]
            low, high = np.array([(b.low, b.high) for b in bounds])[where].T
            worst = min(worst, float(np.mean(low <= share)), float(np.mean(high >= share)))
    return worst


def promised() -> dict[str, float]:
    """What the promised numbers of rows are worth."""
    sure, piloted = [], []
    for rows in ROWS:
        for disagreement in DISAGREEMENT:
            rate = disagreement / 2
            for margin in (MARGIN, MARGIN / 2):
                needed = rows_to_show(rows * rate, rows * rate, rows, margin)
                assert needed is not None  # equal students are always within a margin
                found = samples(needed, disagreement, 0.0, DRAWS, 11)
                kept = float(np.mean(coverage(found, needed, 0.0, HALF_ROW)[2] > -margin))
                print(f"promised {rows:>5,} {disagreement:>5.0%} margin {margin:.2f}: {needed:>7,} rows, kept {kept:.4f}")
                sure.append(kept)
            pilots = samples(rows, disagreement, 0.0, PILOTS, 13)
            low = coverage(pilots, rows, 0.0, HALF_ROW)[2]
            known: dict[int, float] = {}
            for gained, lost, _ in pilots[low <= -MARGIN].tolist():
                if (needed := rows_to_show(gained, lost, rows, MARGIN)) is not None:
                    known[needed] = known.get(needed) or power(rate, rate, needed, MARGIN)
                    piloted.append(known[needed])
    return {
        "power_where_promised": min(sure),
        "power_after_a_pilot_mean": float(np.mean(piloted)),
        "power_after_a_pilot_median": float(np.median(piloted)),
    }


def main() -> dict[str, float]:
    """All figures; a line for each cell goes to standard output."""
    ours, published, passes, retention, better, simple = ([] for _ in range(6))
    print("  rows differ  truth | lower upper | published   | retention   | BCa         | percentile  | kept at -margin")
    for i, (rows, disagreement, difference) in enumerate(cells()):
        found = samples(rows, disagreement, difference, DRAWS, i)
        *held, low = coverage(found, rows, difference, HALF_ROW)
        *plain, _ = coverage(found, rows, difference, 0.0)
        kept_ratio = retained(found, rows, difference)
        boot, percentile = bootstrapped(found, rows, difference)
        line = [held, plain, kept_ratio, boot, percentile]
        passed = ""
        if difference < 0:
            share = float(np.mean([verdict(Interval(0, x, 1), difference) is Verdict.KEPT for x in low.tolist()]))
            passes.append(share)
            passed = f"{share:.4f}"
        cells_text = " | ".join(f"{a:.3f} {b:.3f}" for a, b in line)
        print(f"{rows:>6,} {disagreement:>6.0%} {difference:>6.3f} | {cells_text} | {passed}")
        for store, values in zip((ours, published, retention, better, simple), line, strict=True):
            store += values
    return {
        "worst_coverage": min(ours),
        "false_pass_at_margin": max(passes),
        **promised(),
        "draws": DRAWS,
        "worst_coverage_without_correction": min(published),
        "worst_coverage_retention": min(retention),
        "worst_coverage_one_share": single(HALF_ROW),
        "worst_coverage_wilson": single(0.0),
        "worst_coverage_bca": min(better),
        "worst_coverage_percentile": min(simple),
    }


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("all",))
    write(args, main(), {})
