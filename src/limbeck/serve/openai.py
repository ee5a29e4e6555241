"""OpenAI's API, for clients that speak it already: models, chat completions, embeddings. Knows its forms; knows nothing of models.

The last message of the user is classified, and the label is the answer; where the model reads pictures or clips, the one in that message
(`image_url` with a data: URL, `input_audio`), and words beside it are read over. Settings of a language model that change nothing here (temperature, top_p,
penalties, seed) are read over. Token counts are left out: nothing is paid by the token. What else is known stands under `limbeck`.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from limbeck.serve import sent
from limbeck.serve.answer import Answer
from limbeck.serve.classify import Asked, answered_by_one, model_of
from limbeck.serve.limits import Limits
from limbeck.serve.reply import Refusal, Reply, Request, json_object, json_reply, kind_of, texts_of
from limbeck.serve.service import Service
from limbeck.types import Json

_MOST_LOGPROBS = 20
_FILES = {"image_url": ("image", "url"), "input_audio": ("audio", "data")}
"""Parts of a message that are files: what they hold, and under which key."""
_EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"),)


async def models(service: Service, limits: Limits, request: Request) -> Reply:
    """The models' names."""
    del limits, request
    return json_reply({"object": "list", "data": [_model(name) for name in service.models]})


async def model(service: Service, limits: Limits, request: Request) -> Reply:
    """One model.

    Raises:
        Refusal: there is none of this name.
    """
    del limits
    name = request.params["model"]
    if name not in service.models:
        raise Refusal(404, "model_not_found", "no model has this name; GET /v1/models lists them", param="model")
    return json_reply(_model(name))


