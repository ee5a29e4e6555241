"""Does it pay to choose which texts are labelled? BANKING77's training file; the labels are looked at only once a text was chosen.

    python benchmarks/label_sample.py --part cold --json work/label_sample.json

Of ten hold-outs of a fifth, by a salted hash of the text, each judges a TF-IDF + linear SVM that learns from the chosen texts.
Part cold: nothing is labelled, and 300 texts are chosen by `limbeck.data.choose`, at random, by k-means++ seeding, or the farthest first.
Part model: 300, 1,000 or 3,000 random texts are labelled, the SVM's scores are the logits, and 300 further texts are chosen: by
`limbeck.data.choose`, at random, or those with the smallest margin. The test file is not read.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from harness import arguments, write
from limbeck.data.choose import choose, margins
from limbeck.data.read import read_records
from limbeck.data.split import split
from limbeck.types import Record

HOLD_OUTS = 10
CHOSEN = 300
SHARPNESS = 3.0
"""Scores of a linear SVM lie near ±1: times this they read as logits."""


def scores(train: Sequence[Record], texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """What a TF-IDF + linear SVM that learns from `train` says of texts: scores (N, C), and the classes (C,)."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn wonders at so many classes for so few rows
        machine = LinearSVC().fit(vectorizer.fit_transform([r.payload for r in train]), [r.label for r in train])
    return machine.decision_function(vectorizer.transform(texts)), machine.classes_


def accuracy(train: Sequence[Record], test: Sequence[Record]) -> float:
    """The share of the held-out texts that an SVM gets right which learns from `train`."""
    scores_NC, classes = scores(train, [r.payload for r in test])
    return float(np.mean(classes[scores_NC.argmax(axis=1)] == np.array([r.label for r in test])))


def spread(texts: Sequence[str], seed: int, farthest: bool) -> list[int]:
    """The common ways to spread choices over a space: k-means++ seeding, or always the text farthest from those chosen."""
    rng = np.random.default_rng(seed)
    x_NF = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    distance_N = np.ones(len(texts))
    chosen: list[int] = []
    for _ in range(CHOSEN):
        at_random = not farthest or not chosen
        i = int(rng.choice(len(texts), p=distance_N / distance_N.sum()) if at_random else distance_N.argmax())
        chosen.append(i)
        distance_N = np.minimum(distance_N, np.clip(1 - (x_NF @ x_NF[i].T).toarray().ravel(), 0, None))
        distance_N[i] = 0
    return chosen


def cold(pool: Sequence[Record], test: Sequence[Record], seed: int) -> dict[str, float]:
    """Accuracies by the way in which the first texts are chosen."""
    texts = [r.payload for r in pool]
    ways: dict[str, Callable[[], Sequence[int]]] = {
        "chosen": lambda: [c.index for c in choose(texts, CHOSEN, seed=seed)],
        "random": lambda: np.random.default_rng(seed).permutation(len(texts))[:CHOSEN],
        "kmeans_plus_plus": lambda: spread(texts, seed, farthest=False),
        "farthest_first": lambda: spread(texts, seed, farthest=True),
    }
    return {f"accuracy_{name}": accuracy([pool[i] for i in way()], test) for name, way in ways.items()}


def model(pool: Sequence[Record], test: Sequence[Record], seed: int) -> dict[str, float]:
    """Accuracies by the way in which further texts are chosen when some are labelled."""
    figures = {}
    order = np.random.default_rng(seed).permutation(len(pool))
    for labelled in (300, 1000, 3000):
        known, free = [pool[i] for i in order[:labelled]], [pool[i] for i in order[labelled:]]
        texts = [r.payload for r in free]
        logits_NC = SHARPNESS * scores(known, texts)[0]
        ways: dict[str, Sequence[int]] = {
            "chosen": [
                c.index for c in choose(texts, CHOSEN, logits_NC=logits_NC, known=[r.payload for r in known], seed=seed)
            ],
            "random": range(CHOSEN),
            "smallest_margin": np.argsort(margins(logits_NC), kind="stable")[:CHOSEN],
        }
        figures[f"accuracy_before_{labelled}"] = accuracy(known, test)
        for name, indices in ways.items():
            figures[f"accuracy_{name}_{labelled}"] = accuracy([*known, *(free[i] for i in indices)], test)
    return figures


def main(data: Path, part: str) -> dict[str, float]:
    """Means and standard deviations over the hold-outs, and how often choosing beat chance."""
    records = read_records(data / "train.jsonl.gz")
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(HOLD_OUTS):
        salted = [dataclasses.replace(r, key=f"{seed}/{r.key}") for r in records]
        splits = split(salted, None, test_share=0.2)
        for name, value in (cold if part == "cold" else model)(splits.train, splits.test, seed).items():
            found[name].append(value)
    figures: dict[str, float] = {"hold_outs": HOLD_OUTS, "labelled": CHOSEN}
    for name, values in found.items():
        figures |= {name: float(np.mean(values)), f"{name}_sd": float(np.std(values, ddof=1))}
    for name in [name for name in found if "_chosen" in name]:
        gains = np.subtract(found[name], found[name.replace("_chosen", "_random")])
        suffix = name.removeprefix("accuracy_chosen")
        figures |= {f"chosen_minus_random{suffix}": float(gains.mean()), f"smallest_gain{suffix}": float(gains.min())}
    return figures


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("cold", "model"), "banking77")
    if args.final:
        raise SystemExit("this benchmark never reads the test file; leave --final out")
    write(args, main(args.data, args.part), {})
