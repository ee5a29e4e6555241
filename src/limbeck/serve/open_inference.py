"""The Open Inference Protocol, version 2 (KServe, Triton, MLServer). Knows its tensors; knows nothing of models.

One input, BYTES of shape [N]: `text`, or of other models `image` or `audio`, files in base64. Outputs: `label` (BYTES), `confidence` (FP64), `abstain` (BOOL), all of shape [N]. Its errors are texts, as the
protocol says.
"""

from __future__ import annotations

from typing import Any

from limbeck._version import __version__
from limbeck.serve import sent
from limbeck.serve.classify import Asked, answered_by_one
from limbeck.serve.limits import Limits
from limbeck.serve.payload import TEXT
from limbeck.serve.reply import Refusal, Reply, Request, json_object, json_reply, kind_of, texts_of
from limbeck.serve.service import Model, Service
from limbeck.types import Json

_OUTPUTS = {"label": "BYTES", "confidence": "FP64", "abstain": "BOOL"}
_MOST_ID = 256


async def server(service: Service, limits: Limits, request: Request) -> Reply:
    """What serves."""
    del service, limits, request
    return json_reply({"name": "limbeck", "version": __version__, "extensions": []})


async def health_live(service: Service, limits: Limits, request: Request) -> Reply:
    """The process runs."""
    del service, limits, request
    return json_reply({"live": True})


async def health_ready(service: Service, limits: Limits, request: Request) -> Reply:
    """All models answer, and the process is not about to end.

    Raises:
        Refusal: it is.
    """
    del limits, request
    _check_ready(service)
    return json_reply({"ready": True})


async def metadata(service: Service, limits: Limits, request: Request) -> Reply:
    """A model's inputs and outputs.

    Raises:
        Refusal: there is no such model.
    """
    del limits
    model = _model(service, request)
    inputs = [{"name": model.reads, "datatype": "BYTES", "shape": [-1]}]
    outputs = [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in _OUTPUTS.items()]
    about = {"name": model.name, "versions": [model.sha256[:12]], "platform": "limbeck"}
    return json_reply({**about, "inputs": inputs, "outputs": outputs})


async def ready(service: Service, limits: Limits, request: Request) -> Reply:
    """Whether a model answers.

    Raises:
        Refusal: there is no such model, or the process is about to end.
    """
    del limits
    _check_ready(service)
    return json_reply({"name": _model(service, request).name, "ready": True})


async def infer(service: Service, limits: Limits, request: Request) -> Reply:
    """Labels of texts, pictures or clips, as tensors.

    Raises:
        Refusal: the request is none, or there is no such model.
    """
    model = _model(service, request)
    body = json_object(request.body)
    identity = body.get("id")
    if not (identity is None or (type(identity) is str and len(identity) <= _MOST_ID)):
        raise Refusal(422, "invalid_id", f"'id' must be a text of at most {_MOST_ID} characters")
    wanted = _wanted(body.get("outputs"))
    answers = await answered_by_one(service, limits, _asked(body, limits, model))
    values: dict[str, list[Any]] = {
        "label": [a.label for a in answers.results],
        "confidence": [a.confidence for a in answers.results],
        "abstain": [a.abstain for a in answers.results],
    }
    outputs = [
        {"name": name, "datatype": _OUTPUTS[name], "shape": [len(answers.results)], "data": values[name]} for name in wanted
    ]
    about = {"model_name": model.name, "model_version": model.sha256[:12], **({} if identity is None else {"id": identity})}
    return json_reply({**about, "outputs": outputs})


def _check_ready(service: Service) -> None:
    if not service.ready:
        raise Refusal(503, "not_ready", "this process takes no new requests", headers=((b"retry-after", b"1"),))


def _model(service: Service, request: Request) -> Model:
    found = service.models.get(request.params["model"])
    if found is None:
        raise Refusal(404, "model_not_found", "no model has this name; GET /v1/models lists them")
    return found


def _asked(body: Json, limits: Limits, model: Model) -> Asked:
    """What the one input tensor holds: texts, or of other models files in base64.

    Raises:
        Refusal: it is not as the protocol says.
    """
    inputs = body.get("inputs")
    if type(inputs) is not list or len(inputs) != 1 or type(inputs[0]) is not dict:
        raise Refusal(422, "invalid_inputs", f"'inputs' must be a list with one tensor, called '{model.reads}'")
    tensor = inputs[0]
    if tensor.get("name") != model.reads or tensor.get("datatype") != "BYTES":
        raise Refusal(422, "invalid_inputs", f"the input must be called '{model.reads}' and have the datatype BYTES")
    data = tensor.get("data")
    if type(data) is not list:
        raise Refusal(422, "invalid_inputs", f"its data must be a list of texts; it is {kind_of(data)}")
    if model.reads == TEXT:
        asked = Asked(texts_of(data, limits, "inputs[0].data"), model.name)
    else:
        files = sent.of_json([{"base64": text} for text in data], limits, "inputs[0].data")
        asked = Asked(files.contents, model.name, kind=files.kind)
    count, shape = len(data), tensor.get("shape")
    if type(shape) is not list or shape not in ([count], [count, 1]) or any(type(n) is not int for n in shape):
        raise Refusal(422, "invalid_inputs", f"its shape must be [{count}], as many as it holds")
    return asked


def _wanted(outputs: Any) -> list[str]:
    """The names of the outputs that are asked for; all where none is named.

    Raises:
        Refusal: one is unknown.
    """
    if outputs is None or outputs == []:
        return list(_OUTPUTS)
    if type(outputs) is not list or any(type(o) is not dict or type(o.get("name")) is not str for o in outputs):
        raise Refusal(422, "invalid_outputs", "'outputs' must be a list of objects with a 'name'")
    names = [o["name"] for o in outputs]
    if unknown := [name for name in names if name not in _OUTPUTS]:
        raise Refusal(422, "invalid_outputs", f"there is no output {unknown[0]!r:.60}; there are {', '.join(_OUTPUTS)}")
    return names
