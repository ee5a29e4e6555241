"""What all tests share: no network, one thread, and where the real data lies."""

import json
import os
from pathlib import Path

import hypothesis
import pytest

from samples import ROWS, TINY

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = (
    "1"  # the models are tiny, and threads that wait for each other on a busy machine take ten times as long
)

# A busy machine is no failure of what is tested.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

ROOT = Path(__file__).resolve().parent.parent


def real_data(name: str) -> Path:
    """A folder of real data; skips where it is absent."""
    folder = Path(os.environ.get("LIMBECK_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"real data: {folder} is absent (set LIMBECK_DATA)")
    return folder


@pytest.fixture(scope="session")
def banking77() -> Path:
    """The folder of BANKING77."""
    return real_data("banking77")


@pytest.fixture(scope="session")
def rasa_zip() -> Path:
    """Training data of Rasa's own examples, as one zip."""
    return real_data("rasa_examples") / "rasa_yaml.zip"


@pytest.fixture(scope="session")
def tiny_teacher(tmp_path_factory: pytest.TempPathFactory):
    """A very small random Hugging Face classifier, saved to a folder."""
    from limbeck.teachers.huggingface import Huggingface

    folder = tmp_path_factory.mktemp("teacher")
    return Huggingface.tiny(folder), folder


@pytest.fixture(scope="session")
def backbone(tiny_teacher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny teacher without its head."""
    folder = tmp_path_factory.mktemp("backbone")
    for file in tiny_teacher[1].iterdir():
        if file.name not in ("head.safetensors", "limbeck_teacher.json"):
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """A small training file."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in ROWS), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_run(tiny_teacher, tmp_path_factory: pytest.TempPathFactory):
    """A whole run of the tiny teacher over a small file: (report, folder of the run, data file, folder of the teacher)."""
    from limbeck import distill

    folder = tmp_path_factory.mktemp("tiny")
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in ROWS), encoding="utf-8")
    report = distill(TINY, data=data, teacher=tiny_teacher[1], out=folder / "run")
    return report, folder / "run", data, tiny_teacher[1]


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory):
    """A sealed bundle of a very small student with three labels, made without a training."""
    from limbeck import find
    from limbeck.bundle import seal

    student, _ = find("students", "encoder").tiny()
    pieces = {"[UNK]": 0, **{letter: i for i, letter in enumerate("ehilortauk", 1)}}
    words = {"type": "WordPiece", "vocab": pieces, "unk_token": "[UNK]", "continuing_subword_prefix": ""}
    tokenizer = {"model": {**words, "max_input_chars_per_word": 100}, "pre_tokenizer": {"type": "Whitespace"}}
    text = find("modalities", "text")(tokenizer, max_tokens=16)
    target, folder = find("targets", "onnx")(), tmp_path_factory.mktemp("bundle")
    model, golden = folder / target.filename, ["hello", ""]
    target.write(student.eval().graph(), model)
    logits_BC = target.load(model)(text.collate(text.encode(golden)))
    return seal(
        folder / "bundle",
        task="text-classification",
        modality="text",
        target="onnx",
        labels=["greeting", "question", "thanks"],
        spec=text.spec(),
        golden={"payloads": golden, "logits": logits_BC.tolist(), "tolerance": 1e-3},
        model=model,
    )
