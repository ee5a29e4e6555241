"""The last stage: teacher and written student on the same held-out rows. Knows what a report says; knows nothing of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from limbeck._version import __version__
from limbeck.bundle import Bundle
from limbeck.data.split import Splits
from limbeck.evidence import Measured, Report
from limbeck.run import Run, write_json
from limbeck.runtime.predict import Predictor
from limbeck.types import Json
from limbeck.verify.compare import compare
from limbeck.verify.footprint import interleaved_latency, new_process


def prove(run: Run, teacher: Any, student: Json, bundle: Bundle, splits: Splits) -> Report:
    """Measure teacher and written student on the same held-out rows, and write the report."""
    recipe, asked = run.recipe, dict(teacher.fingerprint())
    with run.stage("verify"):
        run.progress("verify", 0, 1, "")
        predictor = Predictor(bundle)
        payloads = [r.payload for r in splits.test]
        index = {label: i for i, label in enumerate(teacher.labels)}
        true_N = np.array([index[str(r.label)] for r in splits.test], dtype=np.int64)
        if hasattr(teacher, "precision"):
            teacher.precision = "float32"  # it is judged at its best
        teacher_NC = teacher.answer(payloads, frozenset({"logits_BC"})).logits_BC
        student_NC = predictor.logits(payloads)
        queries = [payloads[i % len(payloads)] for i in range(recipe.verify.latency_queries)]
        torch.set_num_threads(1)
        try:
            times = interleaved_latency(
                [lambda q: teacher.answer([q], frozenset({"logits_BC"})), lambda q: predictor.predict([q])],
                queries,
            )
        finally:
            torch.set_num_threads(run.threads)
        compared = compare(teacher_NC, student_NC, true_N, recipe.verify.margin)
        budget = recipe.student.budget.budget()
        measured = {
            "bytes": float(bundle.bytes),
            "latency_p50_us": times[1].p50_us,
            "memory_bytes": float(new_process(bundle, payloads[0]).peak_memory_bytes or 0 if budget.memory_bytes else 0),
        }
    report = Report(
        task=recipe.task,
        rows=len(true_N),
        held_out=splits.held_out,
        teacher=Measured(compared.teacher, times[0], 4 * teacher.parameters, teacher.parameters),
        student=Measured(compared.student, times[1], bundle.bytes, student["parameters"]),
        agreement=compared.agreement,
        difference=compared.difference,
        margin=recipe.verify.margin,
        verdict=compared.verdict,
        rows_to_show=compared.rows_to_show,
        budget_misses=tuple(budget.misses(measured)),
        seconds=run.seconds,
        bundle=str(bundle.path),
        lineage={
            "limbeck": __version__,
            "recipe": recipe.fingerprint(),
            "bundle": bundle.sha256,
            "data": run.data,
            "teacher": asked,
            "student": student,
            "environment": run.environment,
        },
    )
    evidence = run.folder / "evidence"
    evidence.mkdir(exist_ok=True)
    write_json(evidence / "report.json", report.to_json())
    run.progress("verify", 1, 1, f"{len(true_N):,} held-out rows")
    return report
