"""The teacher under examination: what it reads, what it answers to rows of the user's, and whether it answers twice alike.

Knows teachers and stores; the judgement is that of `limbeck.doctor`. Letters: N rows, C classes.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import compress, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from limbeck.data.prepare import Prepared
from limbeck.doctor.answers import LEAST, PERMUTED, Asked, answer_findings, named_otherwise
from limbeck.doctor.calibration import standing
from limbeck.doctor.label_order import reordered
from limbeck.doctor.reading import NORMALISATIONS, reading_findings
from limbeck.doctor.steadiness import read_otherwise, steadiness_findings, written_otherwise
from limbeck.findings import Finding, Severity
from limbeck.label_sets import Label, aims
from limbeck.pipeline.teacher import LOGITS, unseen
from limbeck.run import Run
from limbeck.signals.store import SignalStore, described, is_store
from limbeck.types import Record

MOST_ASKED, PER_CLASS = 384, 6
"""Labelled rows that a teacher is asked about before a run, and how many of each class at least."""
_TWICE, _OTHERWISE = 8, 128  # texts that are asked again, and texts that are written otherwise
_GOOD = 0.9  # accuracy from which on nobody looks for another way of writing
_BEST = 0.98  # and from which on no other form of a picture or a clip can be better beyond doubt


def teacher_findings(run: Run, teacher: Any, prepared: Prepared, words: float | None) -> Iterator[Finding]:
    """What is wrong with the teacher as it came.

    Args:
        run: settled.
        teacher: with a head or without.
        words: the accuracy of a linear model of words on the labelled rows.
    """
    splits = prepared.splits
    rows = [*splits.train, *splits.valid]
    # A teacher that shows no tokenizer, or not the table behind it, can only be judged by what it answers.
    table_VD, reading = (teacher.token_embeddings() if hasattr(teacher, "token_embeddings") else None), list[Finding]()
    if table_VD is not None:
        reading.extend(reading_findings(teacher.tokenizer_json(), table_VD, teacher.max_tokens, [r.payload for r in rows]))
    yield from reading
    if not teacher.has_head or any(f.severity is Severity.REFUSAL for f in reading):  # it could not even be asked
        return
    store = _store(run, teacher)
    asked = asked_rows(rows)
    payloads = [r.payload for r in asked]
    # What the run itself would not ask is not asked where it costs money, or nobody could answer.
    free = getattr(teacher, "answers_anything", True) and not getattr(teacher, "paid", False)
    if free:
        few = payloads[:_TWICE]
        first, again = (np.asarray(teacher.answer(few, LOGITS).logits_BC) for _ in range(2))
        alone = np.concatenate([np.asarray(teacher.answer([p], LOGITS).logits_BC) for p in few])
        yield from steadiness_findings(first, again, alone, 10 * teacher.tolerance)
    if run.recipe.several:  # what follows holds each answer against one label among all
        return
    logits_NC, answered = _answers(teacher, store, payloads)
    rows_answered = [r for r, there in zip(asked, answered, strict=True) if there]
    told = as_asked(prepared, rows_answered, logits_NC, teacher, words)
    modality = run.recipe.entry("modalities")
    read = list(_read(modality, teacher, told, rows_answered)) if free and not modality.vocabulary else []
    answers = [f for f in answer_findings(told) if f.code != PERMUTED or not any(r.severity is Severity.REFUSAL for r in read)]
    yield from answers
    labelled_N = told.true_N >= 0
    if labelled_N.sum() >= LEAST and not any(f.severity is Severity.REFUSAL for f in (*answers, *read)):
        yield standing(told.true_N[labelled_N], np.asarray(logits_NC, np.float64)[labelled_N], words)
    if free:
        yield from _written(teacher, told, rows_answered) if modality.vocabulary else read


def fine_tuned_findings(
    run: Run, teacher: Any, prepared: Prepared, store: SignalStore, words: float | None
) -> Iterator[Finding]:
    """What is wrong with a teacher that this run has fine-tuned: on validation rows that it has not seen, where there are enough, else
    on rows that it learned. All answers lie in the store."""
    if run.recipe.several:
        return
    new = [r for r in unseen(run, prepared.splits) if r.label is not None]
    rows = new if len(new) >= 100 else asked_rows(prepared.splits.train)
    logits_NC = np.asarray(store.get([r.payload for r in rows], LOGITS).logits_BC)
    yield from answer_findings(as_asked(prepared, rows, logits_NC, teacher, words))


def names_findings(run: Run, prepared: Prepared) -> Iterator[Finding]:
    """Where a teacher's classes have other names than the data's, as LABEL_0 is one: which of them fits which label, by its answers."""
    if run.recipe.several:
        return
    teacher = run.recipe.entry("teachers").load(run.recipe.settings("teachers"), run.device)
    labels = prepared.splits.labels
    rows = [r for r in asked_rows([*prepared.splits.train, *prepared.splits.valid]) if r.label is not None]
    if len(teacher.labels) != len(labels) or set(teacher.labels) & set(labels) or len(rows) < LEAST:
        return
    index = {label: i for i, label in enumerate(labels)}
    true_N = np.array([index[str(r.label)] for r in rows])
    logits_NC = np.asarray(teacher.answer([r.payload for r in rows], LOGITS).logits_BC)
    yield from named_otherwise(true_N, logits_NC, labels, teacher.labels)


def asked_rows(rows: Sequence[Record]) -> list[Record]:
    """Some rows, as many of each class as can be, the classes taking turns so that the first few are of all of them, in an order by the hash
    of their keys: labelled ones where there are any."""
    labelled = [r for r in rows if r.label is not None]
    ordered = sorted(labelled or rows, key=lambda r: zlib.crc32(r.key.encode()))
    by_label: dict[Label | None, list[Record]] = defaultdict(list)
    for row in ordered:
        by_label[row.label].append(row)
    each = max(PER_CLASS, MOST_ASKED // len(by_label)) if by_label else 0
    turns = zip_longest(*(of[:each] for of in by_label.values()))
    return [row for turn in turns for row in turn if row is not None]


def as_asked(prepared: Prepared, rows: Sequence[Record], logits_NC: NDArray[Any], teacher: Any, words: float | None) -> Asked:
    """Answers with the labels of their rows, and of the rows beside these in the file."""
    index = {label: i for i, label in enumerate(teacher.labels)}
    class_of = [-1 if r.label is None else index.get(str(r.label), -1) for r in prepared.as_read]
    place = {r.where: i for i, r in enumerate(prepared.as_read) if r.where}
    padded = [-1, *class_of, -1]
    places = [place.get(r.where, -2) for r in rows]
    return Asked(
        logits_NC,
        aims((r.label for r in rows), teacher.labels),
        np.array([padded[i] if i >= 0 else -1 for i in places], dtype=np.int64),
        np.array([padded[i + 2] if i >= 0 else -1 for i in places], dtype=np.int64),
        tuple(teacher.labels),
        words,
        tuple(r.where for r in rows),
        new_head(teacher),
    )


def new_head(teacher: Any) -> str:
    """Why the classifier looks as if it had never been trained; empty where it does not, or nobody can tell.

    A new linear layer has a bias of zeros, and weights with the deviation that its library draws them with; training moves both.
    """
    module = getattr(getattr(teacher, "members", (teacher,))[0], "module", None)
    if not isinstance(module, nn.Module):
        return ""
    linear = [m for m in module.modules() if isinstance(m, nn.Linear) and m.out_features == len(teacher.labels)]
    if not linear or linear[-1].bias is None or bool(linear[-1].bias.detach().any()):
        return ""
    head = linear[-1]
    config = getattr(getattr(module, "backbone", None), "config", None)
    drawn = float(getattr(config, "initializer_range", 0.02) or 0.02)
    spread = float(head.weight.detach().std())
    usual = (drawn, 0.02, (1 / (3 * head.in_features)) ** 0.5)  # transformers', limbeck's, torch's
    if not any(abs(spread / expected - 1) < 4 / (2 * head.weight.numel()) ** 0.5 for expected in usual):
        return ""
    return f"Its {head.out_features} biases are exactly 0 and its weights have the deviation {spread:.4f}, as new ones do."


def _store(run: Run, teacher: Any) -> SignalStore | None:
    """The store of this teacher's answers: that of the run; None where the run may yet choose who answers in the teacher's place, in another
    precision, and has not."""
    folder = Path(run.recipe.signals) if run.recipe.signals else run.folder / "signals"
    same = is_store(folder) and described(folder) == dict(teacher.fingerprint())
    return SignalStore(folder, teacher.fingerprint()) if same or not hasattr(teacher, "precision") else None


def _answers(teacher: Any, store: SignalStore | None, payloads: Sequence[Any]) -> tuple[NDArray[Any], list[bool]]:
    """Answers, from the store where it has them, and which payloads have one: where some are no numbers, which no store takes, only those
    that had to be asked."""
    missing = list(dict.fromkeys(payloads)) if store is None else store.missing(payloads, LOGITS)
    by_text: dict[Any, NDArray[Any]] = {}
    if missing:
        signal = teacher.answer(missing, LOGITS)
        found = np.asarray(signal.logits_BC)
        by_text = dict(zip(missing, found, strict=True))
        if store is None or not np.isfinite(found).all():
            return np.array([by_text[p] for p in payloads if p in by_text]), [p in by_text for p in payloads]
        store.commit(missing, signal)
    assert store is not None, "without one all are missing"
    return np.asarray(store.get(payloads, LOGITS).logits_BC), [True] * len(payloads)


def _read(modality: Any, teacher: Any, told: Asked, rows: Sequence[Record]) -> Iterator[Finding]:
    """Whether it would rather be given its payloads otherwise: as its modality knows them to be mistaken, or as it could scale them itself.

    Who sees red for blue takes one class for another in an orderly way, as if its labels were in another order. Where another form says as much as
    another order of labels does, it is the form, and as grave.
    """
    chosen = np.flatnonzero(told.true_N >= 0)[:_OTHERWISE]
    if len(chosen) < 20 or not np.isfinite(told.logits_NC).all():
        return
    true_N, said_N = told.true_N[chosen], np.asarray(told.logits_NC).argmax(axis=1)[chosen]
    if float((said_N == true_N).mean()) >= _BEST:
        return
    payloads = [rows[i].payload for i in chosen]
    ways = {name: partial(teacher.answer, list(map(apply, payloads)), LOGITS) for name, apply in modality.mistaken.items()}
    if hasattr(teacher, "otherwise"):
        ways |= teacher.otherwise(payloads)
    order = reordered(true_N, said_N, len(told.labels))
    for name, ask in ways.items():
        otherwise_N = np.asarray(ask().logits_BC).argmax(axis=1)
        grave = order is not None and float((otherwise_N == true_N).mean()) >= order.after
        for finding in read_otherwise(name, modality.noun, true_N, said_N, otherwise_N):
            yield replace(finding, severity=Severity.REFUSAL) if grave else finding


def _written(teacher: Any, told: Asked, rows: Sequence[Record]) -> Iterator[Finding]:
    """Whether it would rather read the texts written otherwise; asked only where it is not good and reads them otherwise."""
    labelled_N = told.true_N >= 0
    if not labelled_N.any() or not np.isfinite(told.logits_NC).all():
        return
    said_N = np.asarray(told.logits_NC).argmax(axis=1)
    if float((said_N == told.true_N)[labelled_N].mean()) >= _GOOD:
        return
    encode = getattr(getattr(teacher, "members", (teacher,))[0], "encode", None)
    for way in NORMALISATIONS:
        changed = [i for i in np.flatnonzero(labelled_N).tolist() if way.apply(rows[i].payload) != rows[i].payload]
        texts = [way.apply(rows[i].payload) for i in changed]
        if encode is not None and changed:
            pairs = zip(encode([rows[i].payload for i in changed]), encode(texts), strict=True)
            read = [not np.array_equal(a, b) for a, b in pairs]
            changed, texts = list(compress(changed, read)), list(compress(texts, read))
        changed, texts = changed[:_OTHERWISE], texts[:_OTHERWISE]
        if len(changed) < 20:
            continue
        otherwise_N = np.asarray(teacher.answer(texts, LOGITS).logits_BC).argmax(axis=1)
        yield from written_otherwise(way.name, told.true_N[changed], said_N[changed], otherwise_N)
