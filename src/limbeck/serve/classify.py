"""POST /v1/classify, the server's own form. Knows its keys and limits; knows nothing of sockets."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from limbeck.errors import MissingExtraError, TooLargeError, UnknownNameError
from limbeck.serve import sent
from limbeck.serve.answer import Answers
from limbeck.serve.batcher import Expired, Overloaded, Unread
from limbeck.serve.limits import Limits
from limbeck.serve.payload import TEXT, Payload
from limbeck.serve.reply import Refusal, Reply, Request, check_keys, json_object, json_reply, kind_of, texts_of
from limbeck.serve.service import Model, Service

_KEYS = frozenset({"input", "model", "top_k"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks: some texts, of one model (None: the first), and how many labels each answer lists.

    kind: of files in place of texts, "image" or "audio"; "" where it is not said, None where they are texts.
    """

    texts: Sequence[Payload]
    model: str | None = None
    top_k: int = 1
    kind: str | None = None


async def classify(service: Service, limits: Limits, request: Request) -> Reply:
    """Labels of one text or many, or of pictures or clips.

    Raises:
        Refusal: the request is none, or no model has this name.
    """
    asked = (
        of_files(sent.read(request, limits)) if sent.is_file(sent.media_type(request.headers)) else read(limits, request.body)
    )
    return json_reply((await answered(service, limits, asked)).to_json())


def read(limits: Limits, body: bytes) -> Asked:
    """What a body asks.

    Raises:
        Refusal: it is none, or asks too much.
    """
    found = json_object(body)
    check_keys(found, _KEYS)
    if "input" not in found:
        raise Refusal(422, "invalid_input", "'input' is missing: a text or a list of texts", param="input")
    given = found["input"]
    top_k = found.get("top_k", 1)
    if type(top_k) is not int or not 1 <= top_k <= limits.top_k:
        raise Refusal(422, "invalid_top_k", f"'top_k' must be a whole number from 1 to {limits.top_k}", param="top_k")
    if type(given) is dict or (type(given) is list and given and type(given[0]) is dict):
        files = sent.of_json(given, limits, "input")
        return of_files(replace(files, model=model_of(found), top_k=top_k))
    return Asked(texts_of(given, limits, "input"), model_of(found), top_k)


def of_files(files: sent.Files) -> Asked:
    """What a request with files asks."""
    return Asked(files.contents, files.model, files.top_k, files.kind)


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
        return asked.kind is None and service.quick(asked.model, asked.texts)
    except UnknownNameError as error:
        raise Refusal(404, "model_not_found", str(error), param="model") from None


def answered_now(service: Service, asked: Asked) -> Answers | None:
    """The answers at once, or None where they have to be awaited.

    Raises:
        Refusal: no model has this name.
    """
    if asked.kind is not None:
        return None
    try:
        return service.now(asked.model, asked.texts, asked.top_k)
    except UnknownNameError as error:
        raise Refusal(404, "model_not_found", str(error), param="model") from None


async def answered_by_one(service: Service, limits: Limits, asked: Asked) -> Answers:
    """The answers of a model of one label among all, for forms that have room for no more.

    Raises:
        Refusal: it gives several; or as `answered`.
    """
    model = service.models.get(asked.model or service.default)
    if model is not None and model.predictor.several:
        raise Refusal(
            400,
            "several_labels",
            f"the model {model.name} gives all labels that apply to a text, and this form has one. Ask /v1/classify, which lists them",
            param="model",
        )
    return await answered(service, limits, asked)


async def answered(service: Service, limits: Limits, asked: Asked) -> Answers:
    """The answers, at once where that can be.

    Raises:
        Refusal: no model has this name, it reads something else, too much waits, or the deadline has passed.
    """
    found = answered_now(service, asked)
    if found is not None:
        return found
    model = _model(service, asked)
    _check_reads(service, model, asked)
    deadline = time.monotonic() + limits.deadline_seconds
    try:
        return await service.classify(model.name, asked.texts, top_k=asked.top_k, deadline=deadline)
    except Overloaded as error:
        again = (b"retry-after", b"%d" % error.seconds)
        raise Refusal(503, "overloaded", f"too much waits; ask again in {error.seconds} s", headers=(again,)) from None
    except Expired:
        again = (b"retry-after", b"1")
        raise Refusal(503, "expired", f"no answer within {limits.deadline_seconds:g} s", headers=(again,)) from None
    except Unread as unread:
        raise _unread(unread, len(asked.texts), _others(service, model) if asked.model is None else "") from None


def _model(service: Service, asked: Asked) -> Model:
    """The model that is asked: of files whose kind is known, where none is named, the first that reads it."""
    if asked.model is None and asked.kind in (reads := service.reads):
        return reads[str(asked.kind)]
    try:
        return service.model(asked.model)
    except UnknownNameError as error:
        raise Refusal(404, "model_not_found", str(error), param="model") from None


def _check_reads(service: Service, model: Model, asked: Asked) -> None:
    """Refuse what the model does not read: texts where it takes files, files where it takes texts or others."""
    said = TEXT if asked.kind is None else asked.kind
    if said == model.reads or (said == "" and model.reads != TEXT):
        return
    files = f'a file with its content-type ({model.reads}/...), a form with files, or {{"input": {{"base64": "..."}}}}'
    how = '{"input": "a text"}' if model.reads == TEXT else files
    others = [name for name, other in service.models.items() if other.reads == said]
    ask = f". Ask another model for this: {', '.join(others)}" if others else ""
    reads = f"the model '{model.name}' reads {model.predictor.modality.noun}s: send {how}{ask}"
    raise Refusal(422, "wrong_input", reads, param="input")


def _others(service: Service, model: Model) -> str:
    """Which models read other files than one that was not named, in words."""
    others = [
        f"'{n}' reads {m.predictor.modality.noun}s" for n, m in service.models.items() if m.reads not in (TEXT, model.reads)
    ]
    return f". It went to '{model.name}'; {', '.join(others)}: name one (model)" if others else ""


def _unread(unread: Unread, count: int, others: str = "") -> Refusal:
    """Why a file cannot be read; which, where there are several; and who reads other files."""
    which = "the file" if count == 1 else f"file {unread.place + 1}"
    if isinstance(unread.error, TooLargeError):
        return Refusal(413, "input_too_large", f"{which} {unread.error}", param="input")
    if isinstance(unread.error, MissingExtraError):
        return Refusal(415, "unsupported_type", f"{which} has a format that this server does not decode", param="input")
    return Refusal(422, "unreadable_file", f"{which} {unread.error}{others}", param="input")
