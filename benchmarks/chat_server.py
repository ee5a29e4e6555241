"""An endpoint that speaks OpenAI's chat completions and serves a real classifier, and fails when told to. Knows the wire format and faults.

    python benchmarks/chat_server.py --data ../shared/data/banking77/train.jsonl.gz --port 8123 --log work/server.jsonl --faults 0.1

It reads the labels in the system message, as a language model would, and answers with the number of one, or with a JSON object where a schema is
given. Every request is a line in its log: its idempotency key, what became of it, whether it was charged. An answer under an idempotency key that was
answered before is sent again and not charged again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

FAULTS = ("429", "500", "timeout", "half", "invalid", "wrong", "slow")
_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


class ChatServer:
    """The server's state.

    Args:
        probabilities: a text to the probability of each label.
        log: a file to which each request is added; None: it is kept in `requests` alone.
        share: of requests that fail, by dice.
        seed: of the dice.
        key: what clients have to send; None: anything.
        logprobs: whether it gives any; else a request for them is refused.
        hang: seconds that a request of the fault 'timeout' takes.
    """

    def __init__(
        self,
        probabilities: Callable[[str], dict[str, float]],
        log: Path | None = None,
        share: float = 0.0,
        seed: int = 0,
        key: str | None = None,
        logprobs: bool = True,
        hang: float = 5.0,
        delay: float = 0.0,
    ) -> None:
        self.probabilities, self.log, self.share, self.key = probabilities, log, share, key
        self.logprobs, self.hang, self.delay = logprobs, hang, delay
        self.faults: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.in_flight = self.most_in_flight = 0
        self._answered: dict[str, dict[str, Any]] = {}
        self._dice = random.Random(seed)
        routes = [Route("/v1/chat/completions", self.complete, methods=["POST"]), Route("/v1/models", self.models)]
        self.app = Starlette(routes=routes)

    async def models(self, request: Request) -> Response:
        """What it offers."""
        del request
        return JSONResponse({"object": "list", "data": [{"id": "sorter", "object": "model"}]})

    async def complete(self, request: Request) -> Response:
        """One chat completion, or a fault."""
        body = json.loads(await request.body())
        key = request.headers.get("idempotency-key", "")
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.key is not None and given != self.key:
            return self._error(401, f"Incorrect API key provided: {given}.", key)
        if body["model"] != "sorter":
            return self._error(404, f"The model '{body['model']}' does not exist.", key)
        if body.get("logprobs") and not self.logprobs:
            return self._error(400, "This model does not support logprobs.", key)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answer(body, key)
        finally:
            self.in_flight -= 1

    async def _answer(self, body: dict[str, Any], key: str) -> Response:
        fault = self.faults.pop(0) if self.faults else ""
        if not fault and self._dice.random() < self.share:
            fault = self._dice.choice(FAULTS)
        if fault == "429":
            self._note(key, fault)
            return JSONResponse({"error": {"message": "Rate limit reached."}}, 429, {"retry-after": "0.1"})
        if fault == "500":
            return self._error(500, "The server had an error.", key)
        await asyncio.sleep(self.delay + (0.2 if fault == "slow" else 0.0))
        before = self._answered.get(key) if key else None
        answer = before or self._completion(body, wrong=fault == "wrong")
        if key:
            self._answered[key] = answer
        self._note(key, fault or "ok", answer["usage"] if before is None else None)
        if fault == "timeout":
            await asyncio.sleep(self.hang)
        text = json.dumps(answer)
        if fault == "invalid":
            return PlainTextResponse(text[: len(text) // 2], media_type="application/json")
        if fault == "half":
            return _Half(text)
        return Response(text, media_type="application/json")

    def _completion(self, body: dict[str, Any], wrong: bool) -> dict[str, Any]:
        system, text = (m["content"] for m in body["messages"][:2])
        listed = system.split("Labels:\n", 1)[1].splitlines()
        structured = "response_format" in body
        names = listed if structured else [line.split(": ", 1)[1] for line in listed]
        given = self.probabilities(text)
        weights = [max(given.get(name, 0.0), 1e-9) for name in names]
        weights = [w / sum(weights) for w in weights]  # it is asked to choose among these
        place = max(range(len(names)), key=weights.__getitem__)
        if body.get("temperature"):
            place = random.Random(f"{text} {body.get('seed')}").choices(range(len(names)), weights)[0]
        several = structured and "labels" in body["response_format"]["json_schema"]["schema"]["properties"]
        if several:  # each label is a question of its own
            dice = random.Random(f"{text} {body.get('seed')}") if body.get("temperature") else None
            yes = [name for name in names if given.get(name, 0.0) > (dice.random() if dice else 0.5)]
            said = json.dumps({"labels": ["nobody"] if wrong else yes})
        elif structured:
            said = json.dumps({"label": "nobody" if wrong else names[place]})
        else:
            said = str(999_999 if wrong else place + 1)
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        if body.get("logprobs"):
            best = sorted(range(len(names)), key=lambda i: -weights[i])[: body.get("top_logprobs", 0)]
            top = [{"token": str(i + 1), "logprob": math.log(weights[i]), "bytes": None} for i in best]
            own = {"token": said, "logprob": math.log(weights[place]), "bytes": None, "top_logprobs": top}
            choice["logprobs"] = {"content": [own], "refusal": None}
        count = sum(len(_TOKEN.findall(m["content"])) for m in body["messages"])
        usage = {"prompt_tokens": count, "completion_tokens": 1, "total_tokens": count + 1}
        return {
            "id": "chat-1",
            "object": "chat.completion",
            "created": 0,
            "model": "sorter",
            "choices": [choice],
            "usage": usage,
        }

    def _error(self, status: int, message: str, key: str) -> Response:
        self._note(key, str(status))
        return JSONResponse({"error": {"message": message, "type": "error", "code": None}}, status)

    def _note(self, key: str, what: str, charged: dict[str, int] | None = None) -> None:
        line = {"key": key, "what": what, "charged": charged}
        self.requests.append(line)
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


class _Half(Response):
    """A response that promises all of a text, sends half, and hangs up."""

    def __init__(self, text: str) -> None:
        super().__init__(text, media_type="application/json")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
        raise ConnectionResetError("half an answer")


def linear_model(texts: Sequence[str], labels: Sequence[str]) -> Callable[[str], dict[str, float]]:
    """TF-IDF and a logistic regression, as a text to its probabilities."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=20.0, max_iter=200)).fit(texts, labels)
    names = [str(c) for c in model.classes_]
    return lambda text: dict(zip(names, map(float, model.predict_proba([text])[0]), strict=True))


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, help="jsonl(.gz) with text and label, that the model is trained with"
    )
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--delay", type=float, default=0.02, help="seconds that an answer takes")
    args = parser.parse_args()
    import gzip

    content = gzip.decompress(args.data.read_bytes()) if args.data.suffix == ".gz" else args.data.read_bytes()
    rows = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
    model = linear_model([r["text"] for r in rows], [r["label"] for r in rows])
    server = ChatServer(model, args.log, args.faults, delay=args.delay)
    uvicorn.run(server.app, host="127.0.0.1", port=args.port, log_level="critical")


if __name__ == "__main__":
    main()
