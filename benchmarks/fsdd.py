"""Free Spoken Digit Dataset (Jackson et al.): 3,000 recordings of English digits by six speakers, 8 kHz, about 0.4 s each.

    python benchmarks/fsdd.py --work work/fsdd --json work/fsdd.json [--part all] [--final]

Part official: recordings 0 to 4 of each digit and speaker are the test set (300), 5 to 49 train. Part speakers: each speaker in turn is heard by
nobody before the test: all 500 recordings of that speaker judge, recordings 5 to 49 of the other five train. In both, recordings 45 to 49 choose the
epoch. Without --final recordings 40 to 44 judge in place of the test set; and with each speaker that is to be held out another one is left out
too, of whom recordings 5 to 49 judge: no network hears the one that it is judged by, whether a recipe is chosen or measured. One recipe is meant for all
six. A part that is named after a speaker holds out that one alone; what is done already is taken from --work, so `--part speakers` collects them.
Where they were read on several machines, `--part record` takes the means from their lines in final.log, of the latest commit that has all six.

The teacher is the mean of four networks over log-mel features: three of separable filters, of which one hears windows of half the length, twice
as often, and one of full filters over those. Each errs in its own way about a stranger. They are trained from scratch for each split, on views
of its rows; the student on stronger views and mixes, which the teacher labels. Of student and control three seeds each are trained; figures are
means over them. The control is the same student without the teacher, with as many steps, on views as the teacher had, on the rows that choose
too. Beside them log-mel energies with an SVM.

A split takes 40 to 44 minutes of one core with AVX-512 (teachers 15, their answers 4, three students 9, controls 14), the official one 49, so that
all seven are done in about three hours where two parts run side by side; measured with OMP_NUM_THREADS=1 and huge pages for malloc
(GLIBC_TUNABLES=glibc.malloc.hugetlb=1, docs/diary.md).

No network hears whom it is judged by; but the recipe was chosen by trials on pairs of these six speakers, and three were read with earlier recipes
too (docs/diary.md, 2026-11-30), so what is new to each network is not new to who wrote this.
"""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scipy import stats

import limbeck
from fashion_mnist import measured
from harness import HERE, arguments, write
from limbeck.cli import Watch
from limbeck.pipeline.teaching import teach

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
HEARD = {"rate": 8000, "seconds": 0.7, "mels": 32}
UNDISTURBED = {"throat": 0.0, "tempo": 0.0, "room": 0.0}  # the views are
LESSON = {"per_record": 24, "speed": 0.25}
"""Views that keep a label: teachers learn from them, and the control."""
MUON = {"optimizer": "muon", "learning_rate": 0.02, "weight_decay": 0.05}
SEPARABLE = {"width": 56, "filters": "separable", **UNDISTURBED, "mask": 0.0}
TEACHERS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    (SEPARABLE, {**MUON, "head_learning_rate": 0.02, "seeds": 2}),
    ({**SEPARABLE, "window": 0.016}, {**MUON, "head_learning_rate": 0.02}),
    (
        {"width": 32, "filters": "full", "window": 0.016, **UNDISTURBED, "mask": 0.2},
        {"learning_rate": 4e-3, "head_learning_rate": 4e-3, "weight_decay": 0.02},
    ),
)
"""Settings of each kind, and how it is trained."""
VIEWS = {"per_record": 28, "speed": 0.4, "throat": 0.25, "room": 9.0, "mixup_share": 0.45}
OBJECTIVES: dict[str, Any] = {"soft_targets": {}}  # of a view as strong as these the label may not hold
STUDENT = {"width": 56, "depth": 1, "dropout": 0.0, **HEARD}  # about 53,360 bytes
TRAINING = {"epochs": 5, **MUON}
SEEDS = 3
BYTES = 60_000
KEPT = ("accuracy", "accuracies", "minus_control", "control_accuracies", "teacher_accuracy", "baseline_accuracy")
"""Figures of each speaker."""
Recording = tuple[str, str, str, int]
"""Path, digit, speaker, number."""


