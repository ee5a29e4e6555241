"""All routes of the server's own: one table that the application and the OpenAPI document are made from. Knows paths; knows nothing of sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from limbeck.serve import health, open_inference, openai, rasa
from limbeck.serve.classify import classify
from limbeck.serve.limits import Limits
from limbeck.serve.openapi import document
from limbeck.serve.reply import Reply, Request, json_reply
from limbeck.serve.service import Service

Handler = Callable[[Service, Limits, Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """One path. `{name}` in it stands for one segment. scope: what a key must allow; None: nobody needs a key. files: whether its body may be files."""

    method: str
    path: str
    handler: Handler
    scope: str | None = "answer"
    files: bool = False


async def _document(service: Service, limits: Limits, request: Request) -> Reply:
    del service, request
    return json_reply(document(ROUTES, limits))


ROUTES = (
    Route("POST", "/v1/classify", classify, files=True),
    Route("GET", "/v1/models", openai.models),
    Route("GET", "/v1/models/{model}", openai.model),
    Route("POST", "/v1/chat/completions", openai.chat),
    Route("POST", "/v1/embeddings", openai.embeddings),
    Route("POST", "/model/parse", rasa.parse),
    Route("POST", "/webhooks/rest/webhook", rasa.webhook),
    Route("GET", "/v2", open_inference.server, None),
    Route("GET", "/v2/health/live", open_inference.health_live, None),
    Route("GET", "/v2/health/ready", open_inference.health_ready, None),
    Route("GET", "/v2/models/{model}", open_inference.metadata),
    Route("GET", "/v2/models/{model}/ready", open_inference.ready),
    Route("POST", "/v2/models/{model}/infer", open_inference.infer),
    Route("GET", "/health/live", health.live, None),
    Route("GET", "/health/ready", health.ready, None),
    Route("GET", "/openapi.json", _document, None),
)
_EXACT = {route.path: route for route in ROUTES if "{" not in route.path}
_PATTERNS = [(route.path.split("/"), route) for route in ROUTES if "{" in route.path]


def find(path: str) -> tuple[Route, Mapping[str, str]] | None:
    """The route of a path and what its segments say; None: there is none.

    Example:
        >>> find("/health/live")[0].method
        'GET'
    """
    if (found := _EXACT.get(path)) is not None:
        return found, {}
    parts = path.split("/")
    for pattern, route in _PATTERNS:
        if len(parts) == len(pattern) and all(p.startswith("{") or p == q for p, q in zip(pattern, parts, strict=True)):
            return route, {p[1:-1]: q for p, q in zip(pattern, parts, strict=True) if p.startswith("{")}
    return None
