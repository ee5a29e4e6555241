"""Bundles that must not open: hostile ones by name, and a good one with its bytes changed at random. Needs no data.

    python benchmarks/hostile_bundles.py --json work/hostile.json [--mutations 100000] [--resealed 5000]

Hostile: every case of the files hostile_*.py, its hashes made right where an attacker would, must be refused with an
error of limbeck's whose message names what is wrong. Mutations: bits, bytes, ends, insertions, chunks doubled, swapped or lost, in any
file of the folder, in the zip form, and in signed bundles that are loaded with a key; hashes are left as they are, and all must be
refused, by name, by `Bundle.open`, which parses nothing but the manifest. Resealed: the model file changed at random or rebuilt by the onnx
package, after which an attacker makes all hashes right; with a key all must be refused; without one a change of a weight may pass, but nothing may crash.
Hostile and resealed bundles are loaded in child processes of 4 GB, so that a crash of a library is counted and not suffered.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hostile_archives as archives_and_keys
import hostile_cases as cases
import hostile_models as models
import hostile_specs  # noqa: F401  registers its cases
from harness import arguments, write
from limbeck.bundle import Bundle
from limbeck.errors import LimbeckError
from limbeck.runtime.predict import load

MEMORY = 4 * 2**30
PATIENCE = 60
"""Seconds that one attempt may take before it is ended and counts as a crash."""
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files are changed a hundred thousand times."""
OUTCOMES = ("refused", "unnamed", "accepted", "crashed")
"""Refused with an error that names the file; refused without; not refused; ended by another error or by a signal."""
SLOW = 2.0
"""Seconds within which a hostile bundle must be refused."""


KINDS = ("bit", "byte", "truncated", "inserted", "removed", "doubled", "swapped", "zeroed")


def mutated(data: bytes, dice: random.Random) -> tuple[str, bytes]:
    """A kind of change and the changed bytes, which are never the same bytes."""
    while True:
        kind = dice.choice(KINDS)
        if (changed := _changed(kind, data, dice)) != data:
            return kind, changed


def _changed(kind: str, data: bytes, dice: random.Random) -> bytes:
    at, length = dice.randrange(len(data)), dice.choice((1, 2, 4, 8, 64, 512))
    before, chunk, behind = data[:at], data[at : at + length], data[at + length :]
    match kind:
        case "bit":
            return before + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
        case "byte":
            return before + bytes([dice.randrange(256)]) + data[at + 1 :]
        case "truncated":
            return before
        case "inserted":
            return before + dice.randbytes(length) + data[at:]
        case "removed":
            return before + behind
        case "doubled":
            return before + chunk + data[at:]
        case "zeroed":
            return before + bytes(len(chunk)) + behind
    other = dice.randrange(len(behind) + 1)  # swapped with a chunk behind it
    return before + behind[other : other + length] + behind[:other] + chunk + behind[other + length :]


# --- mutations without new hashes -------------------------------------------------------------------------------


def mutations(count: int, seed: int) -> Counter[str]:
    """How often mutations of each kind were refused, and by what else they ended."""
    found: Counter[str] = Counter()
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as place:
        signed, public = archives_and_keys.signed(Path(place))
        forms: list[tuple[str, dict[str, bytes], Path | None]] = [
            ("folder", cases.good(), None),
            ("numpy folder", cases.good("numpy"), None),
            ("signed folder", dict(Bundle.open(signed).content), public),
        ]
        folders = []
        for name, content, key in forms:
            (Path(place) / name).mkdir()
            folders.append((name, cases.write(Path(place) / name, content), content, key))
        archives = [
            ("zip", archives_and_keys.zipped(cases.good()), None),
            ("signed zip", archives_and_keys.zipped(forms[2][1]), public),
        ]
        for _ in range(count):
            if dice.random() < 0.6:
                form, folder, content, key = dice.choice(folders)
                outcome = _in_folder(folder, content, key, dice)
            else:
                form, archive, key = dice.choice(archives)
                kind, changed = mutated(archive, dice)
                outcome = kind, _refusal(lambda data=changed, key=key: Bundle.from_zip(data, "bundle.zip", key), "bundle.zip")
            found[outcome[1]] += 1
            found[f"{outcome[1]} by form: {form}"] += 1
            found[f"{outcome[1]} by change: {outcome[0]}"] += 1
    return found


def _in_folder(folder: Path, content: dict[str, bytes], key: Path | None, dice: random.Random) -> tuple[str, str]:
    name = dice.choice(sorted(content))
    kind, changed = mutated(content[name], dice)
    file = folder / name
    file.write_bytes(changed)
    try:
        return kind, _refusal(lambda: Bundle.open(folder, key), name)
    finally:
        file.write_bytes(content[name])


def _refusal(attempt: Callable[[], object], name: str) -> str:
    try:
        attempt()
    except LimbeckError as error:
        return "refused" if name in str(error) else "unnamed"
    except Exception:
        return "crashed"
    return "accepted"


# --- children ------------------------------------------------------------------------------------------------------


