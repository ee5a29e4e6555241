"""What a student replaces: FastAPI and the teacher in a transformers pipeline, on one thread.

    python benchmarks/peer_teacher.py TEACHER PORT

TEACHER is the folder teacher/ of a run: a backbone in transformers' form, and limbeck's head beside it.
"""

from __future__ import annotations

import sys
from typing import Any

import orjson
import torch
import transformers
import uvicorn
from fastapi import FastAPI, Request, Response
from transformers.modeling_outputs import SequenceClassifierOutput

from limbeck.teachers.huggingface import Huggingface


class Classifier(transformers.PreTrainedModel):
    """Backbone, mean pooling and head as a pipeline of transformers wants them."""

    _supports_sdpa = True  # the backbone has it, and what is slower would be no fair peer

    def __init__(self, teacher: Huggingface) -> None:
        config = teacher.module.backbone.config
        config.id2label = dict(enumerate(teacher.labels))
        super().__init__(config)
        self.module = teacher.module

    def forward(self, input_ids: Any, attention_mask: Any, **_: Any) -> SequenceClassifierOutput:
        """Logits of token ids."""
        return SequenceClassifierOutput(logits=self.module(input_ids, attention_mask).logits_BC)


def pipeline(folder: str) -> Any:
    """A text to its best label, as transformers does it."""
    transformers.utils.logging.set_verbosity_error()  # the class is none of those that it knows
    model = Classifier(Huggingface.load(Huggingface.Settings(folder))).eval()
    return transformers.pipeline(
        "text-classification", model=model, tokenizer=transformers.AutoTokenizer.from_pretrained(folder)
    )


def application(classify: Any) -> FastAPI:
    """`POST /v1/classify` with `{"input": str | [str]}`."""
    app = FastAPI(openapi_url=None)

    @app.get("/health/ready")
    async def ready() -> Response:
        return Response(b"{}", media_type="application/json")

    @app.post("/v1/classify")
    async def answered(request: Request) -> Response:
        given = orjson.loads(await request.body())["input"]
        found = classify([given] if isinstance(given, str) else given)
        return Response(orjson.dumps({"results": found}), media_type="application/json")

    return app


if __name__ == "__main__":
    torch.set_num_threads(1)
    served = application(pipeline(sys.argv[1]))
    uvicorn.run(
        served,
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
