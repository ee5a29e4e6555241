"""Requests of all kinds that a server answers, and whether its memory grows with them. Knows routes and lines; sends nothing by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from limbeck.bench.held import first_answer
from limbeck.bench.http import Address, Ask, as_json, ask
from limbeck.errors import ServerError

BLOCKS = 20
SETTLED = 0.2
"""The first fifth of the samples is left out: caches and allocators fill."""
_REFUSED = (400, 404, 413, 415, 422)
_T95 = 2.10  # Student's, two-sided 95 %, 20 blocks less two
_EACH = 400


def mixed(address: Address, texts: Sequence[str], model: str) -> tuple[list[Ask], dict[str, int]]:
    """Requests in the proportions of a busy day, routes that the server has only, and how many of each kind."""

    def post(path: str, body: Any, right: Sequence[int] = (200,)) -> Ask:
        wire = body if isinstance(body, bytes) else as_json(body)
        return ask(Address(address.host, address.port, path), wire, right=right)

    def get(path: str) -> Ask:
        return ask(Address(address.host, address.port, path), method="GET")

    few = [list(texts[i : i + 8]) for i in range(0, _EACH, 8)]
    some = texts[:_EACH]
    kinds: dict[str, list[Ask]] = {
        "one": [post("/v1/classify", {"input": t}) for t in texts[: 6 * _EACH]],
        "many": [post("/v1/classify", {"input": group}) for group in few],
        "top_k": [post("/v1/classify", {"input": t, "top_k": 5}) for t in some],
        "long": [post("/v1/classify", {"input": " ".join(group * 5)}) for group in few[:20]],
        "chat": [post("/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": t}]}) for t in some],
        "embeddings": [
            post("/v1/embeddings", {"model": model, "input": t}, (200, 400)) for t in some[:50]
        ],  # not each student has any
        "rasa": [post("/model/parse", {"text": t}) for t in some],
        "webhook": [post("/webhooks/rest/webhook", {"sender": "a", "message": t}) for t in some],
        "models": [get("/v1/models")] * 20,
        "health": [get("/health/ready")] * 20,
        "nowhere": [ask(Address(address.host, address.port, "/nowhere"), method="GET", right=(404,))] * 20,
        "no JSON": [post("/v1/classify", b'{"input": "' + t.encode()[:20], _REFUSED) for t in some[:60]],
        "wrong types": [post("/v1/classify", {"input": [None, 1, {}]}, _REFUSED)] * 60,
        "no model": [post("/v1/classify", {"input": "a", "model": "none-of-this-name"}, _REFUSED)] * 60,
    }
    there = {kind: asks for kind, asks in kinds.items() if _is_there(address, asks[0])}
    return [one for asks in there.values() for one in asks], {kind: len(asks) for kind, asks in there.items()}


def _is_there(address: Address, asked: Ask) -> bool:
    try:
        first_answer(address, asked)
    except ServerError as error:
        if " answered 404 " in str(error) or " answered 405 " in str(error):
            return False
        raise
    return True


def slope(samples: Sequence[tuple[int, int]], name: str) -> dict[str, Any]:
    """By how much the memory grows with the requests: a line through the medians of blocks of samples, with its 95 % bounds.

    Neighbouring samples are alike, so blocks stand for them.
    """
    kept = np.array(samples[int(SETTLED * len(samples)) :], dtype=float)
    if len(kept) < BLOCKS:
        return {f"{name}_slope_bytes_per_request": None, f"{name}_slope_bounds": None, f"{name}_slope_within_noise": None}
    x, y = (np.array([np.median(block) for block in np.array_split(kept[:, column], BLOCKS)]) for column in (0, 1))
    centred = x - x.mean()
    gradient = float(centred @ y / (centred @ centred))
    left = y - y.mean() - gradient * centred
    deviation = float(np.sqrt(left @ left / (BLOCKS - 2) / (centred @ centred)))
    low, high = gradient - _T95 * deviation, gradient + _T95 * deviation
    return {
        f"{name}_slope_bytes_per_request": gradient,
        f"{name}_slope_bounds": [low, high],
        f"{name}_growth_mb": gradient * float(kept[-1, 0] - kept[0, 0]) / 1e6,
        f"{name}_slope_within_noise": low <= 0.0,
    }
