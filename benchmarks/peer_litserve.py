"""What `limbeck serve` is held against: LitServe over the same ONNX file and the same tokenizer code.

    python benchmarks/peer_litserve.py BUNDLE PORT

One API server and one worker, with its ZeroMQ queue, which its documentation advises above 100 requests/s.
"""

from __future__ import annotations

import sys
from typing import Any

import litserve

import limbeck


class Classifier(litserve.LitAPI):
    """`POST /v1/classify` with `{"input": str}`."""

    def __init__(self, bundle: str) -> None:
        super().__init__(api_path="/v1/classify")
        self.bundle = bundle

    def setup(self, device: str) -> None:
        """Load the model in the worker."""
        del device
        self.predictor = limbeck.load(self.bundle)

    def decode_request(self, request):  # with a type LitServe would look for it in the query
        """The text."""
        return request["input"]

    def predict(self, x: str) -> Any:
        """The answer."""
        return self.predictor.predict([x])[0]

    def encode_response(self, output):
        """As JSON."""
        return {"label": output.label, "probability": output.probability, "abstain": output.abstain}


if __name__ == "__main__":
    server = litserve.LitServer(Classifier(sys.argv[1]), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[2]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
