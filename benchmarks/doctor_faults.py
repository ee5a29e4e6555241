"""What share of planted faults `limbeck doctor` names, and what it says of healthy runs.

    python benchmarks/doctor_faults.py --work work/doctor --json work/doctor.json [--faults FILE]

Needs no data. The first call trains small teachers on the embedded shop and keeps them in --work. A planted fault is caught if a refusal
or a warning has the code that names it; a false alarm is a healthy run with any refusal or warning. Notes count nowhere. --faults takes a
module of further faults instead (benchmarks/doctor_cases.py says what it may hold): there each refusal or warning that the healthy run has
not counts, and each code that a fault names itself.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doctor_cases import Case, Fault, from_module, healthy, planted, teachers
from doctor_planted import FAULTS
from doctor_unseen import UNSEEN
from harness import write
from limbeck.findings import Checkup, Severity

# --- ten runs that nothing is wrong with ------------------------------------------------------------------------


def _untouched(case: Case) -> None:
    del case


def _every(number: int, offset: int = 0) -> Callable[[Case], None]:
    def thin(case: Case) -> None:
        case.train, case.test = case.train[offset::number], (case.test or [])[offset::number]

    return thin


def _no_test_file(case: Case) -> None:
    case.test = None


def _few_labels(case: Case) -> None:
    case.train = [{**r, "label": None} if i % 4 else r for i, r in enumerate(case.train)]


def _no_labels(case: Case) -> None:
    case.train, case.test = [{"text": r["text"]} for r in case.train], None
    case.recipe["data"] = {"label": None}


def _typed_small(case: Case) -> None:
    case.train = [{**r, "text": r["text"].lower().rstrip(".!?")} for r in case.train]


def _as_logs_are(case: Case) -> None:
    """A few copies, one contradiction, a decoding error, a class with fewer rows than others."""
    dice = random.Random(3)
    case.train = [r for r in case.train if r["label"] != "stock" or dice.random() < 0.4]
    case.train += [
        *case.train[:40],
        {**case.train[50], "label": "track_order"},
        {"text": "where is it \ufffd", "label": "track_order"},
    ]


def _student(**settings: Any) -> Callable[[Case], None]:
    def name(case: Case) -> None:
        case.recipe["student"] = settings

    return name


def _by_states(case: Case) -> None:
    case.recipe["objectives"] = {"logit_mse": {}, "hidden_states": {}}
    case.recipe["seed"] = 5


HEALTHY: dict[str, tuple[dict[str, bool], Callable[[Case], None]]] = {
    "as it is": ({}, _untouched),
    "a fifth held out": ({}, _no_test_file),
    "200 rows": ({}, _every(6)),
    "400 rows, a teacher trained in haste": ({"hasty": True}, _every(3, 1)),
    "a backbone without a head": ({"backbone": True}, _untouched),
    "few labels": ({}, _few_labels),
    "no labels": ({}, _no_labels),
    "small letters": ({}, _typed_small),
    "as logs are": ({}, _as_logs_are),
    "conv_text": ({}, _student(family="conv_text")),
    "encoder": ({"backbone": True}, _student(family="encoder", layers=1)),
    "hidden states": ({}, _by_states),
}


def examined(work: Path, case: Case) -> tuple[Checkup | None, float]:
    """What the doctor found in how many seconds; None where it crashed. The case's folder is removed."""
    start = time.perf_counter()
    try:
        return case.examined(), time.perf_counter() - start
    except Exception:
        traceback.print_exc()
        return None, time.perf_counter() - start
    finally:
        shutil.rmtree(work / "case", ignore_errors=True)


def grave(checkup: Checkup | None) -> set[str]:
    """The codes of refusals and warnings."""
    return set() if checkup is None else {f.code for f in checkup.findings if f.severity is not Severity.NOTE}


def judged(work: Path, faults: list[Fault], usual: set[str] | None) -> dict[str, dict[str, Any]]:
    """Each fault with what was found. `usual`: the codes of the healthy run, where any other counts; None: only the right ones do."""
    found = {}
    for fault in faults:
        error = ""
        try:
            checkup, seconds = examined(work, planted(fault, healthy(work, work / "case")))
        except Exception as wrong:  # a fault that cannot be planted is not caught
            checkup, seconds, error = None, 0.0, f"{type(wrong).__name__}: {wrong}"
            shutil.rmtree(work / "case", ignore_errors=True)
        codes = grave(checkup)
        any_code = {f.code for f in checkup.findings} if checkup and usual is not None else codes
        caught = bool(set(fault.codes) & any_code) or (usual is not None and bool(codes - usual))
        found[fault.name] = {
            "caught": caught,
            "expected": list(fault.codes),
            "found": sorted(codes),
            "seconds": round(seconds, 1),
        }
        if error:
            found[fault.name]["error"] = error
        print(
            f"{'caught' if caught else 'MISSED':<7} {seconds:5.1f} s  {fault.name}: {', '.join(sorted(codes)) or error or '-'}",
            file=sys.stderr,
        )
    return found


def measure(work: Path, faults: Path | None) -> dict[str, Any]:
    """All figures."""
    teachers(work)
    alarms, usual, seconds = {}, set[str](), []
    for name, (how, change) in HEALTHY.items():
        case = healthy(work, work / "case", **how)
        change(case)
        checkup, took = examined(work, case)
        seconds.append(took)
        codes = grave(checkup) if checkup is not None else {"crashed"}
        usual |= codes if name == "as it is" else set()
        if codes:
            alarms[name] = sorted(codes)
        print(f"healthy {took:5.1f} s  {name}: {', '.join(sorted(codes)) or 'nothing'}", file=sys.stderr)
    found = judged(work, [*FAULTS, *UNSEEN], None) if faults is None else judged(work, from_module(faults), usual)
    caught = sum(f["caught"] for f in found.values())
    return {
        "share_caught": round(caught / len(found), 4),
        "faults": len(found),
        "missed": [name for name, f in found.items() if not f["caught"]],
        "false_alarms": len(alarms),
        "healthy_runs": len(HEALTHY),
        "alarms": alarms,
        "seconds_median": round(sorted(seconds)[len(seconds) // 2], 1),
        "each": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("work/doctor"), help="the small teachers are kept here")
    parser.add_argument("--json", type=Path, default=None, help="where the figures go")
    parser.add_argument("--faults", type=Path, default=None, help="a Python module of further faults")
    args = parser.parse_args()
    args.work = args.work.resolve()
    shutil.rmtree(args.work / "case", ignore_errors=True)
    figures = measure(args.work, args.faults)
    if args.json is None:
        print(json.dumps({k: v for k, v in figures.items() if k != "each"}, indent=1))
        return
    args.final = False
    write(args, figures, {})


if __name__ == "__main__":
    main()
