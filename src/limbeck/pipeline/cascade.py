"""The last thing that a run leaves: below which confidence its student hands over. Knows validation rows; judges nothing.

OUT/evidence/validation.npz    what student and teacher answered to the validation rows that are new to both
OUT/evidence/cascade.json      the threshold that these rows choose, its curve, and what later texts are held against
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from limbeck.bundle import Bundle
from limbeck.cascaded import CASCADE
from limbeck.data.split import Splits
from limbeck.pipeline.teacher import LOGITS
from limbeck.pipeline.written import calibration_rows
from limbeck.run import Run
from limbeck.runtime.predict import Predictor
from limbeck.verify.cascade import chosen
from limbeck.verify.reference import reference_of
from limbeck.verify.validation import VALIDATION, Validation


def write_cascade(run: Run, teacher: Any, written: Bundle | str, bundle: Bundle, predictor: Predictor, splits: Splits) -> None:
    """Let both answer the validation rows, and choose; with too few such rows nothing is written.

    Args:
        teacher: as it answers; of a paid one these answers are there already.
        written: its bundle, or why there is none.
        bundle: the student's.
        predictor: the same, loaded.
    """
    rows, true_N = calibration_rows(run, splits, teacher.labels)
    evidence = run.folder / "evidence"
    if not rows:
        for name in (VALIDATION, CASCADE):  # of a run that had more
            (evidence / name).unlink(missing_ok=True)
        return
    payloads = [r.payload for r in rows]
    found = Validation(
        [r.key for r in rows],
        predictor.logits(payloads),
        np.asarray(teacher.answer(payloads, LOGITS).logits_BC),
        true_N,
        bundle.sha256,
    )
    found.write(evidence / VALIDATION)
    seen: Sequence[Any] = [r.payload for r in splits.train]
    chosen(
        found,
        predictor.calibration.temperature,
        teacher=written.sha256 if isinstance(written, Bundle) else None,
        reference=reference_of(bundle, found, payloads, seen),
    ).write(evidence / CASCADE)
