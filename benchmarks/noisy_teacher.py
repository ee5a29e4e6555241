"""What a filter is worth where a teacher errs: one in five of its answers is another label, drawn by chance.

    python benchmarks/noisy_teacher.py --data ../shared/data/banking77 --json work/noisy_teacher.json

BANKING77: each seed takes 3,000 training texts without their labels. The teacher of benchmarks/active.py names a label for each, and one in five is exchanged for
another. The same quick student learns from these answers as they are, without those that `teacher.filter.suspects` drops, and from the teacher without the exchange. It
is judged by true labels on the training texts that the seed left out, with --final on the test file. `filter_minus_none_low`: the lower end (95 %, Student's t) of the paired difference over
seeds. `suspects_precision`, `suspects_recall`: of the exchanged answers among those that are named. What is finished lies in --work.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from active import answered, recipe, student_accuracy, tuned, written
from harness import arguments, write
from limbeck.data.read import read_records

ROWS, SHARE = 3000, 0.2
WAYS: dict[str, tuple[float, str]] = {"none": (SHARE, "off"), "filter": (SHARE, "drop"), "clean": (0.0, "off")}


def exchanged(text: str, label: str, labels: tuple[str, ...], share: float) -> str:
    """The label, or another where the hash of the text says so."""
    dice = int(hashlib.sha256(text.encode()).hexdigest(), 16)
    if dice % 10_000 >= share * 10_000:
        return label
    others = [name for name in labels if name != label]
    return others[dice // 10_000 % len(others)]


def erring(said: dict[str, str], labels: tuple[str, ...], share: float) -> Any:
    """The teacher that names labels, some of them exchanged."""
    import limbeck

    def call(texts: list[str]) -> list[str]:
        return [exchanged(t, said.get(t, labels[0]), labels, share) for t in texts]

    return limbeck.find("teachers", "function")(call, labels, version=str(share), name="erring")


def named(path: Path, rows: list[Any], said: dict[str, str], labels: tuple[str, ...]) -> tuple[float, float]:
    """Of the suspects that a run has written: precision and recall of the exchanged answers."""
    wrong = {r.key for r in rows if exchanged(r.payload, said[r.payload], labels, SHARE) != said[r.payload]}
    found = {json.loads(line)["key"] for line in path.read_text(encoding="utf-8").splitlines()}
    return len(found & wrong) / len(found), len(found & wrong) / len(wrong)


def main(args: Any) -> dict[str, float]:
    """Means, and the lower end of the paired difference."""
    from scipy.stats import t

    from limbeck.signals.store import SignalStore

    work = args.work / ("noisy-final" if args.final else "noisy")
    work.mkdir(parents=True, exist_ok=True)
    teacher = tuned(args)
    rows = list({r.key: r for r in read_records(args.data / "train.jsonl.gz")}.values())
    test = {r.key for r in read_records(args.data / "test.jsonl.gz")} if args.final else set()
    rows = [r for r in rows if r.key not in test]
    texts = [r.payload for r in rows]
    store = SignalStore.at(answered(args.work / "active-signals", teacher, texts))
    best_N = np.asarray(store.get(texts, frozenset({"logits_BC"})).logits_BC).argmax(axis=1)
    said = {text: teacher.labels[i] for text, i in zip(texts, best_N, strict=True)}
    done = work / "figures.json"
    found: dict[str, float] = json.loads(done.read_text(encoding="utf-8")) if done.is_file() else {}
    for seed in range(args.seeds):
        order = np.random.default_rng(seed).permutation(len(rows))
        chosen = [rows[i] for i in sorted(order[:ROWS])]
        pool = written(work / "pool.jsonl", chosen, labels=False)
        judged = args.data / "test.jsonl.gz"
        if not args.final:
            judged = written(work / "judged.jsonl", [rows[i] for i in sorted(order[8000:])], labels=True)
        for way, (share, suspects) in WAYS.items():
            if (name := f"{way}_{seed}") not in found:
                wanted = recipe(pool, judged, work / f"signals-{share}", ROWS, "random", seed)
                wanted["teacher"] = {"filter": {"suspects": suspects}}
                kept = work / "suspects.jsonl"
                found[name] = student_accuracy(wanted, work / "run", erring(said, teacher.labels, share), kept)
                if suspects == "drop":
                    found[f"precision_{seed}"], found[f"recall_{seed}"] = named(kept, chosen, said, teacher.labels)
                done.write_text(json.dumps(found, indent=1), encoding="utf-8")
                print(f"{name}: {found[name]:.4f}", file=sys.stderr)
    by = {way: np.array([found[f"{way}_{seed}"] for seed in range(args.seeds)]) for way in WAYS}
    gained = by["filter"] - by["none"]
    half = float(t.ppf(0.95, len(gained) - 1)) * float(np.std(gained, ddof=1)) / len(gained) ** 0.5
    return {
        "seeds": args.seeds,
        **{f"accuracy_{way}": float(values.mean()) for way, values in by.items()},
        "filter_minus_none": float(gained.mean()),
        "filter_minus_none_low": float(gained.mean()) - half,
        **{
            f"suspects_{what}": float(np.mean([found[f"{what}_{s}"] for s in range(args.seeds)]))
            for what in ("precision", "recall")
        },
    }


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("all",), "banking77", seeds=5)
    write(args, main(args), {})
