"""The pages of a run: right for odd runs, harmless for hostile names, and clear where they cannot be made."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from limbeck.cascaded import Cascade
from limbeck.errors import InputFileError
from limbeck.evidence import Gate, Interval, OutOfScope, Refusal, SeedSpread, Verdict
from limbeck.findings import Checkup, refusal
from limbeck.page.card import card
from limbeck.page.comparison import compared
from limbeck.page.material import gather
from limbeck.page.render import html, markdown
from limbeck.page.whole import whole
from limbeck.page.written import PAGES, write
from limbeck.verify.cascade import chosen
from limbeck.verify.validation import Validation
from pages import LABELS, SCRIPT, logits, write_run

NASTY = (SCRIPT, 'a" onmouseover="x', "b\x1b[31m\x00", "c\u202edrow", "{{ 7 * 7 }}", "|d|`e`[f](g)", "h\ud800")


class Elements(HTMLParser):
    """The elements of a page, and whether each was closed where it had to be."""

    VOID = ("meta", "link", "br", "path", "use", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "shop"
    write_run(folder, texts=[f"the text of row {n}" for n in range(300)])
    return folder


def flowing(text: str) -> str:
    """What is to be read of a page, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", text[text.index("<body>") :]).split())


def test_the_page_says_all_of_it_and_loads_nothing(run) -> None:
    material = gather(run)
    text = html(whole(material))
    found = Elements(text)
    assert found.open == []
    ids = [value for name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {
        "models",
        "costs",
        "reliability",
        "classes",
        "slices",
        "flips",
        "confusions",
        "regressions",
        "curves",
        "audit",
        "lineage",
    } <= set(ids)
    assert not {"script", "img", "link", "iframe", "form", "object"} & set(found.names)
    assert all(value.startswith("#") for name, value in found.attributes if name in ("href", "src", "xlink:href"))
    assert "url(http" not in text
    assert len(text.encode()) < 300_000
    read = flowing(text)
    pair = material.report.against("teacher")
    assert f"{100 * pair.retention.estimate:.1f}%" in read
    assert "1/40" in read  # of the teacher's bytes
    assert "shop.jsonl, line 7" in read
    assert "/home/me" not in text
    assert "cannot be judged: ‘is’" in read
    assert read.index("Not shown" if material.report.verdict is Verdict.NOT_SHOWN else str(material.report.verdict)) < 200
    assert html(whole(material)) == text


def test_what_a_cascade_would_do_stands_there_where_one_was_chosen(run, tmp_path) -> None:
    assert "cascade" not in [section.key for section in whole(gather(run)).sections]
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run" / "evidence" / "cascade.json"
    dice = np.random.default_rng(5)
    true_N = np.arange(900) % 3
    answers = [logits(dice, true_N, right, 3) for right in (0.9, 0.97)]
    chosen(Validation([str(i) for i in range(900)], *answers, true_N, "b" * 64), 1.0, margin=0.05).write(path)
    found = Cascade.read(path)
    (section,) = [section for section in whole(gather(tmp_path / "run")).sections if section.key == "cascade"]
    read = flowing(html(whole(gather(tmp_path / "run"))))
    assert f"Below {found.chosen.threshold:.3f} the teacher is asked: {found.chosen.share.estimate:.1%} of the rows" in read
    assert f"{found.chosen.threshold:.3f}, chosen" in read
    assert 3 <= len(section.blocks[0].rows) <= 14
    replace(found, bundle="0" * 64).write(path)  # of another student
    assert "cascade" not in [section.key for section in whole(gather(tmp_path / "run")).sections]
    path.write_text("{}")
    with pytest.raises(InputFileError, match="no choice of a cascade"):
        gather(tmp_path / "run")


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        (
            SeedSpread("accuracy", (-0.012, 0.004, -0.02), Interval(-0.0093, -0.03, 0.0113)),
            "Range −2.0 to +0.4 Mean −0.9 −3.0 to +1.1",
        ),
        (
            SeedSpread("agreement", (0.95, 0.97, 0.96), Interval(0.96, 0.943, 0.977)),
            "Range 95.0% to 97.0% Mean 96.0% 94.3–97.7",
        ),
        (
            SeedSpread("accuracy", (0.01, 0.03), Interval(0.02, -0.04, 0.08), (0.0, -0.01), Interval(0.025, -0.01, 0.06)),
            "Seed 1 +1.0 0.0 Seed 2 +3.0 −1.0 Range +1.0 to +3.0 −1.0 to 0.0 Mean +2.0 −4.0 to +8.0 −0.5 "
            "Mean, student − student without teacher +2.5 −1.0 to +6.0",
        ),
    ],
)
def test_seeds_stand_beside_the_quality(run, seeds, told) -> None:
    material = gather(run)
    read = flowing(html(whole(replace(material, report=replace(material.report, seeds=seeds)))))
    assert f"from {len(seeds.values)} seeds" in read
    assert told in read
    assert not re.search("from [23] seeds", flowing(html(whole(material))))


