"""The APIs that others defined, asked by OpenAI's own client, and in the forms of Rasa and the Open Inference Protocol."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from answering import Server
from asking import ask
from bundles import LABELS, sealed
from limbeck import load
from limbeck.serve.app import App
from limbeck.serve.limits import Limits
from limbeck.serve.service import Service

openai = pytest.importorskip("openai", reason="OpenAI's client comes with the extra dev")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed(tmp_path_factory.mktemp("apis") / "tiny" / "bundle").path


@pytest.fixture(scope="module")
def app(folder: Path) -> App:
    return App(Service.load({"tiny": folder, "other": folder}), Limits(items=4, characters=100))


@pytest.fixture(scope="module")
def client(app: App) -> Iterator["openai.OpenAI"]:
    server = Server(app)
    with openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0, timeout=20) as found:
        yield found
    server.close()


MESSAGES = [
    {"role": "system", "content": "You sort messages."},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": [{"type": "text", "text": "where is"}, {"type": "text", "text": "it"}]},
]


def test_openais_client_finds_the_models(client) -> None:
    assert [m.id for m in client.models.list()] == ["tiny", "other"]
    assert client.models.retrieve("other").owned_by == "limbeck"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_openais_client_gets_the_label_of_the_last_message(client, folder: Path) -> None:
    (expected,) = load(folder).predict(["where is\nit"])
    found = client.chat.completions.create(model="tiny", messages=MESSAGES, temperature=0, logprobs=True, top_logprobs=3)
    choice = found.choices[0]
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", expected.label, "stop")
    token = choice.logprobs.content[0]
    assert math.exp(token.logprob) == pytest.approx(expected.probability, abs=1e-5)
    assert {t.token for t in token.top_logprobs} == set(LABELS)
    assert found.usage is None  # nothing was counted
    assert found.model_extra["limbeck"]["confidence"] == pytest.approx(expected.probability, abs=1e-5)


def test_openais_client_reads_a_stream(client, folder: Path) -> None:
    (expected,) = load(folder).predict(["hello"])
    with client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hello"}], stream=True) as stream:
        chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == expected.label
    assert [c.choices[0].finish_reason for c in chunks] == [None, None, "stop"]
    assert len({c.id for c in chunks}) == 1


def test_openais_client_is_told_why_there_are_no_embeddings(client) -> None:
    with pytest.raises(openai.BadRequestError, match="labels, not embeddings"):
        client.embeddings.create(model="tiny", input=["hello"])
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="nobody", input="hello")


USER = {"role": "user", "content": "hello"}
BAD_CHATS = {
    "no messages": {},
    "none": {"messages": []},
    "a text": {"messages": "hello"},
    "too many": {"messages": [USER] * 5},
    "no role": {"messages": [{"content": "hello"}]},
    "no user": {"messages": [{"role": "system", "content": "hello"}]},
    "no content": {"messages": [{"role": "user"}]},
    "a picture": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
    "too long": {"messages": [{"role": "user", "content": "a" * 101}]},
    "a NUL": {"messages": [{"role": "user", "content": "\x00"}]},
    "two answers": {"messages": [USER], "n": 2},
    "a stream of words": {"messages": [USER], "stream": "yes"},
    "top_logprobs alone": {"messages": [USER], "top_logprobs": 2},
    "too many top_logprobs": {"messages": [USER], "logprobs": True, "top_logprobs": 21},
    "a model that is none": {"messages": [USER], "model": "nobody"},
    "a model that is a number": {"messages": [USER], "model": 7},
}


@pytest.mark.parametrize("case", BAD_CHATS)
def test_a_chat_that_is_none_gets_a_reason(app: App, case: str) -> None:
    refused = ask(app, "/v1/chat/completions", BAD_CHATS[case])
    assert refused.status in (404, 413, 422)
    assert refused.json()["error"]["message"]


def test_rasas_parse(app: App, folder: Path) -> None:
    (expected,) = load(folder).predict(["hello"])
    found = ask(app, "/model/parse", {"text": "hello", "message_id": "m1"}).json()
    assert found["intent"]["name"] == found["intent_ranking"][0]["name"] == expected.label
    assert found["intent"]["confidence"] == pytest.approx(expected.probability, abs=1e-5)
    assert (found["text"], found["message_id"], found["entities"], len(found["intent_ranking"])) == ("hello", "m1", [], 3)
    for body in ({}, {"text": 1}, {"text": "a" * 101}, {"text": "a", "message_id": 1}):
        assert ask(app, "/model/parse", body).status in (413, 422)


def test_rasas_rest_channel_says_the_operators_reply(folder: Path) -> None:
    service = Service.load({"tiny": folder})
    (expected,) = load(folder).predict(["hello"])
    body = {"sender": "anna", "message": "hello"}
    assert ask(App(service), "/webhooks/rest/webhook", body).json() == [{"recipient_id": "anna", "text": expected.label}]
    service.reply = lambda answer: f"you said {answer.label}"
    said = ask(App(service), "/webhooks/rest/webhook", {"message": "hello"}).json()
    assert said == [{"recipient_id": "default", "text": f"you said {expected.label}"}]
    assert ask(App(service), "/webhooks/rest/webhook", {"sender": {}, "message": "hello"}).status == 422


def test_the_open_inference_protocol(app: App, folder: Path) -> None:
    texts = ["hello", "where is it"]
    expected = load(folder).predict(texts)
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": texts}
    found = ask(app, "/v2/models/tiny/infer", {"id": "7", "inputs": [tensor]}).json()
    outputs = {o["name"]: o for o in found["outputs"]}
    assert (found["id"], found["model_name"]) == ("7", "tiny")
    assert outputs["label"] == {"name": "label", "datatype": "BYTES", "shape": [2], "data": [p.label for p in expected]}
    assert outputs["confidence"]["data"] == pytest.approx([p.probability for p in expected], abs=1e-6)
    assert outputs["abstain"]["data"] == [False, False]
    asked = {"inputs": [{**tensor, "shape": [2, 1]}], "outputs": [{"name": "label"}]}
    assert [o["name"] for o in ask(app, "/v2/models/tiny/infer", asked).json()["outputs"]] == ["label"]

    metadata = ask(app, "/v2/models/tiny").json()
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert metadata["versions"] == [found["model_version"]]
    assert ask(app, "/v2").json()["name"] == "limbeck"
    assert ask(app, "/v2/health/live").json() == {"live": True}
    assert ask(app, "/v2/health/ready").json() == {"ready": True}
    assert ask(app, "/v2/models/tiny/ready").json() == {"name": "tiny", "ready": True}


TENSOR = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}
BAD_INFERENCES = {
    "no inputs": {},
    "none": {"inputs": []},
    "two": {"inputs": [TENSOR, TENSOR]},
    "another name": {"inputs": [{**TENSOR, "name": "x"}]},
    "another datatype": {"inputs": [{**TENSOR, "datatype": "FP32"}]},
    "another shape": {"inputs": [{**TENSOR, "shape": [2]}]},
    "a shape of truth": {"inputs": [{**TENSOR, "shape": [True]}]},
    "numbers": {"inputs": [{**TENSOR, "data": [1]}]},
    "no data": {"inputs": [{**TENSOR, "data": None}]},
    "an unknown output": {"inputs": [TENSOR], "outputs": [{"name": "x"}]},
    "outputs that are none": {"inputs": [TENSOR], "outputs": "label"},
    "an id that is none": {"inputs": [TENSOR], "id": 1},
}


@pytest.mark.parametrize("case", BAD_INFERENCES)
def test_an_inference_that_is_none_gets_a_reason_in_the_protocols_form(app: App, case: str) -> None:
    refused = ask(app, "/v2/models/tiny/infer", BAD_INFERENCES[case])
    assert refused.status == 422
    assert isinstance(refused.json()["error"], str)


def test_models_that_are_none(app: App) -> None:
    for path, body in (("/v2/models/x", None), ("/v2/models/x/ready", None), ("/v2/models/x/infer", {"inputs": [TENSOR]})):
        refused = ask(app, path, body)
        assert refused.status == 404
        assert isinstance(refused.json()["error"], str)
    assert ask(app, "/v1/models/x").code == "model_not_found"
