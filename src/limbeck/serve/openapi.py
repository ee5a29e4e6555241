"""GET /openapi.json: what each route takes and gives. Knows the forms in words of JSON Schema; the paths are those of the table of routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_args

from limbeck._version import __version__
from limbeck.serve.answer import Escalation
from limbeck.serve.limits import Limits
from limbeck.types import Json

if TYPE_CHECKING:
    from limbeck.serve.routes import Route

_REASONS = {
    400: "The request is not HTTP, not JSON or not a form, or asks for what a classifier has not.",
    401: "No key, an unknown one, or one that has ended.",
    403: "The key has not the scope, or the page of another site sends files.",
    404: "No model has this name.",
    405: "Another method is meant here.",
    408: "The request took too long to arrive.",
    413: "The body, a text, a picture or a clip is too large.",
    415: "The body is not said to be JSON, or a file where one is taken; or its format is not decoded here.",
    422: "The JSON is not of the form, a file cannot be read, or the model reads something else.",
    429: "The key asks too often; see Retry-After.",
    431: "The headers are too large or too many.",
    503: "Too much waits, no answer came in time, or the process is about to end; see Retry-After.",
}


def document(routes: Iterable[Route], limits: Limits) -> Json:
    """The document, OpenAPI 3.1, of a server with these limits."""
    paths: dict[str, Json] = {}
    for route in routes:
        paths[route.path] = {route.method.lower(): _operation(route)}
    security = {"bearer": {"type": "http", "scheme": "bearer"}, "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "limbeck",
            "version": __version__,
            "summary": "Labels of texts, pictures and clips, by a distilled student.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": _schemas(limits), "securitySchemes": security},
    }


def _operation(route: Route) -> Json:
    about = _ABOUT[route.path]
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    codes = [405] if route.scope is None else [401, 403, 405, 429]
    codes += [404] if names or route.method == "POST" else []
    codes += [400, 408, 413, 415, 422] if route.method == "POST" else []
    codes += [503] if route.method == "POST" or "ready" in route.path else []
    error = "ErrorText" if route.path.startswith("/v2") else "Error"
    responses: dict[str, Json] = {
        str(code): {"description": _REASONS[code], "content": _json(error)} for code in sorted({*codes, 431})
    }
    if "response" in about:
        content = _json(about["response"])
        if about.get("stream"):
            content["text/event-stream"] = {}
        responses["200"] = {"description": about["summary"], "content": content}
    operation: Json = {
        "summary": about["summary"],
        "operationId": route.handler.__module__.split(".")[-1] + "_" + route.handler.__name__,
    }
    if names:
        operation["parameters"] = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]
    if "request" in about:
        operation["requestBody"] = {"required": True, "content": {**_json(about["request"]), **(_FILES if route.files else {})}}
    if route.files:
        operation["parameters"] = [
            {"name": name, "in": "query", "description": f"Of a file sent as it is: {words}", "schema": {"type": "string"}}
            for name, words in _BESIDE.items()
        ]
    if route.scope is not None:
        operation["security"] = [{}, {"bearer": []}, {"key": []}]
    return {**operation, "responses": dict(sorted(responses.items()))}


def _json(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


_BESIDE = {"model": "a name of /v1/models.", "top_k": "how many labels the answer lists."}
_FILES: Mapping[str, Json] = {
    "multipart/form-data": {"schema": {"$ref": "#/components/schemas/Form"}},
    **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/*", "audio/*", "application/octet-stream")},
}
_ABOUT: Mapping[str, Json] = {
    "/v1/classify": {"summary": "Labels of one text or many, or of pictures or clips.", "request": "Classify", "response": "Classified"},
    "/v1/models": {"summary": "The models' names (OpenAI).", "response": "Models"},
    "/v1/models/{model}": {"summary": "One model (OpenAI).", "response": "Model"},
    "/v1/chat/completions": {
        "summary": "The label of the user's last message (OpenAI).", "request": "Chat", "response": "Completion", "stream": True
    },
    "/v1/embeddings": {"summary": "Refused, with the reason: a student gives labels (OpenAI).", "request": "Embeddings"},
    "/model/parse": {"summary": "The intent of a text (Rasa).", "request": "Parse", "response": "Parsed"},
    "/webhooks/rest/webhook": {"summary": "The reply to a message (Rasa).", "request": "Message", "response": "Replies"},
    "/v2": {"summary": "What serves (Open Inference Protocol).", "response": "Any"},
    "/v2/health/live": {"summary": "The process runs (Open Inference Protocol).", "response": "Any"},
    "/v2/health/ready": {"summary": "All models answer (Open Inference Protocol).", "response": "Any"},
    "/v2/models/{model}": {"summary": "A model's tensors (Open Inference Protocol).", "response": "Any"},
    "/v2/models/{model}/ready": {"summary": "Whether a model answers (Open Inference Protocol).", "response": "Any"},
    "/v2/models/{model}/infer": {"summary": "Labels of texts, pictures or clips, as tensors (Open Inference Protocol).", "request": "Infer", "response": "Inferred"},
    "/health/live": {"summary": "The process runs.", "response": "Any"},
    "/health/ready": {"summary": "All bundles are loaded and answer as they must.", "response": "Any"},
    "/openapi.json": {"summary": "This document.", "response": "Any"},
}  # fmt: skip


def _object(required: Iterable[str], properties: Mapping[str, Any], *, closed: bool = False) -> Json:
    found = {"type": "object", "required": list(required), "properties": dict(properties)}
    return {**found, "additionalProperties": False} if closed else found


def _schemas(limits: Limits) -> Json:
    """The forms by name. NUL is in no text; that a lone half of a surrogate pair is none is a matter of JSON."""
    string, number, boolean = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
    text = {"type": "string", "maxLength": limits.characters, "pattern": "^[^\\u0000]*$"}
    texts = {"type": "array", "items": text, "minItems": 1, "maxItems": limits.items}
    name = {"type": ["string", "null"], "maxLength": 256}
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    label = _object(["label", "probability"], {"label": string, "probability": probability})
    answer = {
        "label": string, "confidence": probability, "abstain": boolean,
        "answered_by": {"enum": ["student", "teacher", "person"]}, "top": {"type": "array", "items": label},
    }  # fmt: skip
    lists = {"type": "array", "items": label}
    several = {
        **_object(["labels", "answered_by", "top"], {"labels": lists, "answered_by": answer["answered_by"], "top": lists}),
        "description": "Of a model of several labels: those that apply, perhaps none.",
    }
    why = {"enum": list(get_args(Escalation)), "description": "Why nobody else has answered, where somebody was to be asked."}
    error = {"message": string, "type": string, "code": string, "param": {"type": ["string", "null"]}}
    file = _object(["base64"], {"base64": {"type": "string", "description": "A file in base64, or a data: URL."}}, closed=True)
    files = {"type": "array", "items": file, "minItems": 1, "maxItems": limits.items}
    part = {
        "oneOf": [
            _object(["type", "text"], {"type": {"const": "text"}, "text": text}),
            _object(["type", "image_url"], {"type": {"const": "image_url"}, "image_url": _object(["url"], {"url": string})}),
            _object(
                ["type", "input_audio"], {"type": {"const": "input_audio"}, "input_audio": _object(["data"], {"data": string})}
            ),
        ]
    }
    said = {"role": {"const": "user"}, "content": {"anyOf": [text, {"type": "array", "items": part, "minItems": 1}]}}
    intent = _object(["name", "confidence"], {"name": string, "confidence": probability})
    tensor = {
        "name": {"enum": ["text", "image", "audio"], "description": "What the model reads; files are in base64."}, "datatype": {"const": "BYTES"}, "shape": {"type": "array", "items": {"type": "integer"}}, "data": texts
    }  # fmt: skip
    output = {"name": {"enum": ["label", "confidence", "abstain"]}}
    model = _object(["id", "object"], {"id": string, "object": {"const": "model"}})
    return {
        "Any": {"type": "object"},
        "Error": _object(["error"], {"error": _object(list(error), error)}),
        "ErrorText": _object(["error"], {"error": string}),
        "Classify": _object(
            ["input"],
            {
                "input": {"anyOf": [text, texts, file, files]},
                "model": {"type": ["string", "null"], "description": "A name of /v1/models; the first where it is absent."},
                "top_k": {"type": "integer", "minimum": 1, "maximum": limits.top_k, "default": 1},
            },
            closed=True,
        ),
        "Form": {
            "type": "object",
            "required": ["file"],
            "properties": {
                "file": {
                    "description": "One picture or clip, or several; a field that holds a file may have any name.",
                    "anyOf": [
                        {"type": "string", "format": "binary"},
                        {"type": "array", "items": {"type": "string", "format": "binary"}},
                    ],
                },
                "model": string,
                "top_k": {"type": "integer", "minimum": 1, "maximum": limits.top_k},
            },
        },
        "Classified": _object(
            ["model", "results", "milliseconds"],
            {
                "model": string,
                "results": {
                    "type": "array",
                    "items": {"anyOf": [_object(list(answer), {**answer, "escalation": why}), several]},
                },
                "milliseconds": number,
            },
        ),
        "Model": model,
        "Models": _object(["object", "data"], {"object": {"const": "list"}, "data": {"type": "array", "items": model}}),
        "Chat": _object(
            ["messages"],
            {
                "messages": {
                    "type": "array",
                    "items": _object(["role", "content"], said),
                    "minItems": 1,
                    "maxItems": limits.items,
                },
                "model": {"type": ["string", "null"]},
                "stream": {"type": ["boolean", "null"]},
                "stream_options": {"type": ["object", "null"]},
                "logprobs": {"type": ["boolean", "null"]},
                "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
                "n": {"enum": [1, None]},
            },
        ),
        "Completion": _object(
            ["id", "object", "created", "model", "choices"],
            {
                "id": string,
                "object": {"const": "chat.completion"},
                "created": {"type": "integer"},
                "model": string,
                "choices": {"type": "array"},
            },
        ),
        "Embeddings": _object(["input"], {"input": {"anyOf": [text, texts]}, "model": {"type": ["string", "null"]}}),
        "Parse": _object(["text"], {"text": text, "message_id": name}),
        "Parsed": _object(
            ["text", "intent", "intent_ranking", "entities"],
            {
                "text": string,
                "intent": intent,
                "intent_ranking": {"type": "array", "items": intent},
                "entities": {"type": "array", "maxItems": 0},
            },
        ),
        "Message": _object(["message"], {"sender": name, "message": text}),
        "Replies": {"type": "array", "items": _object(["recipient_id", "text"], {"recipient_id": string, "text": string})},
        "Infer": _object(
            ["inputs"],
            {
                "id": name,
                "inputs": {"type": "array", "items": _object(list(tensor), tensor), "minItems": 1, "maxItems": 1},
                "outputs": {"type": ["array", "null"], "items": _object(["name"], output)},
            },
        ),
        "Inferred": _object(
            ["model_name", "model_version", "outputs"],
            {
                "model_name": string,
                "model_version": string,
                "id": string,
                "outputs": {"type": "array", "items": {"type": "object"}},
            },
        ),
    }