def test_limits_have_their_units(run) -> None:
    material = gather(run)
    gates = (Gate("bytes", 3e6, 2_261_000.0, True), Gate("latency_p50", 100.0, 137.0, False), Gate("ece", 0.05, 0.0123, True))
    read = flowing(html(whole(replace(material, report=replace(material.report, gates=gates)))))
    assert "bytes 3.00 MB 2.26 MB passed" in read
    assert "latency_p50 100 µs 137 µs missed" in read
    assert "ece 0.05 0.0123 passed" in read


def test_how_thresholds_were_chosen_stands_beside_what_they_refuse(run) -> None:
    material = gather(run)
    share = Interval(0.5, 0.4, 0.6)
    scope = OutOfScope(20, 0.01, Refusal(0.5, share, share), Refusal(0.4, share, share), Interval(0.0, -0.1, 0.1))
    chosen = replace(material.report.calibration, rows=300, threshold=0.4, against="labels")
    for found, expected in (
        (
            chosen,
            "Each threshold was chosen on 300 rows of validation so that at 95% at most 1% of other rows lose a right answer.",
        ),
        (replace(chosen, threshold=0.0, threshold_found=False), "it has no threshold and refuses nothing."),
    ):
        page = flowing(html(whole(replace(material, report=replace(material.report, out_of_scope=scope, calibration=found)))))
        assert expected in page[page.index("Out of scope") :]
        assert page.count("Each threshold") == found.threshold_found, "not at the end once more"


def test_void_times_are_called_void_where_they_stand(run) -> None:
    material = gather(run)
    note = "Others took 49% of the cores while latency was measured, so these figures are void"
    crowded = replace(material, report=replace(material.report, notes=(*material.report.notes, note)))
    page = flowing(html(whole(crowded)))
    assert "void, others were busy" in page
    assert page.count("while latency was measured") == 2, "beside the costs, and not at the end alone"
    assert "others were busy" not in flowing(html(whole(material)))


def test_texts_stand_there_only_where_they_were_given(run, tmp_path) -> None:
    assert "the text of row" in html(whole(gather(run)))
    write_run(tmp_path / "run")
    bare = html(whole(gather(tmp_path / "run")))
    assert "report.texts: true" in bare
    assert "judged.csv, line" in bare


def test_names_and_texts_cannot_be_more_than_text(tmp_path) -> None:
    labels = tuple(n for n in NASTY if "\ud800" not in n)  # a label that is no text is refused when it is read
    write_run(
        tmp_path / SCRIPT.replace("/", "|"), rows=60, labels=labels, texts=[NASTY[n % 7] for n in range(60)], language=NASTY[0]
    )
    material = gather(next(tmp_path.iterdir()))
    document = whole(material)
    text = html(document)
    found = Elements(text)
    assert found.open == []
    assert "script" not in found.names
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert "&lt;script&gt;" in text
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "{{ 7 * 7 }}" in text
    text.encode("utf-8")
    for plain in (markdown(document), card(material, document)):
        body = plain.split("---\n", 2)[-1] if plain.startswith("---") else plain
        assert "<" not in body
        assert "\x1b" not in plain
        for line in body.splitlines():
            if line.startswith("|"):
                assert len(re.findall(r"(?<!\\)\|", line)) in (3, 4, 5, 6), line
    write(material, tmp_path)
    assert all((tmp_path / name).stat().st_size for name in PAGES)


