"""The trivial baseline: TF-IDF of words and a linear SVM. Knows texts and labels; knows no teacher but by its answers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.types import Record

WHAT = "TF-IDF of words and pairs of words, linear SVM"
_SHARPNESS = 3.0
"""Scores of a linear SVM lie near ±1: times this they read as logits."""


def baseline_answers(
    texts: Sequence[str], labels: Sequence[str], judged: Sequence[Record], classes: Sequence[str]
) -> NDArray[np.int64] | None:
    """The class index that it gives to each judged record, (N,); None where the texts hold one label only, or no word at all.

    Args:
        texts: what it learns from.
        labels: their labels.
        judged: the records to answer.
        classes: all labels, in the order of the indices.
    """
    model = _fitted(texts, labels)
    if model is None:
        return None
    index = {label: i for i, label in enumerate(classes)}
    return np.array([index[label] for label in model.predict([r.payload for r in judged])], dtype=np.int64)


def baseline_scores(texts: Sequence[str], labels: Sequence[str], asked: Sequence[str]) -> NDArray[np.float64] | None:
    """What it says of further texts as logits, (N, C) over the labels that it learned; None where `baseline_answers` would be."""
    model = _fitted(texts, labels)
    if model is None:
        return None
    scores_N = model.decision_function(list(asked))
    return _SHARPNESS * (np.stack([-scores_N, scores_N], axis=1) if scores_N.ndim == 1 else scores_N)


def _fitted(texts: Sequence[str], labels: Sequence[str]) -> Any:
    """The pipeline from texts to labels, or None."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    if len(set(labels)) < 2:
        return None
    # Single characters count as words: some scripts write no spaces, and short messages have few.
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|[^\w\s]")
    model = make_pipeline(vectorizer, LinearSVC(random_state=0))
    try:
        with warnings.catch_warnings():
            # Few rows of many classes are no sign of a regression.
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            model.fit(list(texts), list(labels))
    except ValueError as error:
        if "empty vocabulary" in str(error):
            return None
        raise
    return model
