"""What views of a text are worth: how many of them, and which kinds (the dial `views` of a recipe).

    python benchmarks/views.py [--part all|number|kinds] --work work --json work/views.json

On the training rows of the embedded shop alone, a fifth of them held out by the hash of the text: the teacher is fine-tuned once, by
the demo's recipe, and the bag learns from it with other views each time. Part number: 0, 2, 4, 8 and 16 views a text. Part kinds: at 4
views, each kind of view switched off, or on where the defaults have it off. Accuracy and agreement are means over the seeds, which
throw the dice of the views, of the start and of the order; the teacher is the same. One standard error of an accuracy over 650 rows is
0.018; students on the same rows differ by less, and `spread` says by how much two seeds did.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

import limbeck
from harness import arguments, write
from limbeck import shop
from limbeck.evidence import Measured

SEEDS = (0, 1)
NUMBERS = (0, 2, 4, 8, 16)
KINDS_AT = 4
ON = {
    "splice_share": 0.5,
    "span_share": 0.2,
    "typo_share": 0.1,
    "drop_share": 0.2,
    "swap_share": 0.8,
    "synonym_share": 0.5,
    "case_share": 0.3,
}
"""Each kind's share when it is switched on and the defaults have it off."""

Score = dict[str, float]


def accuracy(measured: Measured) -> float:
    """On the held-out rows."""
    assert measured.quality is not None
    return measured.quality.accuracy.estimate


def agreement(report: limbeck.Report) -> float:
    """Of student and teacher, on the held-out rows."""
    compared = report.against("teacher")
    assert compared is not None
    return compared.agreement.estimate


def distilled(work: Path, **changes: Any) -> limbeck.Report:
    """One run on the shop's training rows; the same again is taken from its folder."""
    recipe = {
        **shop.recipe(),
        "data": {"train": str(shop.TRAIN), "test_share": 0.2},
        "verify": {"latency_queries": 5, "cold_starts": 0, "control": False, "baseline": False},
        **changes,
    }
    out = work / f"views-{limbeck.Recipe.read(recipe).fingerprint()[:12]}"
    report = limbeck.distill(recipe, out=out)
    print(f"{changes}: accuracy {accuracy(report.student):.4f}, agreement {agreement(report):.4f}", file=sys.stderr)
    return report


def scored(work: Path, teacher: Path, views: dict[str, Any]) -> Score:
    """The bag's mean accuracy and agreement over the seeds, and how far apart the seeds' agreements are."""
    shared = {"teacher": {"model": str(teacher)}, "signals": str(work / "views-signals"), "views": views}
    reports = [distilled(work, **shared, seed=seed) for seed in SEEDS]
    agreements = [agreement(report) for report in reports]
    return {
        "accuracy": statistics.mean(accuracy(report.student) for report in reports),
        "agreement": statistics.mean(agreements),
        "spread": max(agreements) - min(agreements),
    }


def measure(work: Path, part: str) -> dict[str, Any]:
    """All figures, by their keys."""
    first = distilled(work, views={"per_record": 0})
    teacher = Path(first.bundle).parent / "teacher"
    found: dict[str, Score] = {}
    if part in ("all", "number"):
        for number in NUMBERS:
            found[f"views_{number}"] = scored(work, teacher, {"per_record": number})
    if part in ("all", "kinds"):
        found["defaults"] = scored(work, teacher, {"per_record": KINDS_AT})
        defaults = limbeck.Recipe.read({"data": {"train": ""}}).complete()["views"]
        for kind, share in ON.items():
            word, other = ("without", 0.0) if defaults[kind] else ("with", share)
            found[f"{word}_{kind.removesuffix('_share')}"] = scored(work, teacher, {"per_record": KINDS_AT, kind: other})
    return {
        "teacher_accuracy": accuracy(first.teacher),
        "rows": first.rows,
        "seeds": len(SEEDS),
        **{f"{name}_{figure}": round(value, 4) for name, score in found.items() for figure, value in score.items()},
    }


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("all", "number", "kinds"))
    write(args, measure(args.work, args.part), {})
