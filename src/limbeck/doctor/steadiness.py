"""Whether a teacher answers alike when it is asked alike. Knows answers to the same texts, asked in several ways; asks nobody. N rows, C classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.doctor.label_order import Indices
from limbeck.findings import Finding, refusal, warning
from limbeck.verify.statistics import paired_difference

_SURE = 0.999
_WORTH = 0.02  # of accuracy: what another way of writing has to be worth beyond doubt


def steadiness_findings(
    first_NC: NDArray[Any], again_NC: NDArray[Any], alone_NC: NDArray[Any], tolerance: float
) -> Iterator[Finding]:
    """What differs between answers that should not differ.

    Args:
        first_NC, again_NC: answers to the same texts in the same batch.
        alone_NC: to each of these texts alone.
        tolerance: of a logit, of the size of the largest.
    """
    if not (np.isfinite(first_NC).all() and np.isfinite(again_NC).all() and np.isfinite(alone_NC).all()):
        return  # said elsewhere
    allowed = tolerance * max(1.0, float(np.abs(first_NC).max(initial=0.0)))
    if (apart := float(np.abs(first_NC - again_NC).max(initial=0.0))) > allowed:
        yield refusal(
            "teacher_not_repeatable",
            "The teacher answers the same text otherwise when it is asked again.",
            f"Logits of {len(first_NC)} texts differ by up to {apart:.3g}.",
            "Its dropout is on, or it draws its answers: put it into evaluation mode (model.eval()), and sample nothing.",
        )
    elif (apart := float(np.abs(first_NC - alone_NC).max(initial=0.0))) > allowed:
        yield warning(
            "teacher_depends_on_batch",
            "The teacher's answer to a text depends on the texts beside it.",
            f"Logits of {len(first_NC)} texts, asked alone and together, differ by up to {apart:.3g}.",
            "Padding is read as text (the attention mask, the padding token), or it normalises over the batch.",
        )


def read_otherwise(name: str, noun: str, true_N: Indices, as_it_does_N: Indices, otherwise_N: Indices) -> Iterator[Finding]:
    """Whether the teacher is better where it is given the same pictures, or clips, in another form.

    Args:
        name: of the form, as "with blue before red".
        noun: what a payload is called.
        true_N: classes.
        as_it_does_N, otherwise_N: answers.
    """
    if (shares := _better(true_N, as_it_does_N, otherwise_N)) is not None:
        before, then = shares
        yield warning(
            "normalisation",
            f"The teacher is better on your {noun}s when it is given them {name}.",
            f"It is right on {before:.1%} of {len(true_N):,} labelled rows as it reads them now, and on {then:.1%} {name}.",
            "It was trained so. Set its preprocessing so (preprocessor_config.json, or the code that makes its inputs).",
        )


def written_otherwise(name: str, true_N: Indices, as_they_are_N: Indices, otherwise_N: Indices) -> Iterator[Finding]:
    """Whether the teacher is better where the same texts are written otherwise.

    Args:
        name: of the way of writing.
        true_N: classes.
        as_they_are_N, otherwise_N: answers.
    """
    if (shares := _better(true_N, as_they_are_N, otherwise_N)) is not None:
        before, then = shares
        yield warning(
            "normalisation",
            f"The teacher is better on your texts when they are written in {name}.",
            f"It is right on {before:.1%} of {len(true_N):,} labelled rows as they are, and on {then:.1%} in {name}.",
            "It was trained on such texts. Set its tokenizer so (the normalizer in tokenizer.json), and it will read them so everywhere.",
        )


def _better(true_N: Indices, now_N: Indices, otherwise_N: Indices) -> tuple[float, float] | None:
    """The accuracy now and otherwise, where otherwise is better beyond doubt."""
    before, then = now_N == true_N, otherwise_N == true_N
    gained, lost = int((then & ~before).sum()), int((before & ~then).sum())
    if not gained or paired_difference(gained, lost, len(true_N), _SURE).low <= _WORTH:
        return None
    return float(before.mean()), float(then.mean())
