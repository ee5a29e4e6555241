"""What all tests share: no network, two threads, and where the real data lies."""

import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def banking77() -> Path:
    """The folder of BANKING77; skips where it is absent."""
    folder = Path(os.environ.get("LIMBECK_DATA", ROOT.parent / "shared" / "data")) / "banking77"
    if not folder.is_dir():
        pytest.skip(f"real data: {folder} is absent (set LIMBECK_DATA)")
    return folder


@pytest.fixture(scope="session")
def tiny_teacher(tmp_path_factory: pytest.TempPathFactory):
    """A very small random Hugging Face classifier, saved to a folder."""
    from limbeck.teachers.huggingface import Huggingface

    folder = tmp_path_factory.mktemp("teacher")
    return Huggingface.tiny(folder), folder


ROWS = [
    ("hello there", "greeting"), ("hi friend", "greeting"), ("good day", "greeting"), ("hey hey", "greeting"), ("hiya", "greeting"),
    ("where is it", "question"), ("what is that", "question"), ("who did it", "question"), ("why me", "question"), ("when", "question"),
    ("thank you", "thanks"), ("thanks a lot", "thanks"), ("cheers", "thanks"), ("much obliged", "thanks"), ("ta very much", "thanks"),
]  # fmt: skip


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """A small training file."""
    import json

    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in ROWS), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_run(tiny_teacher, tmp_path_factory: pytest.TempPathFactory):
    """A whole run of the tiny teacher over a small file: (report, folder of the run, data file, folder of the teacher)."""
    import json

    from limbeck import distill

    folder = tmp_path_factory.mktemp("tiny")
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in ROWS), encoding="utf-8")
    report = distill(TINY, data=data, teacher=tiny_teacher[1], out=folder / "run")
    return report, folder / "run", data, tiny_teacher[1]


TINY = {
    "data": {"train": "set by the test", "test_share": 0.3},
    "views": {"per_record": 2},
    "training": {"epochs": 2},
    "verify": {"latency_queries": 5},
    "threads": 1,
}
