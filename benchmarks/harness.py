"""What every benchmark shares: its arguments, the machine card, and how figures are written. Measures nothing itself."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from limbeck.verify.company import BUSY, Company

__all__ = ["BUSY", "CONTENDED", "HERE", "Company", "arguments", "machine", "write"]

HERE = Path(__file__).parent
CONTENDED = 5
"""Exit code of a benchmark whose figures other work on the machine has made void."""
WHOLE = Company()


def arguments(description: str, parts: tuple[str, ...], data: str | None = None, **more: float | Path) -> argparse.Namespace:
    """The arguments that all benchmarks take, and further numbers and paths by name and default. Without a name of `data` no data
    are asked for, and there is no test file to read."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=parts, default=parts[0])
    parser.add_argument("--work", type=Path, default=Path("work"), help="what can be reused is kept here")
    parser.add_argument("--json", type=Path, required=True, help="where the figures go")
    for name, value in more.items():
        parser.add_argument(f"--{name}", type=type(value) if isinstance(value, int | float) else Path, default=value)
    if data is None:
        parser.set_defaults(final=False)
        return parser.parse_args()
    place = HERE.parent.parent / "shared" / "data" / data
    parser.add_argument("--data", type=Path, default=place, help="folder of the data")
    parser.add_argument("--final", action="store_true", help="read the test file, once, and log it in benchmarks/final.log")
    found = parser.parse_args()
    if not found.data.is_dir():
        parser.error(
            f"there is no folder {found.data}; give --data DIR (see benchmarks/README.md for where the data comes from)"
        )
    return found


def handed_on(recipe: dict[str, Any], first: Path, out: Path) -> None:
    """Give a new run the fine-tuned teachers of another one, which takes them by their proof where it would train the same ones."""
    from limbeck.pipeline.data import read_data
    from limbeck.pipeline.teacher import load_teacher
    from limbeck.recipe import Recipe
    from limbeck.run import COMPLETE, open_run

    if out == first or (out / COMPLETE).exists():
        return
    with open_run(Recipe.read(recipe, values={"out": str(out)})) as run:
        load_teacher(run, read_data(run).splits)  # which settles the folder
    for teacher in first.glob("teacher*"):
        if teacher.name != "teacher-onnx":
            shutil.copytree(teacher, out / teacher.name, dirs_exist_ok=True)


def machine() -> dict[str, Any]:
    """The machine card."""
    import limbeck

    model = platform.processor()
    flags: set[str] = set()
    if Path("/proc/cpuinfo").is_file():
        lines = dict(
            line.split(":", 1) for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if ":" in line
        )
        card = {key.strip(): value.strip() for key, value in lines.items()}
        model, flags = card.get("model name", model), set(card.get("flags", "").split())
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "instruction_sets": sorted(flags & {"avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8"}),
        "others_share": round(WHOLE.share(), 4),
        "python": platform.python_version(),
        "limbeck": limbeck.__version__,
    }


def write(
    args: argparse.Namespace, figures: dict[str, Any], bundles: dict[str, str], void: dict[str, str] | None = None
) -> None:
    """Write the figures, and log a final reading of the test file.

    Args:
        args: what `arguments` gave.
        figures: by their keys.
        bundles: paths by their keys.
        void: figures that do not count, with the reason; they are left out, and where none is left the exit code is 5.
    """
    void = {key: reason for key, reason in (void or {}).items() if key in figures}
    figures = {key: value for key, value in figures.items() if key not in void}
    command = shlex.join(["python", *sys.argv])
    result = {"figures": figures, "void": void, "bundles": bundles, "machine": machine(), "command": command}
    for reason in sorted(set(void.values())):
        print(f"void, {reason}: {', '.join(key for key in void if void[key] == reason)}", file=sys.stderr)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))
    if args.final:
        name = Path(sys.argv[0]).stem
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE
        ).stdout.strip()
        line = {"date": time.strftime("%Y-%m-%d"), "commit": commit, "benchmark": name, "part": args.part, "figures": figures}
        with (HERE / "final.log").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
    if not figures:
        sys.exit(CONTENDED)
