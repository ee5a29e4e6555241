"""POST /v1/classify, the server's own form. Knows its keys and limits; knows nothing of sockets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from limbeck.errors import UnknownNameError
from limbeck.serve.answer import Answers
from limbeck.serve.batcher import Expired, Overloaded
from limbeck.serve.limits import Limits
from limbeck.serve.reply import Refusal, Reply, Request, check_keys, json_object, json_reply, kind_of, texts_of
from limbeck.serve.service import Service

_KEYS = frozenset({"input", "model", "top_k"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks: some texts, of one model (None: the first), and how many labels each answer lists."""

    texts: list[str]
    model: str | None = None
    top_k: int = 1


async def classify(service: Service, limits: Limits, request: Request) -> Reply:
    """Labels of one text or many.

    Raises:
        Refusal: the request is none, or no model has this name.
    """
    answers = await answered(service, limits, read(limits, request.body))
    return json_reply(answers.to_json())


def read(limits: Limits, body: bytes) -> Asked:
    """What a body asks.

    Raises:
        Refusal: it is none, or asks too much.
    """
    found = json_object(body)
    check_keys(found, _KEYS)
    if "input" not in found:
        raise Refusal(422, "invalid_input", "'input' is missing: a text or a list of texts", param="input")
    top_k = found.get("top_k", 1)
    if type(top_k) is not int or not 1 <= top_k <= limits.top_k:
        raise Refusal(422, "invalid_top_k", f"'top_k' must be a whole number from 1 to {limits.top_k}", param="top_k")
    return Asked(texts_of(found["input"], limits, "input"), model_of(found), top_k)


def model_of(body: dict[str, Any]) -> str | None:
    """The model that a body names.

    Raises:
        Refusal: it names something else.
    """
    model = body.get("model")
    if model is not None and type(model) is not str:
        raise Refusal(422, "invalid_model", f"'model' must be a name; it is {kind_of(model)}", param="model")
    return model


def quick(service: Service, asked: Asked) -> bool:
    """Whether the answers can be given with those to other requests, with nothing to await.

    Raises:
        Refusal: no model has this name.
    """
    try:
        return service.quick(asked.model, asked.texts)
    except UnknownNameError as error:
        raise Refusal(404, "model_not_found", str(error), param="model") from None


def answered_now(service: Service, asked: Asked) -> Answers | None:
    """The answers at once, or None where they have to be awaited.

    Raises:
        Refusal: no model has this name.
    """
    try:
        return service.now(asked.model, asked.texts, asked.top_k)
    except UnknownNameError as error:
        raise Refusal(404, "model_not_found", str(error), param="model") from None


async def answered(service: Service, limits: Limits, asked: Asked) -> Answers:
    """The answers, at once where that can be.

    Raises:
        Refusal: no model has this name, too much waits, or the deadline has passed.
    """
    found = answered_now(service, asked)
    if found is not None:
        return found
    deadline = time.monotonic() + limits.deadline_seconds
    try:
        return await service.classify(asked.model, asked.texts, top_k=asked.top_k, deadline=deadline)
    except Overloaded as error:
        again = (b"retry-after", b"%d" % error.seconds)
        raise Refusal(503, "overloaded", f"too much waits; ask again in {error.seconds} s", headers=(again,)) from None
    except Expired:
        again = (b"retry-after", b"1")
        raise Refusal(503, "expired", f"no answer within {limits.deadline_seconds:g} s", headers=(again,)) from None
