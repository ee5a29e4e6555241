"""How good probabilities of classes are. Knows logits and classes; knows nothing of models. Letters: N rows, C classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.integer[Any]]
BINS = 15


def log_softmax(logits_NC: NDArray[Any], temperature: float = 1.0) -> Floats:
    """Log-probabilities (N, C) in nats of logits divided by a temperature above 0."""
    scaled_NC = np.asarray(logits_NC, dtype=np.float64) / temperature
    scaled_NC = scaled_NC - scaled_NC.max(axis=-1, keepdims=True)
    return np.asarray(scaled_NC - np.log(np.exp(scaled_NC).sum(axis=-1, keepdims=True)))


def mean_probability(logits: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """The logarithm of the mean probability (N, C) that several models give each class, as logits.

    Source: Lakshminarayanan et al. (2017), Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, section 2.4.
    """
    mean_NC = np.logaddexp.reduce([log_softmax(each_NC) for each_NC in logits], axis=0) - np.log(len(logits))
    return np.asarray(np.maximum(mean_NC, np.log(np.finfo(np.float32).tiny)), np.float32)


def confidence(logits_NC: NDArray[Any], temperature: float = 1.0) -> Floats:
    """The probability (N,) of each row's most likely class."""
    return np.asarray(np.exp(log_softmax(logits_NC, temperature).max(axis=-1)))


def kl(teacher_NC: NDArray[Any], student_NC: NDArray[Any]) -> Floats:
    """KL(teacher || student) of each row (N,), in nats; 0 where both say the same, never negative.

    Args:
        teacher_NC, student_NC: logits.
    """
    teacher, student = log_softmax(teacher_NC), log_softmax(student_NC)
    each_NC = np.where(np.isneginf(teacher), 0.0, np.exp(teacher) * (teacher - student))
    return np.asarray(np.maximum(each_NC.sum(axis=-1), 0.0))


def expected_calibration_error(confidence_N: Floats, right_N: NDArray[np.bool_], bins: int = BINS) -> float:
    """How far confidence and accuracy lie apart, in [0, 1]: the mean over rows of |accuracy - mean confidence| of the row's bin.

    The bins ((m-1)/M, m/M] are equally wide; empty ones count nothing.

    Args:
        confidence_N: the probability of the given answer, in [0, 1].
        right_N: whether it is the true one.
        bins: M.

    Raises:
        ValueError: with no rows, or different numbers of them.

    Source: Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, equation 3.
    """
    if len(confidence_N) != len(right_N) or len(right_N) == 0:
        raise ValueError(f"needs two equally long, non-empty arrays; got {len(confidence_N)} and {len(right_N)} rows")
    bin_N = np.clip(np.ceil(confidence_N * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps_M = np.bincount(bin_N, weights=np.asarray(right_N, dtype=np.float64) - confidence_N, minlength=bins)
    return float(np.abs(gaps_M).sum() / len(right_N))
