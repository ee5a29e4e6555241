"""The base install alone: does a bundle answer without torch and onnx, how soon, and in how much memory? Needs no data.

    python benchmarks/base_install.py --json work/base_install.json [--bundle DIR] [--starts 30]

Makes a virtual environment below --work and installs this repository into it, without extras, by constraints.txt (kept and used again
while neither changes). A new process then loads the bundle, in folder form, and answers one text; its time counts from the fork to the
first answer, and its peak memory is what the kernel says of the process (VmHWM). Without --bundle a small one is made.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness import BUSY, Company, write

ROOT = Path(__file__).resolve().parent.parent
ABSENT = ("torch", "onnx", "transformers", "pyarrow", "safetensors")
ANSWER = (
    "import sys, limbeck; limbeck.load(sys.argv[1]).predict(['I lost my card']); import time; print(time.time())\n"
    "if sys.platform == 'linux':\n"
    "    with open('/proc/self/status') as file: print(next(line.split()[1] for line in file if line.startswith('VmHWM')))"
)
LOADED = (
    "import sys, limbeck; limbeck.load(sys.argv[1]).predict(['I lost my card'])\n"
    "import importlib.util, json\n"
    "print(json.dumps({'modules': sorted(sys.modules), 'there': [m for m in sys.argv[2:] if importlib.util.find_spec(m)]}))"
)


def environment(work: Path) -> Path:
    """The python of an environment that holds the base install and nothing else."""
    sources = sorted((ROOT / "src").rglob("*.py"))
    state = hashlib.sha256(
        b"".join(p.read_bytes() for p in (ROOT / "pyproject.toml", ROOT / "constraints.txt", *sources))
    ).hexdigest()
    folder, stamp = work / "base-install", work / "base-install" / "installed"
    python = folder / "bin" / "python"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != state:
        venv.create(folder, with_pip=True, clear=True)
        command = [
            python,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            "--constraint",
            "constraints.txt",
            ".",
        ]
        subprocess.run(command, check=True, cwd=ROOT)
        stamp.write_text(state, encoding="utf-8")
    return python


@dataclass(frozen=True)
class Start:
    """One new process: seconds from the fork to the first answer, seconds of a core that it took, and its peak in 10^6 bytes."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def started(command: list[str], clean: dict[str, str]) -> Start:
    """Start a process and measure it."""
    began = time.time()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=clean)
    assert process.stdout is not None
    answered, *peak_kb = map(float, process.stdout.read().split())
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    # ru_maxrss only where there is nothing else: Linux hands a parent's peak down through fork and exec.
    peak = peak_kb[0] * 1024 if peak_kb else used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Start(answered - began, used.ru_utime + used.ru_stime, peak / 1e6)


def main(bundle: Path, work: Path, starts: int) -> tuple[dict[str, float], dict[str, str]]:
    """Figures, and those that do not count, with the reason."""
    python = str(environment(work))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run([python, "-c", LOADED, str(bundle), *ABSENT], check=False, capture_output=True, text=True, env=clean)
    if done.returncode:
        raise SystemExit(f"the base install does not answer with {bundle}:\n{done.stderr}")
    found = json.loads(done.stdout)
    assert not found["there"], f"the base install holds {found['there']}"
    loaded = {name.split(".")[0] for name in found["modules"]}
    every, shares = [], []
    for _ in range(starts):
        company = Company()
        every.append(started([python, "-c", ANSWER, str(bundle)], clean))
        shares.append(company.share())
    quiet = [start.seconds for start, share in zip(every, shares, strict=True) if share <= BUSY]
    seconds = [start.seconds for start in every]
    figures: dict[str, float] = {
        "peak_mb": max(start.peak_mb for start in every),
        "cpu_seconds_to_first_answer": float(np.median([start.cpu_seconds for start in every])),
        "seconds_to_first_answer": float(np.median(quiet or seconds)),
        "seconds_to_first_answer_least": min(seconds),
        "seconds_to_first_answer_p95": float(np.percentile(quiet or seconds, 95)),
        "starts": starts,
        "starts_on_a_quiet_machine": len(quiet),
        "others_share_median": float(np.median(shares)),
        "torch_or_onnx_installed": len(found["there"]),
        "pydantic_loaded": int("pydantic" in loaded),
        "modules_loaded": len(found["modules"]),
        "bundle_bytes": sum(p.stat().st_size for p in bundle.iterdir()),
    }
    void = {}
    if len(quiet) < starts / 4:
        reason = f"other work took more than {BUSY:.0%} of the cores during {starts - len(quiet)} of {starts} starts"
        void = {key: reason for key in figures if key.startswith("seconds_")}
    return figures, void


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("all",), default="all")
    parser.add_argument("--work", type=Path, default=Path("work"), help="the environment is kept here")
    parser.add_argument("--json", type=Path, required=True, help="where the figures go")
    parser.add_argument("--bundle", type=Path, help="the folder of a bundle")
    parser.add_argument("--starts", type=int, default=30, help="how many new processes")
    parser.set_defaults(final=False)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    chosen = args.bundle
    if chosen is None:
        import shutil

        from hostile_cases import good
        from hostile_cases import write as written

        place = args.work.resolve() / "base-install-bundle"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        chosen = written(place, good())
    measured, not_counted = main(chosen.resolve(), args.work.resolve(), args.starts)
    write(args, measured, {"bundle": str(chosen)}, not_counted)
