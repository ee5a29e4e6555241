"""Ask a paid endpoint that fails, kill the asking again and again, and count in the server's own log what was lost or asked twice.

    python benchmarks/paid_calls.py --calls 5000 --kills 30 --json work/paid_calls.json

The server (`chat_server.py`) is a process of its own, serves a linear model of the embedded shop over OpenAI's wire format, and fails one request in ten:
429 with Retry-After, 500, no answer in time, half an answer, invalid JSON, a wrong label, a slow answer. The client is limbeck's teacher of kind
openai in another process, which is killed with SIGKILL at random moments and started again by the same command.

calls_lost            answers that lay in the client's file at a kill and do not at the end, and texts without an answer
committed_repeated    requests for answers that lay in the client's file when its process started
most_repeats_a_kill   questions that the server had heard before a kill, whose answer was lost by it, and that were asked again; at most the
                      number in flight
rows_wrong            texts whose label is not what the model says
cost_error            the client's account of its tokens against those that the server charged, as a share
"""

from __future__ import annotations

import json
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from chat_server import linear_model
from harness import HERE, arguments, write
from limbeck import shop

CONCURRENCY = 8
CHILD = """
import json, sys
from limbeck.teachers.openai import Openai
from limbeck.types import Record

url, answers, source, out, concurrency = sys.argv[1:]
given = json.load(open(source, encoding="utf-8"))
settings = Openai.Settings("sorter", url, answers=answers, timeout=1.0, concurrency=int(concurrency), price_in=0.15, price_out=0.6)
teacher = Openai.load(settings)
teacher.discover([Record(t, t) for t in given["texts"]], given["labels"])
named = []
for start in range(0, len(given["texts"]), teacher.shard):
    logits = teacher.answer(given["texts"][start : start + teacher.shard], frozenset({"logits_BC"})).logits_BC
    named += [given["labels"][i] for i in logits.argmax(axis=1)]
spent = teacher.spent()
with open(out, "w", encoding="utf-8") as file:
    json.dump({"named": named, "tokens": spent.tokens_in + spent.tokens_out, "calls": spent.calls, "money": spent.money}, file)
"""


def rows_of(name: str) -> list[dict[str, str]]:
    """Rows of the embedded shop."""
    path = Path(str(shop.recipe()["data"][name]))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Server:
    """The endpoint in a process of its own."""

    def __init__(self, log: Path, faults: float) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{port}/v1", log
        data = str(shop.recipe()["data"]["train"])
        command = [sys.executable, str(HERE / "chat_server.py"), "--data", data, "--port", str(port), "--log", str(log)]
        self._process = subprocess.Popen([*command, "--faults", str(faults)])
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.url}/models", timeout=1).close()
                return
            except OSError:
                time.sleep(0.5)
        raise RuntimeError("the server did not start")

    def requests(self) -> list[dict[str, Any]]:
        """What it has heard so far."""
        if not self.log.is_file():
            return []
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def committed(answers: Path) -> set[str]:
    """The keys whose answer lies in the client's file."""
    if not answers.is_file():
        return set()
    connection = sqlite3.connect(answers)
    try:
        return {key for (key,) in connection.execute("SELECT key FROM answers")}
    except sqlite3.OperationalError:  # killed before it made its tables
        return set()
    finally:
        connection.close()


def measured(work: Path, count: int, kills: int) -> dict[str, Any]:
    """Ask, kill, ask again, and count."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    train, dice = rows_of("train"), random.Random(0)
    texts = list(dict.fromkeys(r["text"] for r in train))
    texts = [*texts, *(f"{t} please" for t in texts), *(f"hello, {t}" for t in texts)][:count]
    labels = sorted({r["label"] for r in train})
    source, answers, out = work / "texts.json", work / "answers.sqlite", work / "named.json"
    source.write_text(json.dumps({"texts": texts, "labels": labels}), encoding="utf-8")
    server = Server(work / "server.jsonl", faults=0.1)
    command = [sys.executable, "-c", CHILD, server.url, str(answers), str(source), str(out), str(CONCURRENCY)]
    ever, repeated, most, done, began = set[str](), 0, 0, 0, time.perf_counter()
    try:
        while True:
            heard, known = len(server.requests()), committed(answers)
            earlier = {r["key"] for r in server.requests()} - known
            child = subprocess.Popen(command)
            killed = False
            if done < kills:
                target = heard + dice.uniform(0.3, 1.0) * (len(texts) - len(known)) / (kills - done + 1)
                while child.poll() is None and len(server.requests()) < target:
                    time.sleep(0.05)
                time.sleep(dice.uniform(0.0, 0.1))
                killed = child.poll() is None
                child.kill()
            code = child.wait()
            if code != 0 and not killed:
                raise RuntimeError(f"the client ended with {code}")
            new = {r["key"] for r in server.requests()[heard:]}
            repeated += len(new & known)
            most = max(most, len(new & earlier))
            ever |= known | committed(answers)
            if not killed:
                break
            done += 1
            print(f"kill {done}: {len(committed(answers)):,} answers kept, {len(new & earlier)} asked again", file=sys.stderr)
    finally:
        server.stop()
    found = json.loads(out.read_text(encoding="utf-8"))
    model = linear_model([r["text"] for r in train], [r["label"] for r in train])
    truth = [max(p, key=p.__getitem__) for p in map(model, texts)]
    heard_all = server.requests()
    charged = sum(r["charged"]["total_tokens"] for r in heard_all if r["charged"])
    unanswered = len(ever - committed(answers)) + (len(texts) - len(found["named"]))
    return {
        "texts": len(texts),
        "kills": done,
        "requests": len(heard_all),
        "faults": sum(r["what"] != "ok" for r in heard_all),
        "calls_lost": unanswered,
        "committed_repeated": repeated,
        "most_repeats_a_kill": most,
        "in_flight": CONCURRENCY,
        "rows_wrong": sum(a != b for a, b in zip(truth, found["named"], strict=True)),
        "cost_error": abs(found["tokens"] - charged) / charged,
        "money": found["money"],
        "seconds": round(time.perf_counter() - began, 1),
    }


if __name__ == "__main__":
    args = arguments(__doc__ or "", ("all",), None, calls=5000, kills=30)
    write(args, measured(args.work / "paid_calls", args.calls, args.kills), {})
