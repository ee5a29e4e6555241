"""The OpenAPI document is true: schemathesis asks what it says may be asked, and what it does not, and holds each reply against it."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from answering import Server
from asking import ask
from bundles import sealed
from limbeck.serve.app import App
from limbeck.serve.limits import Limits
from limbeck.serve.openapi import document
from limbeck.serve.routes import ROUTES
from limbeck.serve.service import Service

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis comes with the extra dev")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

for kind in ("image/*", "audio/*"):
    schemathesis.openapi.media_type(kind, st.binary(max_size=50))

LIMITS = Limits(body=20_000, items=5, characters=50, top_k=5)
DOCUMENT = document(ROUTES, LIMITS)
schema = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(App(Service.load({"tiny": sealed(tmp_path_factory.mktemp("openapi") / "bundle").path}), LIMITS))
    yield found
    found.close()


def test_the_document_names_every_route_and_no_other(server: Server) -> None:
    found = ask(server.app, "/openapi.json").json()
    assert found == DOCUMENT
    assert {(method.upper(), path) for path, item in found["paths"].items() for method in item} == {
        (r.method, r.path) for r in ROUTES
    }


@schema.parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_reply_is_one_that_the_document_names(case, server: Server) -> None:
    response = case.call(base_url=f"http://127.0.0.1:{server.port}")
    case.validate_response(
        response,
        checks=[
            schemathesis.checks.not_a_server_error,
            checks.status_code_conformance,
            checks.content_type_conformance,
            checks.response_schema_conformance,
        ],
    )
