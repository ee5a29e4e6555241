"""Labels that are likely wrong, and shares of classes that a model was not trained for. Knows probabilities and classes; knows no texts and no models.

Letters: N rows, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.metrics.probabilities import Floats, Indices


def likely_classes(p_NC: Floats, given_N: Indices) -> NDArray[np.int64]:
    """The class that each row is likely of (N,): the given one, where nothing speaks against it.

    A row speaks against its label where it reaches another class's usual confidence: the mean probability of that class over the rows that
    bear its label. Of several such classes the most probable one counts.

    Args:
        p_NC: probabilities by a model that has not seen the row (cross-validated).
        given_N: the labels.

    Source: Northcutt, Jiang and Chuang (2021), Confident Learning: Estimating Uncertainty in Dataset Labels, section 3.1, equations 1 and 2.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.95, 0.05]])
        >>> likely_classes(p, np.array([0, 0, 1, 1]))
        array([0, 0, 1, 0])
    """
    classes = p_NC.shape[1]
    count_C = np.bincount(given_N, minlength=classes)
    own_N = p_NC[np.arange(len(given_N)), given_N]
    usual_C = np.bincount(given_N, weights=own_N, minlength=classes) / np.maximum(count_C, 1)
    usual_C[count_C == 0] = np.inf  # a class that nobody bears is nobody's other class
    reached_NC = np.where(p_NC >= usual_C, p_NC, 0.0)
    other_N = reached_NC.argmax(axis=1)
    return np.where(reached_NC.max(axis=1) > 0.0, other_N, given_N).astype(np.int64)


def shares_here(p_NC: Floats, trained_C: Floats, rounds: int = 200, enough: float = 1e-6) -> Floats:
    """The shares of the classes among these rows (C,), by what a model says of them that was trained with other shares.

    Expectation: p(c | x) times share_c / trained_c, and normalised. Maximisation: share_c is the mean of it.

    Args:
        p_NC: the model's probabilities.
        trained_C: the shares of the classes that it was trained with, each above 0.
        rounds: at most.
        enough: it stops where no share moves by more.

    Source: Saerens, Latinne and Decaestecker (2002), Adjusting the Outputs of a Classifier to New a Priori Probabilities, section 2.2.

    Example:
        >>> p = np.array([[0.9, 0.1]] * 9 + [[0.1, 0.9]])
        >>> shares_here(p, np.array([0.5, 0.5])).round(2)
        array([1., 0.])
    """
    shares_C = np.asarray(trained_C, np.float64)
    for _ in range(rounds):
        weighed_NC = p_NC * (shares_C / trained_C)
        found_C = (weighed_NC / weighed_NC.sum(axis=1, keepdims=True)).mean(axis=0)
        moved = float(np.abs(found_C - shares_C).max())
        shares_C = found_C
        if moved <= enough:
            break
    return shares_C


def as_shared(logits_NC: NDArray[Any], trained_C: Floats, shares_C: Floats) -> NDArray[np.float32]:
    """Logits of a model for rows whose classes have other shares than those that it was trained with."""
    ratio_C = np.maximum(shares_C, 1e-12) / trained_C
    return (np.asarray(logits_NC, np.float64) + np.log(ratio_C)).astype(np.float32)
