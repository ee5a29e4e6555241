"""A cascade on BANKING77: the student answers what it is sure of, and its teacher the rest.

    python benchmarks/cascade.py --work work --json work/cascade.json [--final]

It reads the run that `banking77.py --part main` has left in --work (without --final the one that judges by a tenth of the training file). The thresholds
for a share of 5, 10 and 20 % and for a margin of 0.01 are chosen on the run's validation rows, which are new to teacher and student; then the rows that
judge are looked at once, in the answers that the run has kept. How many rows a threshold hands over needs no label, so a served student's share can be
set by its traffic: `cascade_minus_teacher` is at the threshold below which a tenth of the judging rows' confidences lie, their labels unseen.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from harness import arguments, write
from limbeck.bundle import Bundle
from limbeck.cascaded import Cascade
from limbeck.data.prepare import prepare
from limbeck.data.split import Splits, spared
from limbeck.metrics.probabilities import confidence
from limbeck.recipe import Recipe
from limbeck.verify.cascade import Rows, chosen
from limbeck.verify.hand_over import validated
from limbeck.verify.validation import VALIDATION, Validation

SHARES, MARGIN = (0.05, 0.1, 0.2), 0.01


def main(run: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What cascades reach on the rows that judge, with thresholds from the validation rows."""
    settled = json.loads((run / "resolved.json").read_text(encoding="utf-8"))
    recipe = Recipe.read({"data": {key: value for key, value in settled["recipe"]["data"].items() if value is not None}})
    splits = prepare(recipe.data, settled["recipe"]["verify"]["cross_fit_below"]).splits
    bundle = Bundle.open(run / "bundle")
    found = choices(run, bundle, splits, "teacher.taught" in settled["measured"])
    with np.load(run / "evidence" / "answers.npz", allow_pickle=False) as answers:
        assert answers["keys"].tolist() == [r.key for r in splits.test]
        student_NC, teacher_NC = answers["student"], answers["teacher"]
    true_N = np.array([bundle.manifest.labels.index(str(r.label)) for r in splits.test])
    confidences_N = confidence(student_NC, bundle.manifest.calibration.temperature)
    rows = Rows(
        confidences_N,
        student_NC.argmax(axis=1) == true_N,
        teacher_NC.argmax(axis=1) == true_N,
        np.unique([r.key for r in splits.test], return_inverse=True)[1],
    )
    alone, teacher = rows.at([0.0, 1.01])
    figures: dict[str, Any] = {
        "rows": len(true_N),
        "rows_that_chose": found["share_10"].rows,
        "teacher_accuracy": teacher.accuracy.estimate,
        "student_accuracy": alone.accuracy.estimate,
        "student_minus_teacher": alone.difference.estimate,
    }
    thresholds = {name: one.chosen.threshold for name, one in found.items()}
    thresholds["tenth"] = float(np.sort(confidences_N)[len(true_N) // 10])
    for name, threshold in thresholds.items():
        point = rows.at([threshold])[0]
        figures |= {
            f"{name}_threshold": threshold,
            f"{name}_teacher_share": point.share.estimate,
            f"{name}_accuracy": point.accuracy.estimate,
            f"{name}_minus_teacher": point.difference.estimate,
            f"{name}_minus_teacher_low": point.difference.low,
            f"{name}_minus_teacher_high": point.difference.high,
        }
    figures["cascade_minus_teacher"] = figures["tenth_minus_teacher"]
    return figures, {"student": str(run / "bundle"), "teacher": str(run / "teacher-onnx")}


def choices(run: Path, bundle: Bundle, splits: Splits, taught: bool) -> dict[str, Cascade]:
    """The cascades that the validation rows choose: by the answers that the run has kept, else both answer again."""
    kept, temperature = run / "evidence" / VALIDATION, bundle.manifest.calibration.temperature
    if kept.is_file():
        found = Validation.read(kept, bundle.sha256)
    else:
        found = validated(bundle, Bundle.open(run / "teacher-onnx"), spared(splits) if taught else splits.valid)
    shares = {f"share_{share * 100:.0f}": chosen(found, temperature, share=share) for share in SHARES}
    return {"margin": chosen(found, temperature, margin=MARGIN), **shares}


if __name__ == "__main__":
    args = arguments(__doc__, ("all",), "banking77")
    measured, bundles = main(args.work / f"banking77-main-{'final' if args.final else 'valid'}" / "bag")
    write(args, measured, bundles)
