"""Part budget of banking77.py: the best student within 2 MB and 100 microseconds, within 500 kB, and within 25 MB.

Three seeds of everything; of each seed one teacher, a fine-tuned network with a linear model of words and letters beside it, and one store of its
answers for all three budgets. The search has limbeck's defaults and is asked for the student that is nearest to the teacher. The largest budget has a limit of time too, a millisecond: without it the search trains what is as slow as the teacher; and no control, which
takes as long there as all the rest. The front of each lies in its run's folder, search/front.svg.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

import limbeck
from harness import handed_on
from limbeck.cli import Watch
from limbeck.evidence import Measured
from limbeck.pipeline.data import read_data
from limbeck.pipeline.teacher import LOGITS
from limbeck.run import open_run
from limbeck.verify.company import VOID

BUDGETS = {"2mb": "2MB,100us", "500kb": "500kB", "25mb": "25MB,1ms"}


def budgets(
    data: Path, work: Path, final: bool, names: Sequence[str] = tuple(BUDGETS), seeds: Sequence[int] = range(3)
) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """One search for each budget and seed; figures are means over the seeds, bytes and times the largest."""
    work = work / f"{data.name}-budget-{'final' if final else 'valid'}"
    figures: dict[str, Any] = {"seeds": list(seeds)}
    bundles, void = {}, {}
    for name in names:
        accuracies, bytes_, times, teachers, singles, chosen = [], [], [], [], [], []
        for seed in seeds:
            out = work / f"{seed}-{name}"
            recipe = recipe_of(data, work, final, seed, BUDGETS[name])
            handed_on(recipe, work / f"{seed}-{next(iter(BUDGETS))}", out)
            with Watch() as watch:
                report = limbeck.distill(recipe, out=out, progress=watch)
            cost = report.student.footprint
            assert cost is not None
            assert cost.latency is not None
            accuracies.append(_accuracy(report.student))
            teachers.append(_accuracy(report.teacher))
            singles.append(max(_members(recipe, out)))
            bytes_.append(cost.bytes)
            times.append(cost.latency.p50_us)
            chosen.append(report.lineage["search"]["chosen"])
            if any(VOID in note for note in report.notes):
                void[f"best_{name}_p50_us"] = "others were busy while it was measured"
            bundles[f"best_{name}_{seed}"] = report.bundle
        figures |= {
            f"best_{name}_accuracy": mean(accuracies),
            f"best_{name}_accuracies": accuracies,
            f"best_{name}_bytes": max(bytes_),
            f"best_{name}_p50_us": max(times),
            f"best_{name}_chosen": chosen,
            f"best_{name}_minus_best_single_teacher": mean(accuracies) - mean(singles),
            "teacher_accuracy": mean(teachers),
            "best_single_teacher_accuracy": mean(singles),
        }
    return figures, bundles, void


def recipe_of(data: Path, work: Path, final: bool, seed: int, budget: str) -> dict[str, Any]:
    """The recipe of one search."""
    judged: dict[str, Any] = {"test": str(data / "test.jsonl.gz")} if final else {"test_share": 0.1}
    proof = {"verify": {"control": False}} if budget == BUDGETS["25mb"] else {}
    return {
        "data": {"train": str(data / "train.jsonl.gz"), **judged},
        "seed": seed,
        "teacher": {"fine_tune": {"words": True}},
        "student": {"budget": budget, "keep": "all"},
        "signals": str(work / f"signals-{seed}"),
        **proof,
    }


def _accuracy(measured: Measured) -> float:
    assert measured.quality is not None
    return measured.quality.accuracy.estimate


def _members(recipe: dict[str, Any], out: Path) -> list[float]:
    """The accuracy of each of the networks that the teacher is made of."""
    entry, found = limbeck.find("teachers", "huggingface"), []
    with Watch() as watch, open_run(limbeck.Recipe.read(recipe, values={"out": str(out)}), watch) as run:
        rows = read_data(run).splits.test
    for folder in sorted(f for f in out.glob("teacher*") if f.name != "teacher-onnx"):
        teacher = entry.load(entry.Settings(model=str(folder)))
        answers = np.array(teacher.labels)[teacher.answer([r.payload for r in rows], LOGITS).logits_BC.argmax(axis=1)]
        found.append(float(np.mean(answers == np.array([r.label for r in rows]))))
    return found
