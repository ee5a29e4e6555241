"""A bundle of several labels behind HTTP: the server's own form lists them, and forms with room for one say where to ask."""

import pytest

from asking import ask
from bundles import LABELS, sealed
from limbeck import load
from limbeck.errors import InputFileError
from limbeck.evidence import Calibration
from limbeck.serve.app import App
from limbeck.serve.chat import Chat
from limbeck.serve.escalation import escalation_of
from limbeck.serve.limits import Limits
from limbeck.serve.live import Live
from limbeck.serve.openapi import document
from limbeck.serve.replies import Replies
from limbeck.serve.routes import ROUTES
from limbeck.serve.service import Service
from limbeck.serve.settings import HandOver

TEXTS = ["where is it", "hello", "ça va 👍", "thanks"]


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Service:
    """Thresholds at which some texts get several labels, some one and some none."""
    place = tmp_path_factory.mktemp("served")
    one = load(sealed(place / "one").path)
    low, high = (float(x) for x in sorted(1 / (1 + 2.718281828 ** -one.logits(TEXTS).ravel()))[4:9:4])
    calibration = Calibration(rows=60, thresholds=(low, (low + high) / 2, high))
    folder = sealed(place / "bundle", task="multi-label-text-classification", calibration=calibration).path
    return Service.load({"tiny": folder})


def test_classify_lists_the_labels_that_python_gives(service: Service) -> None:
    app, expected = App(service), load(service.model(None).source).predict(TEXTS)
    body = ask(app, "/v1/classify", {"input": TEXTS, "top_k": 3}).json()
    assert {len(answer.labels) for answer in expected} > {1}
    for found, answer in zip(body["results"], expected, strict=True):
        assert set(found) == {"labels", "answered_by", "top"}
        assert [said["label"] for said in found["labels"]] == list(answer.labels)
        assert [said["probability"] for said in found["labels"]] == pytest.approx(answer.probabilities, abs=1e-6)
        assert {said["label"] for said in found["top"]} == set(LABELS)
        assert [said["probability"] for said in found["top"]] == sorted((t["probability"] for t in found["top"]), reverse=True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}),
        ("/model/parse", {"text": "hello"}),
        ("/webhooks/rest/webhook", {"message": "hello"}),
        ("/v2/models/tiny/infer", {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["hello"]}]}),
    ],
)
def test_forms_with_room_for_one_label_say_where_to_ask(service: Service, path, body) -> None:
    found = ask(App(service), path, body)
    assert found.status == 400
    assert b"gives all labels that apply" in found.body
    assert b"/v1/classify" in found.body


def test_the_page_answers_each_label(service: Service) -> None:
    replies = Replies({label: f"about {label}." for label in LABELS}, "pardon?")
    page = Chat(service, replies, Live(LABELS, 1))
    app = App(service, routes=page.routes())
    for text, answer in zip(TEXTS, load(service.model(None).source).predict(TEXTS), strict=True):
        said = {"text": text, "conversation": "c"}
        found = ask(app, "/chat/message", said, headers={"host": "127.0.0.1:8000"}).json()
        assert found["intent"] == (" + ".join(answer.labels) or "no label")
        assert found["reply"] == (" ".join(f"about {label}." for label in answer.labels) or "pardon?")
        assert found["abstain"] == (not answer.labels)


def test_nothing_is_handed_over(service: Service) -> None:
    with pytest.raises(InputFileError, match="gives several labels to a text.*Leave out --teacher"):
        escalation_of(service.model(None), HandOver(shadow=0.1))


def test_the_document_knows_both_forms() -> None:
    results = document(ROUTES, Limits())["components"]["schemas"]["Classified"]["properties"]["results"]
    assert [sorted(form["required"]) for form in results["items"]["anyOf"]] == [
        ["abstain", "answered_by", "confidence", "label", "top"],
        ["answered_by", "labels", "top"],
    ]
