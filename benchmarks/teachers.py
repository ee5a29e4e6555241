"""The same student from many kinds of teacher: what each teacher reaches, what its student reaches, and what is kept.

    python benchmarks/teachers.py --data ../shared/data/banking77 --part kinds --json work/teachers.json
    python benchmarks/teachers.py --data ../shared/data/banking77 --part ensemble --seeds 10 --rows 2000 --views 4 --json work/teachers-ensemble.json

The student is limbeck's default bag, started from all-MiniLM-L6-v2 whatever the teacher is, with views where the teacher can label them. All teachers
learn from the same training rows (--rows: so many of them; --views: of each, in place of the default). Without --final the judging rows are a fifth of the training file.

kinds      huggingface, its ONNX bundle (onnx), its network by its module path (torch_module), its five best answers in a file (recorded), scikit-learn's
           logistic regression and SVM, LightGBM, a callable over letters (function), an endpoint over a socket (openai), and an ensemble of three.
           min_soft_retention: the least share of its teacher's accuracy that a student of a teacher with probabilities keeps
ensemble   ten seeds: the student of the ensemble against that of its best member, and the lower end (95 %, Student's t) of the difference
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

import limbeck
from harness import arguments, write
from limbeck.errors import MissingExtraError
from limbeck.evidence import Report

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
LOGITS = frozenset({"logits_BC"})


def recipe(args: Any, seed: int = 0) -> dict[str, Any]:
    """What all runs share."""
    data: dict[str, Any] = {"train": str(args.train)}
    if args.final:
        data["test"] = str(args.data / "test.jsonl.gz")
    return {
        "data": data,
        "seed": seed,
        **({"views": {"per_record": args.views}} if args.views else {}),
        "student": {"family": "bag", "start": {"model": MODEL}},
        "verify": {"control": False, "baseline": False, "cold_starts": 0, "latency_queries": 20, "cross_fit_below": 0},
    }


def splits_of(args: Any) -> Any:
    """The rows as a run divides them."""
    from limbeck.pipeline.data import read_data
    from limbeck.recipe import Recipe
    from limbeck.run import open_run

    with open_run(Recipe.read(recipe(args), values={"out": str(args.work / "teachers" / "none")})) as run:
        return read_data(run).splits


class Kinds:
    """Teachers of all kinds over the same rows, made when they are asked for."""

    def __init__(self, args: Any) -> None:
        self.args, self.folder = args, args.work / "teachers"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.splits = splits_of(args)
        rows = [*self.splits.train, *self.splits.valid]
        self.texts, self.labels = [r.payload for r in rows], [str(r.label) for r in rows]
        self.report: Report | None = None

    def features(self, **more: Any) -> Any:
        """TF-IDF of words."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), dtype=np.float32, **more)

    def huggingface(self) -> Any:
        """None: the recipe's own teacher, fine-tuned in the run."""
        return None

    def tuned(self) -> Any:
        """The fine-tuned teacher of the first run."""
        entry = limbeck.find("teachers", "huggingface")
        return entry.load(entry.Settings(str(self.folder / "huggingface" / "teacher")))

    def onnx(self) -> Any:
        """Its bundle."""
        entry = limbeck.find("teachers", "onnx")
        return entry.load(entry.Settings(str(self.folder / "huggingface" / "teacher-onnx")))

    def torch_module(self) -> Any:
        """Its network, by what the head gives."""
        tuned = self.tuned()

        def encode(texts: list[str]) -> dict[str, Any]:
            return dict(tuned.collate(tuned.encode(texts)))

        return limbeck.find("teachers", "torch_module")(tuned.module, encode, tuned.labels, hook="head", name="MiniLM")

    def recorded(self) -> Any:
        """Its five best classes of each row, with log-probabilities, in a file."""
        tuned, path = self.tuned(), self.folder / "recorded.jsonl"
        rows = [r.payload for r in (*self.splits.train, *self.splits.valid, *self.splits.test)]
        logits = tuned.answer(rows, LOGITS).logits_BC.astype(np.float64)
        logs = (
            logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True)) - logits.max(1, keepdims=True)
        )
        with path.open("w", encoding="utf-8") as file:
            for text, row in zip(rows, logs, strict=True):
                best = np.argsort(-row)[:5]
                file.write(json.dumps({"text": text, "top_k": {tuned.labels[i]: float(row[i]) for i in best}}) + "\n")
        entry = limbeck.find("teachers", "recorded")
        return entry.load(entry.Settings(str(path), labels=tuple(tuned.labels)))

    def logistic(self) -> Any:
        """scikit-learn, with probabilities."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        return limbeck.find("teachers", "sklearn")(
            make_pipeline(self.features(), LogisticRegression(C=30.0, max_iter=300)).fit(self.texts, self.labels)
        )

    def svm(self) -> Any:
        """scikit-learn, with the scores of a decision function."""
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC

        return limbeck.find("teachers", "sklearn")(
            make_pipeline(self.features(), LinearSVC(random_state=0)).fit(self.texts, self.labels)
        )

    def boosting(self) -> Any:
        """LightGBM over TF-IDF."""
        import lightgbm

        features = self.features(min_df=3)
        rows, names = features.fit_transform(self.texts), sorted(set(self.labels))
        settings = {
            "objective": "multiclass",
            "num_class": len(names),
            "learning_rate": 0.1,
            "num_leaves": 15,
            "verbose": -1,
            "seed": 0,
        }
        data = lightgbm.Dataset(rows, [names.index(label) for label in self.labels])
        return limbeck.find("teachers", "boosting")(lightgbm.train(settings, data, num_boost_round=80), features, names)

    def function(self) -> Any:
        """A callable over runs of letters."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        features = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, max_features=50_000)
        model = make_pipeline(features, LogisticRegression(C=30.0, max_iter=300)).fit(self.texts, self.labels)
        return limbeck.find("teachers", "function")(model.predict_proba, [str(c) for c in model.classes_], name="letters")

    def openai(self) -> Any:
        """A logistic regression behind an endpoint."""
        import uvicorn

        from chat_server import ChatServer, linear_model

        served = ChatServer(linear_model(self.texts, self.labels))
        server = uvicorn.Server(uvicorn.Config(served.app, port=0, log_level="critical", ws="none", lifespan="off"))
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.1)
        port = server.servers[0].sockets[0].getsockname()[1]
        entry = limbeck.find("teachers", "openai")
        answers = self.folder / "answers.sqlite"
        answers.unlink(missing_ok=True)
        return entry(
            entry.Settings(
                "sorter", f"http://127.0.0.1:{port}/v1", labels=tuple(sorted(set(self.labels))), answers=str(answers)
            )
        )

    def ensemble(self) -> Any:
        """The bundle, the logistic regression and the callable."""
        return limbeck.find("teachers", "ensemble")([self.onnx(), self.logistic(), self.function()], [2.0, 1.0, 1.0])


