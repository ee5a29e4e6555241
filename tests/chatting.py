"""A chat page over a real socket, before a model that is a few words long; its mood can be spoiled. Needs the extra serve."""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from limbeck import shop
from limbeck.serve.answer import Answer, Answers
from limbeck.serve.chat import Chat
from limbeck.serve.live import Live
from limbeck.serve.replies import of
from limbeck.serve.reply import Refusal

WORDS = {"parcel": "track_order", "mug": "item_damaged", "instalments": "payment_methods", "robot": "human_agent"}
LABELS = [label for label in shop.replies() if label != "out_of_scope"]


class Server:
    """Routes behind uvicorn in a thread; use it as a context."""

    def __init__(self, routes: list[Route]) -> None:
        config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="critical", ws="none", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


class Model:
    """Knows four words. trouble: what the next question ends with; told: what a person was told."""

    def __init__(self, live: Live) -> None:
        self.live, self.trouble, self.slow = live, None, 0.0
        self.told: list[tuple[str, list[dict[str, Any]]]] = []

    def now(self, name: str | None, texts: Sequence[str], top_k: int = 1) -> None:
        """Nothing at once."""

    async def classify(self, name: str | None, texts: Sequence[str], *, top_k: int = 1, deadline: float) -> Answers:
        await asyncio.sleep(self.slow)
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        label = next((label for word, label in WORDS.items() if word in texts[0].lower()), None)
        by = "teacher" if label == "payment_methods" else "student"
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
