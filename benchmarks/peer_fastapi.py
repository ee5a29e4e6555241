"""What `limbeck serve` is held against: an async FastAPI handler with orjson, over the same ONNX file and the same tokenizer code.

    python benchmarks/peer_fastapi.py BUNDLE PORT

As quick as one writes it by hand: uvloop and httptools, no response model, no thread, the body read and written by orjson.
"""

from __future__ import annotations

import sys

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

import limbeck


def application(predictor: limbeck.Predictor) -> FastAPI:
    """`POST /v1/classify` with `{"input": str | [str]}`."""
    app = FastAPI(openapi_url=None)

    @app.get("/health/ready")
    async def ready() -> Response:
        return Response(b"{}", media_type="application/json")

    @app.post("/v1/classify")
    async def classify(request: Request) -> Response:
        given = orjson.loads(await request.body())["input"]
        answers = predictor.predict([given] if isinstance(given, str) else given)
        found = [{"label": a.label, "probability": a.probability, "abstain": a.abstain} for a in answers]
        return Response(orjson.dumps({"results": found}), media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        application(limbeck.load(sys.argv[1])),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