def recordings(archive: Path, work: Path) -> list[Recording]:
    """All recordings, unpacked once."""
    folder = work / "recordings"
    if not folder.is_dir():
        draft = Path(tempfile.mkdtemp(dir=work))  # parts may run side by side, and begin at once
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(draft)
        with contextlib.suppress(OSError):  # another was first
            draft.rename(folder)
        shutil.rmtree(draft, ignore_errors=True)
    found = []
    for path in sorted(folder.glob("*/*.wav")):
        digit, speaker, number = path.stem.split("_")
        found.append((str(path.resolve()), digit, speaker, int(number)))
    return found


def split(
    all_of: list[Recording], work: Path, name: str, judges: Callable[[Recording], bool], left_out: set[str]
) -> dict[str, str]:
    """Write which recordings train, choose and judge; the files by use. Nobody hears the test recordings of the others, nor a speaker who is
    left out, but for those that judge."""
    uses: dict[str, list[Recording]] = {"train": [], "valid": [], "test": []}
    for one in all_of:
        if judges(one):
            uses["test"].append(one)
        elif one[2] not in left_out and one[3] >= 5:
            uses["valid" if one[3] >= 45 else "train"].append(one)
    files = {}
    for use, rows in uses.items():
        path = work / f"{name}-{use}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([("audio", "label", "speaker"), *(row[:3] for row in rows)])
        files[use] = str(path)
    return files


def taught(data: dict[str, str], work: Path, name: str) -> list[dict[str, Any]]:
    """The teacher's members: each kind is trained in a run of its own."""
    members = []
    for settings, fine_tune in TEACHERS:
        recipe = {
            "task": "audio-classification",
            "data": data,
            "teacher": {
                "kind": "resnet_audio",
                **HEARD,
                **settings,
                "fine_tune": {"epochs": 3, "batch_size": 64, "refit": False, "views": LESSON, **fine_tune},
            },
            "views": {"per_record": 0},
            "seed": 0,
        }
        out = work / f"{name}-{settings['filters']}-{limbeck.Recipe.read(recipe).fingerprint()[:8]}"
        with Watch() as watch:
            teach(limbeck.Recipe.read({**recipe, "out": str(out)}), watch)
        seeds = fine_tune.get("seeds", 1)
        folders = [f"teacher-{seed}" for seed in range(seeds)] if seeds > 1 else ["teacher"]
        members += [{"kind": "resnet_audio", "model": str(out / folder)} for folder in folders]
    return members


def distilled(data: dict[str, str], work: Path, name: str) -> tuple[dict[str, Any], limbeck.Report]:
    """The figures of one split, and its report."""
    recipe = {
        "task": "audio-classification",
        "data": data,
        "teacher": {"kind": "ensemble", "members": taught(data, work, name), "fine_tune": {"views": LESSON}},
        "views": VIEWS,
        "student": STUDENT,
        "training": TRAINING,
        "objectives": OBJECTIVES,
        "verify": {"seeds": SEEDS},
        "seed": 0,
    }
    out = work / f"{name}-{limbeck.Recipe.read(recipe).fingerprint()[:8]}"
    with Watch() as watch:
        report = limbeck.distill(recipe, out=out, progress=watch)
    figures = {key.replace("best_student_", ""): value for key, value in measured(report, "student").items()}
    if figures["bytes"] > BYTES:
        raise SystemExit(f"{name}: the bundle has {figures['bytes']:,} bytes; {BYTES:,} are allowed. Make the student smaller.")
    return figures, report


def official(all_of: list[Recording], work: Path, final: bool) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """The split that the data set's authors name."""
    name, first = ("official", 0) if final else ("official-valid", 40)
    data = split(all_of, work, name, lambda one: first <= one[3] < first + 5, set())
    figures, report = distilled(data, work, name)
    busy = any("void" in note for note in report.notes)
    times = [key for key in figures if key.endswith(("p50_us", "latency_ratio"))] if busy else []
    void = dict.fromkeys((f"official_{key}" for key in times), "since others were busy while it was measured")
    return {f"official_{key}": value for key, value in figures.items()}, {"official": report.bundle}, void


