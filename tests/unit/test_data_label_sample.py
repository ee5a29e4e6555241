"""Rows worth labelling: different from each other and from what is known, the least sure among them, ready for a human to correct."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from limbeck.cli.label_sample import label_sample as command
from limbeck.data import choose as module
from limbeck.data.choose import choose, margins
from limbeck.data.label_sample import COLUMNS, label_sample, texts_of_run
from limbeck.data.read import read_records
from limbeck.errors import DataError, InputFileError, LimbeckError, RunFolderError
from limbeck.text import fold

TOPICS = ["my card was stolen", "where is my parcel", "please close the account", "what is the exchange rate"]
TEXTS = [
    f"{topic} {word}" for topic in TOPICS for word in ("today", "again", "now", "sir", "please help", "urgently", "ok", "yes")
]


def test_typical_texts_stand_for_all_topics() -> None:
    found = choose(TEXTS, 4)
    assert {c.why for c in found} == {"typical"}
    assert {c.index // 8 for c in found} == {0, 1, 2, 3}


def test_the_first_choice_is_the_text_most_like_the_others() -> None:
    """By hand: with one choice the cover is the sum of cosines, and the middle text has most of them."""
    texts = ["alpha beta", "alpha beta gamma", "beta gamma", "delta"]
    assert choose(texts, 1)[0].index == 1
    assert choose(texts, 2)[1].index == 3


def test_known_topics_are_left_out() -> None:
    found = choose(TEXTS, 2, known=[t for t in TEXTS if not t.startswith((TOPICS[0], TOPICS[3]))])
    assert {c.index // 8 for c in found} == {0, 3}
    assert choose(TEXTS, 99, known=[f"  {t.upper()} " for t in TEXTS]) == []


def test_the_least_sure_are_among_them() -> None:
    logits_NC = np.tile([5.0, 0.0, 0.0], (len(TEXTS), 1))
    logits_NC[[3, 17]] = [1.0, 1.01, 0.0]
    found = choose(TEXTS, 10, logits_NC=logits_NC, unsure_share=0.2)
    assert {3, 17} <= {c.index for c in found}
    assert sum(c.why == "unsure" for c in found) == 2
    by_margin = choose(TEXTS, 2, logits_NC=logits_NC, unsure_share=1.0)
    assert [(c.index, c.why) for c in by_margin] == [(3, "unsure"), (17, "unsure")]


def test_a_typical_text_stands_for_what_the_model_is_unsure_of() -> None:
    logits_NC = np.tile([9.0, 0.0], (len(TEXTS), 1))
    logits_NC[16:24] = [0.1, 0.0]
    assert choose(TEXTS, 1, logits_NC=logits_NC, unsure_share=0.0)[0].index // 8 == 2


def test_margins_are_differences_of_probabilities() -> None:
    logits_NC = np.log([[0.5, 0.3, 0.2], [0.05, 0.05, 0.9]]).astype(np.float32)
    np.testing.assert_allclose(margins(logits_NC), [0.2, 0.85], atol=1e-6)
    assert margins(np.array([[1e4, -1e4, 0.0]]))[0] == 1.0


@given(
    st.lists(st.text(max_size=12) | st.sampled_from([*TEXTS, "", "👍", "???", "日本語のテキスト"]), max_size=40),
    st.integers(0, 30),
    st.booleans(),
)
def test_no_choice_repeats_another_or_a_known_text(texts: list[str], n: int, sure: bool) -> None:
    logits_NC = np.random.default_rng(0).normal(size=(len(texts), 3)) if sure else None
    known = texts[::3]
    found = choose(texts, n, logits_NC=logits_NC, known=known)
    assert found == choose(texts, n, logits_NC=logits_NC, known=known)
    folded = [fold(texts[c.index]) for c in found]
    assert len(folded) == len(set(folded)) <= n
    assert not set(folded) & {fold(t) for t in known}


def test_near_texts_are_never_chosen_together() -> None:
    near = ["i have lost my credit card somewhere in the city", "I have lost my credit card somewhere in the city!!!"]
    assert len(choose(near, 2)) == 1
    assert choose(near[1:], 1, known=near[:1]) == []


def test_of_many_texts_a_sample_and_the_least_sure_are_looked_at(monkeypatch) -> None:
    monkeypatch.setattr(module, "_POOL", 100)
    words = [f"{a}{b} {b}{c}" for a in "bcdfgh" for b in "aeiou" for c in "klmnprst"]
    logits_NC = np.tile([9.0, 0.0], (len(words), 1))
    logits_NC[237] = 0.0
    found = choose(words, 20, logits_NC=logits_NC, known=words[:5] * 50, seed=1)
    assert len(found) == 20
    assert 237 in {c.index for c in found}
    assert found == choose(words, 20, logits_NC=logits_NC, known=words[:5] * 50, seed=1)
    assert {c.index for c in found} != {c.index for c in choose(words, 20, logits_NC=logits_NC, known=words[:5] * 50, seed=2)}


def test_texts_of_any_length_cost_little() -> None:
    assert [c.index for c in choose(["x" * 100_000, "y " * 50_000, "z"], 3)] == [0, 1, 2]


class Fake:
    """A predictor that is sure of all but one text."""

    several = False

    def logits(self, texts):
        return np.array([[0.0, 0.1] if "stolen again" in t else [9.0, 0.0] for t in texts])

    def predict(self, texts):
        return [SimpleNamespace(label="yes" if "stolen again" in t else "no", probability=0.75) for t in texts]


class FakeOfSeveral:
    """The same of two labels, of which it gives both, or none."""

    several = True

    def logits(self, texts):
        return np.array([[9.0, -0.1] if "stolen again" in t else [9.0, -9.0] for t in texts])

    def predict(self, texts):
        return [SimpleNamespace(labels=("no", "yes") if "stolen" in t else ()) for t in texts]


@pytest.fixture
def rows_of_texts(tmp_path):
    path = tmp_path / "logs.jsonl"
    rows = [*({"text": t} for t in TEXTS), {"text": "known already", "label": "no"}, {"text": ""}, {"text": "half \ud800"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_human_only_corrects(rows_of_texts, tmp_path) -> None:
    found = label_sample(rows_of_texts, 20, predictor=Fake())
    assert found.note() == f"20 of {len(TEXTS) + 1} rows without a label: 18 typical, 2 unsure; 1 rows could not be used"
    found.write(tmp_path / "to_label.csv")
    with (tmp_path / "to_label.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert tuple(written[0]) == COLUMNS
    unsure = {row["text"]: row for row in written if row["why"] == "unsure"}
    expected = {
        "text": "my card was stolen again",
        "label": "yes",
        "predicted": "yes",
        "probability": "0.7500",
        "why": "unsure",
    }
    assert unsure["my card was stolen again"] == {**expected, "where": f"{rows_of_texts}, line 2"}
    assert {r.label for r in read_records(tmp_path / "to_label.csv")} == {"yes", "no"}  # it is training data as it stands


def test_several_labels_are_written_so_that_a_separator_parts_them(tmp_path) -> None:
    rows = tmp_path / "logs.jsonl"
    known = {"text": "known already", "label": ["no", "yes"]}
    rows.write_text("".join(json.dumps(row) + "\n" for row in [*({"text": t} for t in TEXTS), known]), encoding="utf-8")
    found = label_sample(rows, 20, predictor=FakeOfSeveral())
    assert found.rejected == ()
    assert "my card was stolen again" in {s.text for s in found.suggestions if s.why == "unsure"}
    found.write(tmp_path / "to_label.csv")
    records = read_records(tmp_path / "to_label.csv", several=True, separator="|")
    assert {(r.label, "stolen" in r.payload) for r in records} == {(("no", "yes"), True), ((), False)}


def test_without_a_model_the_labels_are_left_to_the_human(rows_of_texts, tmp_path) -> None:
    found = label_sample(rows_of_texts, 99)
    found.write(tmp_path / "to_label.csv.gz")
    records = read_records(tmp_path / "to_label.csv.gz")
    assert {r.label for r in records} == {None}
    assert "half ?" in {r.payload for r in records}
    assert "known already" not in {r.payload for r in records}


def test_a_file_whose_rows_are_all_labelled_is_refused(tmp_path) -> None:
    (tmp_path / "d.csv").write_text("text,label\nx,a\ny,b\n")
    with pytest.raises(DataError, match="all 2 rows have a label in column 'label'"):
        label_sample(tmp_path / "d.csv", 5)


def test_the_command_uses_a_run(tiny_run, rows_of_texts, tmp_path, monkeypatch) -> None:
    _, folder, data, _ = tiny_run
    app = typer.Typer()
    app.command()(command)
    out = tmp_path / "out.csv"
    rows_of_texts.write_text(
        rows_of_texts.read_text(encoding="utf-8") + data.read_text(encoding="utf-8").replace('"label"', '"x"')
    )

    def call(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    done = call(rows_of_texts, "--run", folder, "--n", 30, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{out}: 30 of ")
    first = out.read_bytes()
    assert {r.label for r in read_records(out)} <= {"greeting", "question", "thanks"}
    assert not {r.payload for r in read_records(out)} & set(texts_of_run(folder))
    assert len(texts_of_run(folder)) == 15
    done = call(rows_of_texts, "--bundle", folder / "bundle", "--labelled", data, "--n", 30, "--out", out, "--json")
    assert out.read_bytes() == first
    assert json.loads(done.stdout) == {"out": str(out), "rows": 48, "typical": 27, "unsure": 3, "unusable": 1}
    assert call(rows_of_texts, "--run", folder, "--bundle", folder).exit_code == 2


def test_a_run_that_cannot_be_used_is_explained(tiny_run, tmp_path) -> None:
    _, folder, data, _ = tiny_run
    with pytest.raises(RunFolderError, match="holds no run"):
        texts_of_run(tmp_path)
    (tmp_path / "resolved.json").write_text("{}")
    with pytest.raises(RunFolderError, match="cannot be read as that of a run"):
        texts_of_run(tmp_path)
    resolved = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))
    resolved["recipe"]["data"]["train"] = str(tmp_path / "moved.jsonl")
    (tmp_path / "resolved.json").write_text(json.dumps(resolved))
    with pytest.raises(InputFileError, match="does not exist.*--labelled FILE"):
        texts_of_run(tmp_path)
    (tmp_path / "moved.jsonl").write_text(data.read_text(encoding="utf-8") + "\n")
    with pytest.raises(DataError, match="sha256 differs"):
        texts_of_run(tmp_path)
    assert issubclass(DataError, LimbeckError)
