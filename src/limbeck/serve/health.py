"""GET /health/live and /health/ready. Knows whether this process takes requests."""

from __future__ import annotations

from limbeck.serve.limits import Limits
from limbeck.serve.reply import Refusal, Reply, Request, json_reply
from limbeck.serve.service import Service


async def live(service: Service, limits: Limits, request: Request) -> Reply:
    """The process runs."""
    del service, limits, request
    return json_reply({"status": "live"})


async def ready(service: Service, limits: Limits, request: Request) -> Reply:
    """All bundles are loaded, their golden examples came out as they must, and the process is not about to end.

    Raises:
        Refusal: it is about to end.
    """
    del limits, request
    if not service.ready:
        raise Refusal(503, "not_ready", "this process takes no new requests", headers=((b"retry-after", b"1"),))
    return json_reply({"status": "ready", "models": list(service.models)})
