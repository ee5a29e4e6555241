"""Does it pay to choose which texts a teacher is asked about? BANKING77's training texts without their labels; the teacher's answers are written down once.

    python benchmarks/active.py --data ../shared/data/banking77 --json work/active.json

Each seed takes 8,000 of the training texts, lets `teacher.choose` active and random choose 500 and 2,000 of them, and trains the same student on the
teacher's answers to these alone: a bag of 96 numbers a piece that starts from all-MiniLM-L6-v2, no further views, 30 epochs of batches of 32 (a quick
one: a training takes seconds). All goes through the stages that `limbeck distill` goes through, and the student is judged in torch by true labels: on the training
texts that the seed left out, with --final on the test file. Both ways share texts, seed and start, so differences are paired; `_low` is the lower end (95 %, Student's t) over the
seeds. What is finished lies in --work, and is not done again; the teacher is WORK/active-tuned/teacher, fine-tuned on all training texts where there is none.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from harness import arguments, write
from limbeck.data.read import read_records
from limbeck.types import Record

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
POOL, CALLS, WAYS = 8000, (500, 2000), ("active", "random")


def recipe(pool: Path, judged: Path, signals: Path, calls: int, way: str, seed: int) -> dict[str, Any]:
    """One student of one choice."""
    return {
        "data": {"train": str(pool), "label": None, "test": str(judged), "valid_share": 0.0},
        "teacher": {"calls": calls, "choose": way},
        "views": {"per_record": 0},
        "student": {"family": "bag", "width": 96, "hidden": 192, "buckets": 2048, "start": {"model": MODEL}},
        "training": {"epochs": 30, "batch_size": 32},
        "verify": {"cross_fit_below": 0},
        "precision": "float32",
        "signals": str(signals),
        "seed": seed,
        "threads": 1,
    }


def tuned(args: Any) -> Any:
    """The fine-tuned teacher, made at the first time."""
    import limbeck
    from limbeck.pipeline.data import read_data
    from limbeck.pipeline.fine_tuning import fine_tuned
    from limbeck.pipeline.teacher import load_teacher
    from limbeck.recipe import Recipe
    from limbeck.run import open_run

    folder = args.work / "active-tuned"
    if not (folder / "teacher" / "config.json").is_file():
        data = {"train": str(args.data / "train.jsonl.gz"), "test_share": 0.001}
        with open_run(Recipe.read({"data": data}, values={"out": str(folder)})) as run:
            splits = read_data(run).splits
            fine_tuned(run, load_teacher(run, splits), splits)
    entry = limbeck.find("teachers", "huggingface")
    return entry.load(entry.Settings(str(folder / "teacher")))


def student_accuracy(wanted: dict[str, Any], out: Path, teacher: Any, suspects: Path | None = None) -> float:
    """The accuracy on the judging rows of the student that a recipe makes; the list of suspects, where there is one, goes to a file."""
    from limbeck.pipeline.asked import asked_about
    from limbeck.pipeline.cleaned import lessons
    from limbeck.pipeline.data import read_data
    from limbeck.pipeline.student import fit_student, student_logits
    from limbeck.pipeline.teacher import ask_teacher, load_teacher
    from limbeck.pipeline.untrained import new_student
    from limbeck.pipeline.views import make_views
    from limbeck.recipe import Recipe
    from limbeck.run import open_run

    shutil.rmtree(out, ignore_errors=True)
    with open_run(Recipe.read(wanted, values={"out": str(out)})) as run:
        run.ready = teacher
        splits = read_data(run).splits
        load_teacher(run, splits)
        asked = asked_about(run, teacher, splits)
        views = make_views(run, teacher, asked)
        assert len(views) == wanted["teacher"].get("calls", len(views)), "each call is a text"
        student, modality = new_student(run, teacher, [v.payload for v in views], teacher.labels)
        taught = lessons(run, teacher, ask_teacher(run, teacher, views, asked), views, asked)
        fit_student(run, teacher, student, modality, taught.store, taught.views, asked, {"benchmark": "active"})
        logits_NC = student_logits(student, modality, modality.encode([r.payload for r in splits.test])).numpy()
        true_N = [teacher.labels.index(str(r.label)) for r in splits.test]
    if suspects is not None and (named := out / "evidence" / "suspects.jsonl").is_file():
        shutil.copy(named, suspects)
    shutil.rmtree(out)
    return float(np.mean(logits_NC.argmax(axis=1) == np.array(true_N)))


def answered(folder: Path, teacher: Any, texts: list[str]) -> Path:
    """The store with the teacher's answers to all texts, each asked once."""
    from limbeck.signals.store import SignalStore
    from limbeck.signals.teach import teach
    from limbeck.types import View

    store = SignalStore(folder, teacher.fingerprint())
    for done, total in teach(teacher, store, [View((t,), (), 0, t) for t in texts], frozenset({"logits_BC"})):
        print(f"teacher: {done} of {total}", file=sys.stderr)
    return folder


def written(path: Path, rows: list[Record], labels: bool) -> Path:
    """A file of rows, with labels or without."""
    lines = ({"text": r.payload, **({"label": r.label} if labels else {})} for r in rows)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def main(args: Any) -> dict[str, float]:
    """Means, and the lower ends of the paired differences."""
    from scipy.stats import t

    work = args.work / ("active-final" if args.final else "active")
    work.mkdir(parents=True, exist_ok=True)
    teacher = tuned(args)
    rows = list({r.key: r for r in read_records(args.data / "train.jsonl.gz")}.values())
    test = {r.key for r in read_records(args.data / "test.jsonl.gz")} if args.final else set()
    rows = [r for r in rows if r.key not in test]
    signals = answered(args.work / "active-signals", teacher, [r.payload for r in rows])
    done = work / "accuracies.json"
    found: dict[str, float] = json.loads(done.read_text(encoding="utf-8")) if done.is_file() else {}
    for seed in range(args.seeds):
        order = np.random.default_rng(seed).permutation(len(rows))
        pool = written(work / "pool.jsonl", [rows[i] for i in sorted(order[:POOL])], labels=False)
        judged = args.data / "test.jsonl.gz"
        if not args.final:
            judged = written(work / "judged.jsonl", [rows[i] for i in order[POOL:]], labels=True)
        for calls in CALLS:
            for way in WAYS:
                if (name := f"{way}_{calls}_{seed}") not in found:
                    wanted = recipe(pool, judged, signals, calls, way, seed)
                    found[name] = student_accuracy(wanted, work / "run", teacher)
                    done.write_text(json.dumps(found, indent=1), encoding="utf-8")
                    print(f"{name}: {found[name]:.4f}", file=sys.stderr)
    figures: dict[str, float] = {"seeds": args.seeds}
    for calls in CALLS:
        by = {way: np.array([found[f"{way}_{calls}_{seed}"] for seed in range(args.seeds)]) for way in WAYS}
        gained = by["active"] - by["random"]
        spread = float(np.std(gained, ddof=1) / np.sqrt(len(gained)))
        figures |= {f"{way}_{calls}": float(values.mean()) for way, values in by.items()}
        figures[f"active_minus_random_{calls}"] = float(gained.mean())
        figures[f"active_minus_random_{calls}_low"] = float(gained.mean()) - float(t.ppf(0.95, len(gained) - 1)) * spread
        figures[f"active_minus_random_{calls}_least"] = float(gained.min())
    return figures


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("all",), "banking77", seeds=10)
    write(args, main(args), {})