def speakers(
    all_of: list[Recording], work: Path, final: bool, held_out: Sequence[str] = SPEAKERS
) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Each of these speakers held out in turn; without --final the next one in the row judges in place of each."""
    found, bundles = {}, {}
    for speaker in held_out:
        judged = speaker if final else SPEAKERS[(SPEAKERS.index(speaker) + 1) % len(SPEAKERS)]
        name = f"without-{speaker}" if final else f"valid-without-{speaker}-{judged}"
        data = split(all_of, work, name, lambda one, of=judged: one[2] == of and (final or one[3] >= 5), {speaker, judged})
        found[speaker], report = distilled(data, work, name)
        bundles[f"without_{speaker}"] = report.bundle
    figures: dict[str, Any] = {f"{speaker}_{key}": of[key] for speaker, of in found.items() for key in KEPT}
    if len(found) == len(SPEAKERS):
        figures |= means(figures) | {"speaker_held_out_bytes": max(of["bytes"] for of in found.values())}
    return figures, bundles, {}


def means(figures: dict[str, Any]) -> dict[str, Any]:
    """What the figures of the six say together. The lead's bounds are those of its mean over speakers at 95 %, by Student's t."""
    of = {key: [figures[f"{speaker}_{key}"] for speaker in SPEAKERS] for key in KEPT}
    lead = of["minus_control"]
    reach = float(stats.t.ppf(0.975, len(lead) - 1)) * stdev(lead) / len(lead) ** 0.5
    return {
        "speaker_held_out_mean": mean(of["accuracy"]),
        "speaker_held_out_least": min(of["accuracy"]),
        "speaker_held_out_minus_control": mean(lead),
        "speaker_held_out_minus_control_bounds": [mean(lead) - reach, mean(lead) + reach],
        "speaker_held_out_teacher": mean(of["teacher_accuracy"]),
        "speaker_held_out_svm": mean(of["baseline_accuracy"]),
    }


def recorded(log: Path) -> dict[str, Any]:
    """The same from the record of final readings: from the latest commit of which all six speakers were read."""
    read = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    by_commit: dict[str, dict[str, Any]] = {}
    for line in read:
        if line["benchmark"] == "fsdd" and line["part"] in SPEAKERS:
            of = by_commit.pop(line["commit"], {})
            by_commit[line["commit"]] = {**of, line["part"]: line["figures"]}  # behind those read before
    whole = [commit for commit, of in by_commit.items() if len(of) == len(SPEAKERS)]
    if not whole:
        found = {commit: sorted(of) for commit, of in by_commit.items()}
        raise SystemExit(
            f"{log.name} holds no six speakers of one commit: {found}. Run --part NAME --final for those that lack."
        )
    figures = {key: value for of in by_commit[whole[-1]].values() for key, value in of.items()}
    return figures | means(figures) | {"of_commit": whole[-1]}


def run(data: Path, work: Path, final: bool, part: str) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Figures, bundles, and which figures are void."""
    if part == "record":
        if final:
            raise SystemExit("--part record reads no test file: leave out --final.")
        return recorded(HERE / "final.log"), {}, {}
    work = work.resolve()  # paths are part of what a run is
    work.mkdir(parents=True, exist_ok=True)
    all_of = recordings(data / "recordings.zip", work)
    if part in SPEAKERS:
        return speakers(all_of, work, final, (part,))
    figures, bundles, void = {}, {}, {}
    for name, measure in (("official", official), ("speakers", speakers)):
        if part in ("all", name):
            for total, of in zip((figures, bundles, void), measure(all_of, work, final), strict=True):
                total |= of
    return figures, bundles, void


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("all", "official", "speakers", "record", *SPEAKERS), data="fsdd")
    write(args, *run(args.data, args.work, args.final, args.part))