def child(what: str, numbers: Iterator[int], seed: int) -> None:
    """Print the number of each attempt before it, and its outcome after it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    attempt = {"hostile": _hostile, "resealed": _resealed}[what]
    for number in numbers:
        print(json.dumps({"begun": number}), flush=True)
        signal.alarm(PATIENCE)  # its default is to end the process, whatever a library is doing
        print(json.dumps({"number": number, **attempt(number, seed)}), flush=True)


def _hostile(number: int, seed: int) -> dict[str, Any]:
    del seed
    case = list(cases.CASES.values())[number]
    with tempfile.TemporaryDirectory() as place:
        path, options = case.make(Path(place))
        began = time.perf_counter()
        try:
            load(path, **options)
            outcome, message = "accepted", ""
        except LimbeckError as error:
            message = str(error)
            outcome = "refused" if re.search(case.names, message, re.DOTALL) else "unnamed"
        except BaseException as error:
            outcome, message = "crashed", f"{type(error).__name__}: {error}"
        return {"outcome": outcome, "name": case.name, "message": message[:300], "seconds": time.perf_counter() - began}


def _resealed(number: int, seed: int) -> dict[str, Any]:
    dice = random.Random(seed * 1_000_003 + number)
    kind, changed = resealed_model(number, dice)
    content = cases.resealed({"model.onnx": changed})
    began = time.perf_counter()
    outcome = _refusal(lambda: _answer(Bundle.from_zip(archives_and_keys.zipped(content))), "")
    return {"outcome": outcome, "name": kind, "message": "", "seconds": time.perf_counter() - began}


def resealed_model(number: int, dice: random.Random) -> tuple[str, bytes]:
    """In turn: bytes changed at random, and a well-formed model of another structure."""
    return mutated(cases.good()["model.onnx"], dice) if number % 2 else models.restructured(dice)


def _answer(bundle: Bundle) -> None:
    from limbeck.runtime.predict import Predictor

    try:
        predictor = Predictor(bundle)
    except MemoryError as error:
        raise RuntimeError("a memory bomb") from error
    predictor.predict(["hello what is it ?", ""])


def in_children(what: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Outcomes of all attempts; a child that dies or hangs is a crash of the attempt it had begun, and another goes on behind it."""
    found: list[dict[str, Any]] = []
    environment = {**os.environ, "RUST_BACKTRACE": "0", "TOKENIZERS_PARALLELISM": "false"}
    while len(found) < count:
        command = [sys.executable, __file__, "--child", what, str(len(found)), str(count), str(seed)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        assert process.stdout is not None
        begun = None
        for line in process.stdout:
            said = json.loads(line)
            begun = said.get("begun", begun)
            if "outcome" in said:
                found.append(said)
                begun = None
        code = process.wait()
        if code or len(found) < count:
            found.append({"outcome": "crashed", "name": f"{what} {begun}", "message": f"exit code {code}", "seconds": 0.0})
    return found[:count]


def with_key(count: int, seed: int) -> Counter[str]:
    """How resealed bundles that keep the old signature end where a key is given."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        signed, public = archives_and_keys.signed(Path(place))
        signature = (signed / "manifest.sig").read_bytes()
        for number in range(count):
            _, changed = resealed_model(number, random.Random(seed * 1_000_003 + number))
            data = archives_and_keys.zipped({**cases.resealed({"model.onnx": changed}), "manifest.sig": signature})
            found[
                _refusal(lambda data=data: Bundle.from_zip(data, "bundle.zip", public), "manifest.sig is not a signature")
            ] += 1
    return found


def main(count: int, resealed: int, seed: int) -> dict[str, float]:
    """All figures."""
    began = time.perf_counter()
    found = mutations(count, seed)
    figures: dict[str, float] = {
        "mutations": sum(found[outcome] for outcome in OUTCOMES),
        "accepted": found["accepted"],
        "crashes": found["crashed"],
        "refused_without_a_name": found["unnamed"],
        "mutation_seconds": time.perf_counter() - began,
    }
    figures |= {re.sub(r"\W+", "_", key): number for key, number in sorted(found.items()) if ":" in key}
    hostile = in_children("hostile", len(cases.CASES), seed)
    again = in_children("resealed", resealed, seed)
    keyed = with_key(resealed, seed)
    for bad in [h for h in hostile if h["outcome"] != "refused" or h["seconds"] > SLOW]:
        print(f"{bad['outcome']}: {bad['name']} ({bad['seconds']:.1f} s) {bad['message']}", file=sys.stderr)
    for bad in [a for a in again if a["outcome"] == "crashed"]:
        print(f"crashed: {bad['name']} {bad['message']}", file=sys.stderr)
    figures |= {
        "hostile": len(hostile),
        "hostile_refused_by_name": sum(h["outcome"] == "refused" for h in hostile),
        "hostile_slowest_seconds": max(h["seconds"] for h in hostile),
        "resealed": len(again),
        "resealed_refused": sum(a["outcome"] == "refused" for a in again),
        "resealed_that_still_answer": sum(a["outcome"] == "accepted" for a in again),
        "resealed_slowest_seconds": max(a["seconds"] for a in again),
        "resealed_with_key": sum(keyed.values()),
        "resealed_with_key_refused": keyed["refused"],
    }
    figures["accepted"] += sum(h["outcome"] == "accepted" for h in hostile) + keyed["accepted"]
    figures["crashes"] += sum(x["outcome"] == "crashed" for x in (*hostile, *again)) + keyed["crashed"]
    figures["refused_without_a_name"] += sum(h["outcome"] == "unnamed" for h in hostile) + keyed["unnamed"]
    figures["seconds"] = time.perf_counter() - began
    return figures


if __name__ == "__main__":
    if "--child" in sys.argv:
        _, _, _what, _first, _count, _seed = sys.argv
        child(_what, iter(range(int(_first), int(_count))), int(_seed))
    else:
        args = arguments(__doc__ or "", ("all",), mutations=100_000, resealed=5_000, seed=1)
        write(args, main(args.mutations, args.resealed, args.seed), {})
