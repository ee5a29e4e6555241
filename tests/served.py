"""An endpoint in a thread, over a real socket, and teachers that ask it; skips where its packages are not installed."""

import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from limbeck.types import Record
from samples import ROWS

for package in ("httpx2", "uvicorn", "starlette"):
    pytest.importorskip(package, reason="needs the extra api, and a server that comes with the extra dev")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

uvicorn = import_module("uvicorn")
chat_server = import_module("chat_server")  # what the benchmark serves too
Openai = import_module("limbeck.teachers.openai").Openai

TEXTS, LABELS = [t for t, _ in ROWS], sorted({y for _, y in ROWS})
RECORDS = [Record(t, t, y) for t, y in ROWS]


class Served:
    """A server in a thread, and teachers that ask it."""

    def __init__(self, folder: Path) -> None:
        self.chat = chat_server.ChatServer(chat_server.linear_model(TEXTS, [y for _, y in ROWS]), hang=3.0)
        config = uvicorn.Config(self.chat.app, port=0, log_level="critical", ws="none", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url, self._folder, self._teachers = f"http://127.0.0.1:{port}/v1", folder, []

    def teacher(self, found: bool = True, **more) -> Any:
        values = {
            "model": "sorter",
            "endpoint": self.url,
            "timeout": 60.0,
            "answers": str(self._folder / "answers.sqlite"),
            **more,
        }
        teacher = Openai(Openai.Settings(**values))
        self._teachers.append(teacher)
        if found:
            teacher.discover(RECORDS, LABELS)
        return teacher

    def expected(self, texts) -> list[str]:
        given = [self.chat.probabilities(t) for t in texts]
        return [max(p, key=p.__getitem__) for p in given]

    def asked(self) -> int:
        return len(self.chat.requests)

    def close(self) -> None:
        for teacher in self._teachers:
            teacher.close()
        self._server.should_exit = True
        self._thread.join(10)
