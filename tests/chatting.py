"""A chat page over a real socket, before a model that is a few words long; its mood can be spoiled. Needs the extra serve."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

from limbeck import shop
from limbeck.serve.answer import Answer, Answers
from limbeck.serve.chat import Chat
from limbeck.serve.counts import Counts
from limbeck.serve.live import Live
from limbeck.serve.replies import of
from limbeck.serve.reply import Refusal

WORDS = {"parcel": "track_order", "mug": "item_damaged", "instalments": "payment_methods", "robot": "human_agent"}
LABELS = [label for label in shop.replies() if label != "out_of_scope"]


class Server:
    """A server in a thread; its address is known before its routes are, so two can know each other."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @contextmanager
    def of(self, routes: Sequence[BaseRoute]) -> Iterator[str]:
        config = uvicorn.Config(Starlette(routes=routes), log_level="critical", ws="none", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([self._socket],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield self.url
        server.should_exit = True
        thread.join(10)


class Model:
    """Knows four words. trouble: what the next question ends with; by: who answers; told: what a person was told."""

    def __init__(self, live: Live) -> None:
        self.live, self.trouble, self.slow, self.counts = live, None, 0.0, Counts()
        self.by, self.turned_away = None, None
        self.default, self.reads = (
            "shop",
            {"text": SimpleNamespace(name="shop", reads="text", predictor=SimpleNamespace(modality=None))},
        )
        self.told: list[tuple[str, list[dict[str, Any]]]] = []

    def model(self, name: str | None) -> Any:
        return self.reads["text"]

    def now(self, name: str | None, texts: Sequence[str], top_k: int = 1) -> None:
        """Nothing at once."""

    async def classify(self, name: str | None, texts: Sequence[str], *, top_k: int = 1, deadline: float) -> Answers:
        await asyncio.sleep(self.slow)
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        label = next((label for word, label in WORDS.items() if word in texts[0].lower()), None)
        by = self.by or ("teacher" if label == "payment_methods" else "student")
        self.live.answer(label or "stock", 0.0004, by)
        answer = Answer(label or "stock", 0.973 if label else 0.31, abstain=label is None, answered_by=by)
        return Answers("shop", (answer,), 0.4)

    async def tell(self, conversation: str, said: list[dict[str, Any]]) -> None:
        self.told.append((conversation, said))


def chat(origins: frozenset[str] = frozenset(), connected: bool = True) -> tuple[Model, Chat]:
    """A chat page for the demo's shop, and the model behind it."""
    live = Live(LABELS)
    model = Model(live)
    return model, Chat(model, of(LABELS), live, model.tell if connected else None, origins)


def busy() -> Refusal:
    return Refusal(429, "too_many_requests", "too many requests", headers=((b"retry-after", b"1"),))


def foreign(script: str, policy: str) -> list[Route]:
    """A page of somebody else's, strict about what it lets in, with the widget on it."""
    html = (
        "<!doctype html><html lang=en><meta name=viewport content='width=device-width'><title>A shop</title>"
        "<link rel=icon href=data:,>"
        "<style>p, button { color: red !important; font: 40px serif !important }</style>"
        f"<body><main><h1>A shop</h1><p>Buy something.</p></main><script src='{script}' async></script>"
    )
    return [Route("/", lambda request: HTMLResponse(html, headers={"Content-Security-Policy": policy}))]
