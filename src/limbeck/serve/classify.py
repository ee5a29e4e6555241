"""POST /v1/classify, the server's own form. Knows its keys and limits; knows nothing of sockets."""

from __future__ import annotations

import time
from typing import Any

import orjson

from limbeck.errors import UnknownNameError
from limbeck.serve.answer import Answers
from limbeck.serve.limits import Limits
from limbeck.serve.reply import Refusal, Reply, Request, check_keys, json_object, kind_of, texts_of
from limbeck.serve.service import Service

_KEYS = frozenset({"input", "model", "top_k"})


async def classify(service: Service, limits: Limits, request: Request) -> Reply:
    """Labels of one text or many.

    Raises:
        Refusal: the request is none, or no model has this name.
    """
    body = json_object(request.body)
    check_keys(body, _KEYS)
    if "input" not in body:
        raise Refusal(422, "invalid_input", "'input' is missing: a text or a list of texts", param="input")
    texts = texts_of(body["input"], limits, "input")
    top_k = body.get("top_k", 1)
    if type(top_k) is not int or not 1 <= top_k <= limits.top_k:
        raise Refusal(422, "invalid_top_k", f"'top_k' must be a whole number from 1 to {limits.top_k}", param="top_k")
    answers = await answered(service, limits, body.get("model"), texts, top_k)
    return Reply(orjson.dumps(answers.to_json()))


async def answered(service: Service, limits: Limits, model: Any, texts: list[str], top_k: int) -> Answers:
    """The service's answers; what it raises becomes a refusal.

    Raises:
        Refusal: no model has this name.
    """
    if model is not None and type(model) is not str:
        raise Refusal(422, "invalid_model", f"'model' must be a name; it is {kind_of(model)}", param="model")
    try:
        found = service.now(model, texts, top_k)
        if found is None:
            deadline = time.monotonic() + limits.deadline_seconds
            found = await service.classify(model, texts, top_k=top_k, deadline=deadline)
    except UnknownNameError as error:
        raise Refusal(404, "model_not_found", str(error), param="model") from None
    return found
