"""What a few labelled rows say of many others: by their neighbours, and by a linear model. Knows vectors and classes; knows no teacher.

    spread     F <- a S F + (1 - a) Y        S: similarities of each row and its nearest ones, D^-1/2 W D^-1/2; Y: the labels
    answer     p ~ F_row * p_linear(row)

All lies around its mean first: what all texts share tells none from another. Where the classes' names say something of the labelled rows, each
name is one more labelled row. Each alone is worse: a linear model of five labels a class knows little of where classes end, and neighbours alone say little of a row that lies
between two groups (docs/diary.md has the figures, which hardly hang on the constants).

Letters: L labelled rows, U others, N = L + U, D width, C classes, K neighbours.

Source: Zhou et al. (2004), Learning with Local and Global Consistency, section 2; Iscen et al. (2019), Label Propagation for Deep Semi-supervised
Learning, section 4.1, for the graph of the nearest ones and the power of their cosine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS, POWER, STAY, TURNS, STRENGTH = 10, 8, 0.9, 40, 10.0
"""K, the power of a cosine, a, how often labels are passed on, and C of the logistic regression."""
_BLOCK, _LEAST = 1024, 1e-6
_TELLING = 0.2  # of the labelled rows beyond chance, to which the nearest name has to be that of their class


def said_by_neighbours(
    embedding_ND: NDArray[Any], class_L: NDArray[np.integer[Any]], classes: int, names_CD: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Probabilities (U, C) of the rows behind the labelled ones.

    Args:
        embedding_ND: of the labelled rows and, after them, of the others.
        class_L: the labels' indices.
        classes: C.
        names_CD: embeddings of the classes' names, where these are words.
    """
    from sklearn.linear_model import LogisticRegression

    unit_ND = _unit(np.asarray(embedding_ND, np.float32))
    if names_CD is not None:
        names_CD = _unit(np.asarray(names_CD, np.float32))
        if telling(unit_ND[: len(class_L)], class_L, names_CD):
            unit_ND, class_L = np.concatenate([names_CD, unit_ND]), np.concatenate([np.arange(classes), class_L])
    labelled = len(class_L)
    unit_ND = _unit(unit_ND - unit_ND[labelled:].mean(axis=0))
    passed_UC = _passed_on(unit_ND, class_L, classes)[labelled:]
    if len(set(class_L.tolist())) < 2:  # nothing to tell apart
        return passed_UC
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit(unit_ND[:labelled], class_L)
    linear_UC = np.full((len(unit_ND) - labelled, classes), _LEAST)
    linear_UC[:, model.classes_] = model.predict_proba(unit_ND[labelled:])
    both_UC = (passed_UC + _LEAST) * (linear_UC + _LEAST)
    found_UC: NDArray[np.float64] = both_UC / both_UC.sum(axis=1, keepdims=True)
    return found_UC


def telling(unit_LD: NDArray[Any], class_L: NDArray[np.integer[Any]], names_CD: NDArray[Any]) -> bool:
    """Whether the names say which class a labelled row is of, far beyond chance: "card lost" does, "intent 17" does not."""
    right, chance = float((np.argmax(unit_LD @ names_CD.T, axis=1) == class_L).mean()), 1 / len(names_CD)
    return right - chance >= _TELLING * (1 - chance)


def _unit(rows_ND: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = rows_ND / np.maximum(np.linalg.norm(rows_ND, axis=1, keepdims=True), _LEAST)
    return found


def _passed_on(unit_ND: NDArray[np.float32], class_L: NDArray[np.integer[Any]], classes: int) -> NDArray[np.float64]:
    """What reaches each row (N, C), as shares."""
    from scipy.sparse import csr_matrix, diags

    number = len(unit_ND)
    many = min(NEIGHBOURS, number - 1)
    place_NK, cosine_NK = _nearest(unit_ND, many)
    weight = np.maximum(cosine_NK, 0.0).astype(np.float64).ravel() ** POWER
    graph = csr_matrix((weight, (np.repeat(np.arange(number), many), place_NK.ravel())), (number, number))
    graph = graph.maximum(graph.T)
    half = diags(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), _LEAST) ** -0.5)
    similar = half @ graph @ half
    given_NC = np.zeros((number, classes))
    given_NC[np.arange(len(class_L)), class_L] = 1.0
    found_NC = given_NC
    for _ in range(TURNS):
        found_NC = STAY * (similar @ found_NC) + (1.0 - STAY) * given_NC
    shares_NC: NDArray[np.float64] = found_NC / np.maximum(found_NC.sum(axis=1, keepdims=True), 1e-12)
    return shares_NC


def _nearest(unit_ND: NDArray[np.float32], many: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows with the highest cosine to each, and these (N, K), block by block: N x N numbers would not fit in memory."""
    place_NK = np.empty((len(unit_ND), many), np.int64)
    cosine_NK = np.empty((len(unit_ND), many), np.float32)
    for start in range(0, len(unit_ND), _BLOCK):
        here = slice(start, min(start + _BLOCK, len(unit_ND)))
        cosine_BN = unit_ND[here] @ unit_ND.T
        cosine_BN[np.arange(len(cosine_BN)), np.arange(here.start, here.stop)] = -np.inf
        place_NK[here] = np.argpartition(-cosine_BN, many - 1, axis=1)[:, :many]
        cosine_NK[here] = np.take_along_axis(cosine_BN, place_NK[here], axis=1)
    return place_NK, cosine_NK