TRUE = np.arange(30) % 6


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"rows": 3, "true": np.array([0, 1, 2])}, "6 of 6 classes|3 of 3 classes have fewer than 10 rows"),
        ({"rows": 30, "true": np.arange(30) % 5}, "1 of 6 classes is not tested"),
        ({"rows": 30, "student": np.eye(6)[[2] * 30] * 5.0}, "The student answers 'invoice' to every row"),
        ({"rows": 30, "teacher": np.eye(6)[[2] * 30] * 5.0}, "The teacher answers 'invoice' to every row"),
        ({"rows": 30, "teacher": np.eye(6)[TRUE] * 9.0, "student": np.eye(6)[TRUE] * 9.0}, "The student changes 0 of 30 rows"),
        ({"rows": 30, "teacher": np.random.default_rng(1).normal(size=(30, 6))}, "The teacher is not shown to be better than always answering"),
        ({"rows": 30, "labelled": False}, "Accuracy is not measurable"),
    ],
    ids=["three rows", "a class is absent", "one answer", "a teacher of one answer", "perfect", "random teacher", "no labels"],
)  # fmt: skip
def test_odd_runs_get_a_right_page(odd, said, tmp_path) -> None:
    report = write_run(tmp_path / "run", **odd)
    write(gather(tmp_path / "run"), tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    read = flowing(text)
    assert Elements(text).open == []
    assert re.search(said.replace("'", "(?:'|&#39;)"), read), read
    assert not re.search(r"\b(nan|inf|None)\b", read)
    if odd["rows"] == 3:
        assert report.verdict is Verdict.NOT_SHOWN
        assert "Not shown" in read or "not shown" in read
    assert "nan" not in (tmp_path / "README.md").read_text(encoding="utf-8").split("---")[1]


def test_many_classes_do_not_make_a_page_that_nobody_can_open(run) -> None:
    material = gather(run)
    classes = tuple(replace(material.report.classes[0], label=f"{'a long name of a class ' * 20}{n}") for n in range(5000))
    text = html(whole(replace(material, report=replace(material.report, classes=classes))))
    assert len(text.encode()) < 400_000
    assert "200 classes that lost most of 5,000" in text


def test_what_the_doctor_found_stands_there_and_a_forced_run_is_named(run) -> None:
    material = gather(run)
    checkup = Checkup.of([refusal("chance", "The teacher guesses.", f"3 of 10 right {SCRIPT}.", "Give another.")], forced=True)
    text = html(whole(replace(material, report=replace(material.report, checkup=checkup))))
    read = flowing(text)
    assert "The doctor had refused this run; it was forced." in read
    assert read.index("The teacher guesses.") < read.index("3 of 10 right") < read.index("Give another.")
    assert "<script" not in text
    assert 'id="checkup"' not in html(whole(material))


def test_what_is_not_there_leaves_out_its_part(run, tmp_path) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "report.json").write_bytes((run / "evidence" / "report.json").read_bytes())
    alone = html(whole(gather(tmp_path)))
    assert 'id="models"' in alone
    assert 'id="reliability"' not in alone
    details = json.loads((run / "evidence" / "details.json").read_text())
    (evidence / "details.json").write_text(json.dumps({**details, "bundle": "of another"}))
    assert gather(tmp_path).details is None
    (tmp_path / "bundle").mkdir()
    assert gather(tmp_path / "bundle").report == gather(evidence).report


def test_what_cannot_be_read_is_said(run, tmp_path) -> None:
    with pytest.raises(InputFileError, match="does not exist"):
        gather(tmp_path / "absent")
    with pytest.raises(InputFileError, match="limbeck verify can judge it again"):
        gather(tmp_path)
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    report = json.loads((run / "evidence" / "report.json").read_text())
    for content, words in (("{", "not JSON"), ("[" * 100_000, "not JSON"), ("[]", "damaged"), (json.dumps({**report, "schema_version": 9}), "schema 9"),
                           (json.dumps({**report, "rows": "many"}), "damaged")):  # fmt: skip
        (evidence / "report.json").write_text(content)
        with pytest.raises(InputFileError, match=words):
            gather(tmp_path)


def test_the_card_has_the_metadata_of_the_hub(run) -> None:
    material = gather(run)
    text = card(material, whole(material))
    metadata = YAML(typ="safe").load(text.split("---\n")[1])
    assert metadata["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert metadata["pipeline_tag"] == "text-classification"
    assert "license" not in metadata
    hub = pytest.importorskip("huggingface_hub")
    (accuracy,) = [r for r in hub.ModelCard(text).data.eval_results if r.metric_type == "accuracy"]
    assert accuracy.metric_value == round(material.report.student.quality.accuracy.estimate, 4)
    assert accuracy.dataset_name == "shop.jsonl"
    assert ", ".join(LABELS).replace("_", r"\_") in text


def test_runs_are_compared_and_other_rows_are_named(run, tmp_path) -> None:
    write_run(tmp_path / "shop", accuracy=0.97, seed=4)
    document = compared([gather(run), gather(tmp_path / "shop")])
    text = flowing(html(document))
    assert "All were judged on the same 300 rows" in text
    assert "shop (1)" in text
    assert "shop (2)" in text
    assert re.search(r"seed 3 4", text)
    write_run(tmp_path / "other", rows=60)
    assert "not judged on the same rows" in flowing(html(compared([gather(run), gather(tmp_path / "other")])))
    with pytest.raises(InputFileError, match="at most 50"):
        compared([gather(run)] * 51)
