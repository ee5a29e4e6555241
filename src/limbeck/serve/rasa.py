"""Rasa's HTTP API, for channels that speak it already: POST /model/parse and the REST channel. Knows its forms; knows nothing of models.

No entities are found, and no conversation is kept. A message gets one reply: what the operator's file says to the intent, else the intent's name.
"""

from __future__ import annotations

from typing import Any

from limbeck.serve.answer import Answer
from limbeck.serve.classify import Asked, answered_by_one
from limbeck.serve.limits import Limits
from limbeck.serve.reply import Refusal, Reply, Request, json_object, json_reply, kind_of, texts_of
from limbeck.serve.service import Service
from limbeck.types import Json

_RANKED = 10  # as many as Rasa's own classifiers rank
_MOST_ID = 256


async def parse(service: Service, limits: Limits, request: Request) -> Reply:
    """The intent of a text, and the ten most probable.

    Raises:
        Refusal: the request is none.
    """
    body = json_object(request.body)
    text = _text(body, "text", limits)
    identity = _identity(body, "message_id")
    found = await _answer(service, limits, text, min(_RANKED, limits.top_k))
    ranking = [_intent(label, p) for label, p in found.top]
    own = {"abstain": found.abstain, "answered_by": found.answered_by}
    parsed = {"text": text, "intent": _intent(found.label, found.confidence), "intent_ranking": ranking, "entities": []}
    return json_reply({**parsed, **({} if identity is None else {"message_id": identity}), "limbeck": own})


async def webhook(service: Service, limits: Limits, request: Request) -> Reply:
    """The reply to a message, as a list with one text for whoever sent it.

    Raises:
        Refusal: the request is none.
    """
    body = json_object(request.body)
    text = _text(body, "message", limits)
    sender = _identity(body, "sender")
    found = await _answer(service, limits, text, 1)
    said = service.reply(found)
    return json_reply([{"recipient_id": "default" if sender is None else sender, "text": said}])


async def _answer(service: Service, limits: Limits, text: str, top_k: int) -> Answer:
    return (await answered_by_one(service, limits, Asked([text], top_k=top_k))).results[0]


def _intent(name: str, confidence: float) -> Json:
    return {"name": name, "confidence": round(confidence, 6)}


def _text(body: Json, key: str, limits: Limits) -> str:
    value = body.get(key)
    if type(value) is not str:
        raise Refusal(422, "invalid_input", f"'{key}' must be a text; it is {kind_of(value)}", param=key)
    return texts_of(value, limits, key)[0]


def _identity(body: Json, key: str) -> Any:
    value = body.get(key)
    if not (value is None or (type(value) is str and len(value) <= _MOST_ID)):
        raise Refusal(422, "invalid_input", f"'{key}' must be a text of at most {_MOST_ID} characters", param=key)
    return value
