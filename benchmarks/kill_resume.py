"""Kill limbeck at random moments of every stage, run the same command again, and compare.

    python benchmarks/kill_resume.py --kills 30 --work work --json work/kill_resume.json

Real input: 500 rows of the embedded shop, all-MiniLM-L6-v2 fine-tuned (chosen on validation, trained again), labelled, distilled,
written, judged. Each process is killed with SIGKILL at a random moment of a stage; the stages take turns. When a run comes to its
end, its file is held against that of a run that nobody disturbed (`resume_identical`), and a new run begins.
`committed_repeated`: inputs that the teacher was asked for though their answer was in the store when the process started, counted
where the store's own code asks the teacher. `max_lost_shards_per_kill`: shards that were asked for and not committed at a kill.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

from harness import HERE, arguments, write
from limbeck import shop
from limbeck.bundle import sha256_of

STAGES = ("teacher", "signals", "student", "bundle", "verify")
ROWS, SHARD = 500, 256
CHILD = """
import json, sys
import limbeck
from limbeck.pipeline import teacher as stage
from limbeck.signals import teach

recipe, out, door, shard = sys.argv[1:]
teach.SHARD = int(shard)

class Door:
    def __init__(self, teacher):
        self._teacher = teacher

    def gives(self):
        return self._teacher.gives()

    def answer(self, payloads, needs):
        with open(door, "a", encoding="utf-8") as log:
            log.write(json.dumps(list(payloads)) + "\\n")
        return self._teacher.answer(payloads, needs)

asked = stage.teach
stage.teach = lambda teacher, store, views, needs: asked(Door(teacher), store, views, needs)

def progress(name, done, total, note):
    print(name, done, total, flush=True)

limbeck.distill(json.loads(recipe), out=out, progress=progress)
"""


def recipe(family: str) -> dict[str, Any]:
    """A small run that has all stages."""
    data = HERE.parent / "work" / "kill_resume_rows.jsonl"
    if not data.is_file():
        data.parent.mkdir(exist_ok=True)
        rows = Path(str(shop.recipe()["data"]["train"])).read_text(encoding="utf-8").splitlines()
        data.write_text("\n".join(random.Random(0).sample(rows, ROWS)) + "\n", encoding="utf-8")
    return {
        "data": {"train": str(data), "test_share": 0.2, "valid_share": 0.2},
        "teacher": {"fine_tune": {"epochs": 2, "frozen_layers": 3}},
        "views": {"per_record": 4},
        "student": {"family": family},
        "training": {"epochs": 6 if family == "bag" else 2},
        "checkpoint_seconds": 1.0,
        "verify": {"cross_fit_below": 0},  # ten more trainings, of the same stages
    }


class Attempt:
    """One process, watched through what it prints."""

    def __init__(self, family: str, out: Path, door: Path) -> None:
        arguments = [json.dumps(recipe(family)), str(out), str(door), str(SHARD)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def killed(self, stage: str, wait: float) -> bool:
        """Whether it was killed `wait` seconds after it first spoke of a stage; False when it came to its end before."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.split()[0] == stage:
                break
        time.sleep(wait)
        self._process.kill()
        code = self._process.wait()
        if code not in (0, -9):
            raise RuntimeError(self._process.stderr.read() if self._process.stderr else "")
        return code != 0

    def finished(self) -> dict[str, float]:
        """Let it come to its end; seconds from the first to the last word of each stage."""
        assert self._process.stdout is not None
        spoken: dict[str, list[float]] = {}
        for line in self._process.stdout:
            spoken.setdefault(line.split()[0], []).append(time.perf_counter())
        if self._process.wait() != 0:
            raise RuntimeError(self._process.stderr.read() if self._process.stderr else "")
        return {stage: times[-1] - times[0] for stage, times in spoken.items()}


def committed(out: Path, payloads: set[str]) -> set[str]:
    """Which of the payloads have an answer in the store."""
    from limbeck.signals.store import SignalStore, is_store

    folder = out / "signals"
    if not payloads or not is_store(folder):
        return set()
    return payloads - set(SignalStore.at(folder).missing(sorted(payloads), frozenset({"logits_BC"})))


def asked(door: Path) -> list[list[str]]:
    """What the teacher was asked, a shard a line."""
    return [json.loads(line) for line in door.read_text(encoding="utf-8").splitlines()] if door.is_file() else []


def disturbed(work: Path, kills: int, families: tuple[str, ...]) -> dict[str, Any]:
    """Kill, start again, compare, until there were enough kills and the last run is at its end."""
    dice = random.Random(1)
    whole, lasting = {}, {}
    for family in families:
        out = work / f"whole-{family}"
        shutil.rmtree(out, ignore_errors=True)
        lasting[family] = Attempt(family, out, work / f"whole-{family}.log").finished()
        whole[family] = sha256_of(out / "bundle" / "model.onnx")
    print("undisturbed, seconds by stage:", lasting, file=sys.stderr)
    done, compared, repeated, lost = 0, 0, 0, 0
    identical, by_stage = True, dict.fromkeys(STAGES, 0)
    stages, turn = cycle(STAGES), cycle(families)
    while done < kills or not compared:
        family = next(turn)
        out, door = work / f"killed-{compared}", work / f"killed-{compared}.log"
        shutil.rmtree(out, ignore_errors=True)
        door.unlink(missing_ok=True)
        while True:
            before = asked(door)
            known = committed(out, {p for shard in before for p in shard})
            attempt = Attempt(family, out, door)
            stage = next(stages)
            killed = done < kills and attempt.killed(stage, dice.uniform(0.0, lasting[family].get(stage, 0.0) + 0.2))
            if not killed:
                attempt.finished()
            new = asked(door)[len(before) :]
            repeated += len(known & {p for shard in new for p in shard})
            if not killed:
                break
            done, by_stage[stage] = done + 1, by_stage[stage] + 1
            now = committed(out, {p for shard in new for p in shard})
            lost = max(lost, sum(not set(shard) <= now for shard in new))
            print(f"kill {done} in {stage}: {len(new)} shards asked", file=sys.stderr)
        identical = identical and sha256_of(out / "bundle" / "model.onnx") == whole[family]
        compared += 1
        print(f"run {compared} ({family}) ended; identical so far: {identical}", file=sys.stderr)
    return {
        "kills": done,
        "runs_compared": compared,
        "resume_identical": identical,
        "committed_repeated": repeated,
        "max_lost_shards_per_kill": lost,
        **{f"kills_{stage}": count for stage, count in by_stage.items()},
    }


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("bag", "encoder", "both"), None, kills=30)
    parts = ("bag", "encoder") if args.part == "both" else (args.part,)
    folder = args.work / "kill_resume"
    folder.mkdir(parents=True, exist_ok=True)
    write(args, disturbed(folder, args.kills, parts), {})