async def chat(service: Service, limits: Limits, request: Request) -> Reply:
    """A label as the assistant's message, whole or as a stream.

    Raises:
        Refusal: the request is none, or asks for what a classifier cannot give.
    """
    body = json_object(request.body)
    asked = _asked(body, limits)
    logprobs = _logprobs(body)
    stream, options = body.get("stream"), body.get("stream_options")
    if not (stream is None or type(stream) is bool):
        raise Refusal(422, "invalid_stream", f"'stream' must be true or false; it is {kind_of(stream)}", param="stream")
    if not (options is None or type(options) is dict):
        raise Refusal(422, "invalid_stream_options", "'stream_options' must be an object", param="stream_options")
    if body.get("n") not in (None, 1):
        raise Refusal(422, "invalid_n", "'n' must be 1: a classifier gives one answer", param="n")
    answers = await answered_by_one(service, limits, replace(asked, model=model_of(body), top_k=max(1, logprobs or 1)))
    (found,) = answers.results
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": answers.model}
    own = {**found.to_json(), "milliseconds": round(answers.milliseconds, 3)}
    given = None if logprobs is None else {"content": [_token(found, logprobs)], "refusal": None}
    if not stream:
        message = {"role": "assistant", "content": found.label, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": given, "finish_reason": "stop"}
        return json_reply({**head, "object": "chat.completion", "choices": [choice], "limbeck": own})
    deltas: list[tuple[Json, str | None, Any]] = [
        ({"role": "assistant", "content": ""}, None, None), ({"content": found.label}, None, given), ({}, "stop", None)
    ]  # fmt: skip
    chunks: list[Json] = [
        {**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": d, "logprobs": odds, "finish_reason": f}]}
        for d, f, odds in deltas
    ]
    chunks[-1]["limbeck"] = own
    return Reply(b"".join(b"data: %s\n\n" % orjson.dumps(chunk) for chunk in chunks) + b"data: [DONE]\n\n", 200, _EVENTS)


async def embeddings(service: Service, limits: Limits, request: Request) -> Reply:
    """Refused: a student's file has one output, the logits of its labels, and a vector of these would be taken for what it is not.

    Raises:
        Refusal: always; of what is wrong with the request first.
    """
    body = json_object(request.body)
    texts_of(body.get("input"), limits, "input")
    name = model_of(body)
    if name is not None and name not in service.models:
        raise Refusal(404, "model_not_found", "no model has this name; GET /v1/models lists them", param="model")
    raise Refusal(
        400,
        "no_embeddings",
        "this model gives labels, not embeddings: its file has one output, the logits. Ask /v1/classify, with top_k for more labels",
        param="model",
    )


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": "limbeck"}


def _asked(body: Json, limits: Limits) -> Asked:
    """The text of the user's last message, or the file in it.

    Raises:
        Refusal: there is none.
    """
    messages = body.get("messages")
    if type(messages) is not list or not 1 <= len(messages) <= limits.items:
        raise Refusal(422, "invalid_messages", f"'messages' must be a list of 1 to {limits.items:,} messages", param="messages")
    for message in messages:
        if type(message) is not dict or type(message.get("role")) is not str:
            raise Refusal(422, "invalid_messages", "each message must be an object with a 'role'", param="messages")
    said = [message.get("content") for message in messages if message["role"] == "user"]
    if not said:
        raise Refusal(422, "invalid_messages", "there is no message of the user", param="messages")
    content = said[-1]
    if type(content) is list:
        files = [part for part in content if type(part) is dict and part.get("type") in tuple(_FILES)]
        if files:
            return _file(files)
        content = _joined(content)
    if type(content) is not str:
        raise Refusal(422, "invalid_messages", f"the content must be a text; it is {kind_of(content)}", param="messages")
    return Asked(texts_of(content, limits, "messages"))


def _file(parts: Sequence[Json]) -> Asked:
    """The picture or the clip of a message.

    Raises:
        Refusal: there are several, or it lies somewhere else: nothing is fetched.
    """
    if len(parts) != 1:
        raise Refusal(422, "invalid_messages", "a message may hold one picture or one clip", param="messages")
    kind, key = _FILES[parts[0]["type"]]
    held = parts[0].get(parts[0]["type"])
    value = held.get(key) if type(held) is dict else None
    if kind == "image" and type(value) is str and value[:5] != "data:":
        raise Refusal(422, "invalid_messages", "nothing is fetched: send the picture itself, as a data: URL", param="messages")
    content, _ = sent.decoded(value, f"{parts[0]['type']}.{key}", "messages")
    if not content:
        raise Refusal(422, "empty_file", "the file is empty", param="messages")
    return Asked([content], kind=kind)


def _joined(parts: Sequence[Any]) -> str:
    """A message in parts, all of them texts.

    Raises:
        Refusal: one is something else.
    """
    for part in parts:
        if type(part) is not dict or part.get("type") != "text" or type(part.get("text")) is not str:
            raise Refusal(
                422, "invalid_messages", "each part of a message must be a text, a picture or a clip", param="messages"
            )
    return "\n".join(part["text"] for part in parts)


def _logprobs(body: Json) -> int | None:
    """How many labels' log-probabilities are asked for; None: not even that of the answer.

    Raises:
        Refusal: the request is not one that OpenAI would take.
    """
    wanted, most = body.get("logprobs"), body.get("top_logprobs")
    if not (wanted is None or type(wanted) is bool):
        raise Refusal(422, "invalid_logprobs", "'logprobs' must be true or false", param="logprobs")
    if most is None:
        return 0 if wanted else None
    if type(most) is not int or not 0 <= most <= _MOST_LOGPROBS or not wanted:
        raise Refusal(
            422, "invalid_logprobs", f"'top_logprobs' must be 0 to {_MOST_LOGPROBS}, and 'logprobs' true", param="top_logprobs"
        )
    return most


def _token(found: Answer, most: int) -> Json:
    """The label as if it were one token: log(calibrated probability)."""
    best = [_logprob(label, p) for label, p in found.top[:most]]
    return {**_logprob(found.label, found.confidence), "top_logprobs": best}


def _logprob(label: str, probability: float) -> Json:
    return {"token": label, "logprob": round(math.log(max(probability, 1e-30)), 6), "bytes": list(label.encode())}
