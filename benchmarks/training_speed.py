"""How fast limbeck trains and labels, against the usual way and against the machine.

    python benchmarks/training_speed.py --work work --json work/training_speed.json

The same teacher (all-MiniLM-L6-v2, fine-tuned as in active.py where WORK holds none), the same texts (BANKING77's training file), a student of three of its layers.
Both sides take turns in one process. `speed_ratio`: examples per second of limbeck's training step over those of plain_pytorch.py;
`speed_ratio_with_labelling` charges limbeck with asking the teacher once for each example, over the epochs of its default plan.
`training_share_of_matrix_rate`: 6 * matrix parameters * unpadded tokens per second over the best rate of the student's own matrix
products, measured in the same run. `labelling_ratio`: texts per second of whoever labels the views of a run (the teacher, or its int8 file
where that was measured to say the same: `labelling`) over a transformers pipeline's at the best of several batch sizes.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn

import plain_pytorch
from active import tuned
from harness import BUSY, Company, arguments, write
from limbeck import find
from limbeck.data.read import read_records
from limbeck.engine.batches import Examples
from limbeck.engine.device import available_cores, faster_precision
from limbeck.engine.loop import Term, Training
from limbeck.pipeline.data import read_data
from limbeck.pipeline.labelling import MEASURED, labelling_teacher
from limbeck.pipeline.teacher import load_teacher
from limbeck.pipeline.views import make_views
from limbeck.recipe import Recipe
from limbeck.run import open_run
from limbeck.shop import packaged_model

ROUNDS, SECONDS = 4, 12.0
TEXTS = 1024
SIZES = (1, 8, 16, 32, 64, 128)
LOGITS = frozenset({"logits_BC"})


def timed(steps: Iterator[int], seconds: float) -> tuple[int, float]:
    """Examples and seconds of as many steps as fit; at least two, the first of which is not counted."""
    next(steps)
    done, start = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - start < seconds:
        done += next(steps)
    return done, time.perf_counter() - start


def matrix_rate(shapes: list[tuple[int, int, int]], precision: torch.dtype) -> float:
    """The best rate of products (rows, inner) @ (inner, columns), in floating-point operations per second."""
    best = 0.0
    for rows, inner, columns in shapes:
        a, b = torch.randn(rows, inner).to(precision), torch.randn(inner, columns).to(precision)
        for _ in range(5):
            count = max(1, int(2e10 / (2 * rows * inner * columns)))
            start = time.perf_counter()
            for _ in range(count):
                a @ b
            best = max(best, 2 * rows * inner * columns * count / (time.perf_counter() - start))
    return best


def measure(args: Any) -> tuple[dict[str, Any], dict[str, str]]:
    torch.manual_seed(0)
    torch.set_num_threads(available_cores())
    company = Company()
    records = read_records(args.data / "train.jsonl.gz")
    labels = sorted({str(r.label) for r in records})
    index = {label: i for i, label in enumerate(labels)}
    texts = [r.payload for r in records]
    labels_N = np.array([index[str(r.label)] for r in records], dtype=np.int64)
    teacher = tuned(args)
    teacher.precision = faster_precision("cpu")["precision"]

    family = find("students", "encoder")
    settings = family.Settings(layers=3)
    modality, pruned = find("modalities", "text")(teacher.tokenizer_json(), teacher.max_tokens).pruned(texts, settings.reading)
    student = family(
        settings,
        pieces=modality.vocabulary_size,
        classes=len(labels),
        start=teacher.start(pruned.old_ids_V),
        used_V=pruned.used_V,
    )
    terms = [Term(find("objectives", "soft_targets")(), 1.0), Term(find("objectives", "hard_labels")(), 0.1)]
    encoded = modality.encode(texts)
    examples = Examples(encoded, labels_N, teacher.answer(texts, LOGITS))
    training = Training(student, examples, modality.collate, terms, family.plan, seed=0)
    training.precision = teacher.precision
    sizes = [min(family.plan.batch_size, len(texts) - i) for i in range(0, len(texts), family.plan.batch_size)]
    ours = (size for _, size in zip(training.steps(), itertools.cycle(sizes), strict=False))

    whole = plain_pytorch.Classifier(teacher.module.backbone, teacher.module.head)
    plain = plain_pytorch.train(
        whole,
        plain_pytorch.smaller(whole, (0, 2, 5)),
        transformers.AutoTokenizer.from_pretrained(teacher_folder()),
        texts,
        labels_N.tolist(),
    )

    counted: dict[str, list[tuple[int, float]]] = {"plain": [], "ours": []}
    for _ in range(ROUNDS):
        counted["plain"].append(timed(plain, SECONDS))
        counted["ours"].append(timed(ours, SECONDS))
    rates = {name: sum(n for n, _ in found) / sum(s for _, s in found) for name, found in counted.items()}

    tokens = float(np.mean([len(e) for e in encoded]))
    matrices = [m for m in student.modules() if isinstance(m, nn.Linear)]
    parameters = sum(m.weight.numel() for m in matrices)
    rows = int(tokens * family.plan.batch_size)
    products = {(rows, m.in_features, m.out_features) for m in matrices if m.out_features != len(labels)}
    products |= {(m.out_features, rows, m.in_features) for m in matrices if m.out_features != len(labels)}
    number = {"float32": torch.float32, "bfloat16": torch.bfloat16}[training.precision]
    best = matrix_rate(sorted(products), number)

    labelling_of_a_run, record = who_labels(args, teacher)
    labelling = labelled(labelling_of_a_run, labels, texts[:TEXTS])
    epochs = family.plan.epochs
    figures = {
        "speed_ratio": rates["ours"] / rates["plain"],
        "speed_ratio_with_labelling": 1.0 / (1.0 / rates["ours"] + 1.0 / (epochs * labelling["ours"])) / rates["plain"],
        "training_share_of_matrix_rate": 6 * parameters * tokens * rates["ours"] / best,
        "labelling_ratio": labelling["ours"] / max(labelling["pipeline"].values()),
        "examples_per_second": rates["ours"],
        "examples_per_second_plain": rates["plain"],
        "texts_labelled_per_second": labelling["ours"],
        "texts_labelled_per_second_pipeline": labelling["pipeline"],
        "matrix_rate_gflops": best / 1e9,
        "matrix_parameters": parameters,
        "tokens_per_example": tokens,
        "precision_training": training.precision,
        "labelling": record,
    }
    share = company.share()
    void = dict.fromkeys(figures, f"since others took {share:.0%} of the cores") if share > BUSY else {}
    return figures, void


def who_labels(args: Any, teacher: Any) -> tuple[Any, Any]:
    """Who labels the views of a run with this teacher, and what was measured of its int8 file."""
    data = {"train": str(args.data / "train.jsonl.gz"), "test_share": 0.001}
    with open_run(Recipe.read({"data": data}, values={"out": str(args.work / "training-speed")})) as run:
        run.ready = teacher
        splits = read_data(run).splits
        load_teacher(run, splits)
        views = make_views(run, teacher, splits)
        found = labelling_teacher(run, teacher, run.folder / "signals", [v.payload for v in views])
        return found, run.measured(MEASURED) or f"the teacher, {teacher.precision}"


def teacher_folder() -> str:
    """Where the teacher's own tokenizer and backbone lie."""
    return str(packaged_model() or find("teachers", "huggingface").Settings().model)


def labelled(labelling: Any, labels: list[str], texts: list[str]) -> dict[str, Any]:
    """Texts per second of whoever labels and of a transformers pipeline over the same backbone, taking turns."""
    source = teacher_folder()
    transformers.utils.logging.set_verbosity_error()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(source, num_labels=len(labels), dtype=torch.float32)
    pipeline = transformers.pipeline(
        "text-classification", model=model, tokenizer=transformers.AutoTokenizer.from_pretrained(source), top_k=None
    )
    best: dict[Any, float] = {}
    for _ in range(2):
        for size in SIZES:
            start = time.perf_counter()
            pipeline(texts, batch_size=size)
            best[size] = max(best.get(size, 0.0), len(texts) / (time.perf_counter() - start))
            start = time.perf_counter()
            labelling.answer(texts, LOGITS)
            best["ours"] = max(best.get("ours", 0.0), len(texts) / (time.perf_counter() - start))
    ours = best.pop("ours")
    return {"ours": ours, "pipeline": {str(size): rate for size, rate in best.items()}}


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("all",), "banking77")
    found, not_counted = measure(args)
    write(args, found, {}, not_counted)