NAMES = ("huggingface", "onnx", "torch_module", "recorded", "logistic", "svm", "boosting", "function", "openai", "ensemble")
SOFT = frozenset(NAMES) - {"recorded", "openai"}


def run_of(kinds: Kinds, name: str, seed: int = 0) -> Report:
    """The report of one run."""
    out = kinds.folder / (name if seed == 0 else f"{name}-{seed}")
    asked = recipe(kinds.args, seed)

    def progress(stage: str, done: int, total: int, note: str) -> None:
        if done == total:
            print(f"{name}-{seed} {stage}: {note}", file=sys.stderr)

    return limbeck.distill(asked, teacher=getattr(kinds, name)(), out=out, progress=progress)


def kinds_figures(args: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """One run of each kind."""
    kinds, figures, left_out = Kinds(args), dict[str, Any](), dict[str, str]()
    retained = {}
    for name in NAMES:
        try:
            report = run_of(kinds, name)
        except (MissingExtraError, ModuleNotFoundError) as error:
            left_out[name] = str(error)
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        teacher, student = (m.quality.accuracy.estimate for m in (report.teacher, report.student))
        retained[name] = student / teacher
        figures |= {f"{name}_teacher": teacher, f"{name}_student": student, f"{name}_retention": retained[name]}
    soft = [value for name, value in retained.items() if name in SOFT]
    return {"kinds": len(retained), "min_soft_retention": min(soft), **figures}, left_out


def ensemble_figures(args: Any) -> dict[str, Any]:
    """The ensemble's student against its best member's, over seeds."""
    from scipy.stats import t

    kinds = Kinds(args)
    run_of(kinds, "huggingface")
    gained = []
    for seed in range(args.seeds):
        found = {name: run_of(kinds, name, seed).student.quality.accuracy.estimate for name in ("ensemble", "onnx")}
        gained.append(found["ensemble"] - found["onnx"])
        print(f"seed {seed}: {found}", file=sys.stderr)
    mean, spread = float(np.mean(gained)), float(np.std(gained, ddof=1) / np.sqrt(len(gained)))
    low = mean - float(t.ppf(0.95, len(gained) - 1)) * spread
    return {"ensemble_minus_best_member": mean, "ensemble_minus_best_member_low": low, "seeds": len(gained)}


def rows_file(args: Any) -> Path:
    """The training file, or some of its rows."""
    from limbeck.data.formats import fingerprint

    whole = args.data / "train.jsonl.gz"
    if not args.rows:
        return Path(whole)
    import gzip

    lines = gzip.decompress(whole.read_bytes()).decode().splitlines()
    dice = np.random.default_rng(0)
    part = args.work / f"rows-{args.rows}-{fingerprint(str(whole))[:8]}.jsonl"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text("\n".join(lines[i] for i in sorted(dice.permutation(len(lines))[: args.rows])) + "\n", encoding="utf-8")
    return Path(part)


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("kinds", "ensemble"), "banking77", rows=0, seeds=10, views=0)
    args.train = rows_file(args)
    if args.part == "ensemble":
        write(args, ensemble_figures(args), {})
    else:
        figures, left_out = kinds_figures(args)
        write(args, figures, {}, dict.fromkeys((f"{name}_student" for name in left_out), "not installed"))
