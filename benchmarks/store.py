"""The signal store from 10^4 to 10^7 rows: how fast it is written and read, how large it is, and that its memory does not grow.

    python benchmarks/store.py --json work/store.json [--work work] [--rows 10000,100000,1000000,10000000]

A row is what a teacher says of one text about 77 classes (float32, 308 bytes). Each phase is a process of its own: `write` commits
shards of 1,024 rows, each of which has reached the disk before the next is made; `open` opens the store; `read` asks for all rows in
order and `draw` for rows drawn at random (as many as there are, 200,000 at most), 4,096 at once, from texts to arrays. A shard's sha256
is checked when the process first touches it, and that is in the times. The files were written just before, so the system has them in
its cache. Every row that is read is compared with what was written. Beside the rows a second stand the microseconds that a core worked
for a row, which other work on the machine changes little. Memory is the peak of the process's resident set (VmHWM: mapped
pages count), and beside it the largest share of it that no file backs (RssAnon, looked at after each batch). The peer is a table of
SQLite: key and blob, write-ahead log, on the disk after each 1,024 rows, up to --peer-rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness import BUSY, Company, write

CLASSES, SHARD, BATCH, DRAWS = 77, 1024, 4096, 200_000
PHASES = ("write", "open", "read", "draw")
NEEDS = frozenset({"logits_BC"})


class Ours:
    """limbeck's store."""

    def __init__(self, folder: Path) -> None:
        from limbeck.signals.store import SignalStore

        self._store = SignalStore(folder, {"weights": "benchmark"})

    def put(self, texts: list[str], logits_BC: Any) -> None:
        from limbeck.types import Signal

        self._store.commit(texts, Signal(logits_BC=logits_BC))

    def get(self, texts: list[str]) -> Any:
        return self._store.get(texts, NEEDS).logits_BC

    def __len__(self) -> int:
        return len(self._store)


class Sqlite:
    """The same in a table of SQLite."""

    def __init__(self, folder: Path) -> None:
        import sqlite3

        folder.mkdir(exist_ok=True)
        self._base = sqlite3.connect(folder / "signals.sqlite")
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        self._base.execute("CREATE TABLE IF NOT EXISTS signals (key BLOB PRIMARY KEY, logits BLOB) WITHOUT ROWID")

    def _key(self, text: str) -> bytes:
        from hashlib import sha256

        return sha256(b"benchmark\n" + text.encode()).digest()

    def put(self, texts: list[str], logits_BC: Any) -> None:
        rows = [(self._key(text), row.tobytes()) for text, row in zip(texts, logits_BC, strict=True)]
        with self._base:
            self._base.executemany("INSERT OR IGNORE INTO signals VALUES (?, ?)", rows)

    def get(self, texts: list[str]) -> Any:
        import numpy as np

        keys = [self._key(text) for text in texts]
        marks = ",".join("?" * len(keys))
        found = dict(self._base.execute(f"SELECT key, logits FROM signals WHERE key IN ({marks})", keys))
        return np.frombuffer(b"".join(found[key] for key in keys), np.float32).reshape(len(keys), -1)

    def __len__(self) -> int:
        return int(self._base.execute("SELECT count(*) FROM signals").fetchone()[0])


KINDS: dict[str, Callable[[Path], Any]] = {"limbeck": Ours, "sqlite": Sqlite}


def text(number: int) -> str:
    return f"where is the money of order {number}?"


def status(key: str) -> int:
    """A figure of this process from the system, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def batches(phase: str, rows: int) -> Iterator[Any]:
    """The numbers of the rows of each batch."""
    import numpy as np

    generator = np.random.default_rng(0)
    count, size = (rows, SHARD if phase == "write" else BATCH) if phase != "draw" else (min(rows, DRAWS), BATCH)
    for start in range(0, count, size):
        some = np.arange(start, min(start + size, count))
        yield generator.integers(0, rows, len(some)) if phase == "draw" else some


def run_phase(phase: str, kind: str, folder: Path, rows: int) -> dict[str, float]:
    """One phase in this process: rows, seconds, and bytes of memory."""
    import numpy as np

    base_BC = np.random.default_rng(1).normal(size=(SHARD, CLASSES)).astype(np.float32)
    began = time.perf_counter()
    store = KINDS[kind](folder)
    opened = time.perf_counter() - began
    done, anonymous = 0, status("RssAnon")
    began, worked = time.perf_counter(), time.process_time()
    for numbers in batches(phase, rows) if phase != "open" else ():
        texts = [text(n) for n in numbers.tolist()]
        if phase == "write":
            base_BC[: len(numbers), 0] = numbers
            store.put(texts, base_BC[: len(numbers)])
        else:
            logits_BC = store.get(texts)
            assert (logits_BC[:, 0] == numbers.astype(np.float32)).all()
            assert (logits_BC[:, 1:] == base_BC[numbers % SHARD, 1:]).all()
        done += len(numbers)
        anonymous = max(anonymous, status("RssAnon"))
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    if phase == "open":
        assert len(store) == rows
    return {"rows": done, "open": opened, "seconds": seconds, "worked": worked, "peak": status("VmHWM"), "anonymous": anonymous}


def measure(kind: str, folder: Path, rows: int) -> tuple[dict[str, float], dict[str, str]]:
    """All phases for a number of rows: figures and which of them are void."""
    figures: dict[str, float] = {}
    void: dict[str, str] = {}
    mark = "" if kind == "limbeck" else f"{kind}_"
    for phase in PHASES:
        company = Company()
        command = [sys.executable, __file__, "--phase", phase, kind, str(folder), str(rows)]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        if phase == "open":
            times = {f"{mark}seconds_to_open_{rows}": found["open"]}
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            figures |= {f"{mark}bytes_per_row_{rows}": size / rows, f"{mark}bytes_ratio_{rows}": size / (4 * CLASSES * rows)}
        else:
            times = {f"{mark}{phase}_rows_per_second_{rows}": found["rows"] / found["seconds"]}
            figures[f"{mark}{phase}_core_us_per_row_{rows}"] = 1e6 * found["worked"] / found["rows"]
        figures |= times
        figures |= {
            f"{mark}{phase}_peak_bytes_{rows}": found["peak"],
            f"{mark}{phase}_anonymous_bytes_{rows}": found["anonymous"],
        }
        if (share := company.share()) > BUSY:
            void |= dict.fromkeys(times, f"since others took {share:.0%} of the cores then")
        print(f"{kind} {phase} {rows:,}: {found}, others {share:.0%}", file=sys.stderr)
    shutil.rmtree(folder)
    return figures, void


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("work"), help="where the store lies while it is measured")
    parser.add_argument("--json", type=Path, required=True, help="where the figures go")
    parser.add_argument("--rows", default="10000,100000,1000000,10000000", help="how many rows, several times")
    parser.add_argument("--peer-rows", type=int, default=1_000_000, help="how many rows the peer is given at most")
    args = parser.parse_args()
    args.final = False  # there is no test file
    sizes = sorted(int(size) for size in args.rows.split(","))
    folder = args.work / "store-benchmark"
    shutil.rmtree(folder, ignore_errors=True)
    args.work.mkdir(parents=True, exist_ok=True)
    figures: dict[str, float] = {}
    void: dict[str, str] = {}
    for kind, most in (("limbeck", sizes[-1]), ("sqlite", args.peer_rows)):
        for rows in sizes:
            if rows <= most:
                found, lost = measure(kind, folder, rows)
                figures |= found
                void |= lost
    for phase in PHASES:
        for what in ("peak", "anonymous"):
            first, last = (figures[f"{phase}_{what}_bytes_{rows}"] for rows in (sizes[0], sizes[-1]))
            figures[f"{what}_memory_growth_{phase}"] = last / first
    figures["peak_memory_growth"] = max(figures[f"peak_memory_growth_{phase}"] for phase in PHASES)
    for rows in (rows for rows in sizes if rows <= args.peer_rows):
        for phase in ("write", "read", "draw"):
            key = f"{phase}_rows_per_second_{rows}"
            figures[f"{phase}_ratio_to_sqlite_{rows}"] = figures[key] / figures[f"sqlite_{key}"]
            if lost := void.keys() & {key, f"sqlite_{key}"}:
                void[f"{phase}_ratio_to_sqlite_{rows}"] = void[min(lost)]
    write(args, figures, {}, void)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--phase"]:
        phase, kind, folder, rows = sys.argv[2:]
        json.dump(run_phase(phase, kind, Path(folder), int(rows)), sys.stdout)
    else:
        main()
