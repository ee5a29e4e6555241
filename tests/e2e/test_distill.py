"""The whole way, with a tiny random teacher, through both front doors; and what each kind of bad input gets."""

import csv
import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import limbeck
from limbeck.errors import DataError, InputFileError, RunFolderError, TeacherError
from limbeck.evidence import Report
from samples import ROWS, TINY


def cli(*arguments: object, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "limbeck", *map(str, arguments)], capture_output=True, text=True, timeout=300, **kwargs
    )


def test_a_run_leaves_what_it_promises(tiny_run) -> None:
    report, folder, _, _ = tiny_run
    left = {p.name for p in folder.iterdir()} - {".lock"}
    assert left == {"bundle", "curves.jsonl", "evidence", "complete.json", "resolved.json", "signals", "teacher-onnx"}
    content = json.loads((folder / "evidence" / "report.json").read_text(encoding="utf-8"))
    assert Report.from_json(content) == Report.from_json(report.to_json())
    assert report.student.footprint.bytes == sum(p.stat().st_size for p in (folder / "bundle").iterdir())
    resolved = json.loads((folder / "resolved.json").read_text(encoding="utf-8"))
    assert resolved["recipe"]["student"]["family"] == "bag"
    assert resolved["environment"]["threads"] == 1


def test_the_same_command_again_takes_the_finished_run(tiny_run) -> None:
    report, folder, data, teacher = tiny_run
    before = (folder / "bundle" / "model.onnx").stat().st_mtime_ns
    again = limbeck.distill(TINY, data=data, teacher=teacher, out=folder)
    assert again == Report.from_json(report.to_json())
    assert (folder / "bundle" / "model.onnx").stat().st_mtime_ns == before


def test_the_same_recipe_gives_the_same_bytes(tiny_run, tmp_path) -> None:
    _, folder, data, teacher = tiny_run
    limbeck.distill(TINY, data=data, teacher=teacher, out=tmp_path / "again")
    for name in ("model.onnx", "modality.json", "golden.json"):
        assert (tmp_path / "again" / "bundle" / name).read_bytes() == (folder / "bundle" / name).read_bytes()


@pytest.mark.parametrize("student", [{"family": "bag", "ngrams": 2, "buckets": 64}, {"family": "conv_text"}])
def test_int4_halves_the_table_in_the_bundle_and_answers_as_the_judged_student(student, tiny_run, tmp_path) -> None:
    _, _, data, teacher = tiny_run
    sizes = {}
    for precision in ("int8", "int4"):
        recipe = {**TINY, "student": {**student, "precision": precision}}
        report = limbeck.distill(recipe, data=data, teacher=teacher, out=tmp_path / precision)
        sizes[precision] = (tmp_path / precision / "bundle" / "model.onnx").stat().st_size
        answers = [p.label for p in limbeck.load(report.bundle).predict([text for text, _ in ROWS])]
        assert answers == [limbeck.load(report.bundle).predict([text])[0].label for text, _ in ROWS]
    assert sizes["int4"] < sizes["int8"]


def test_a_folder_with_another_run_is_refused_by_the_field_that_differs(tiny_run) -> None:
    _, folder, data, teacher = tiny_run
    with pytest.raises(RunFolderError, match="recipe.seed: 0 there, 7 now"):
        limbeck.distill({**TINY, "seed": 7}, data=data, teacher=teacher, out=folder)
    other = data.with_name("other.jsonl")
    other.write_text(data.read_text() + '{"text": "one more", "label": "thanks"}\n')
    with pytest.raises(RunFolderError, match=r"data\.train"):
        limbeck.distill(TINY, data=other, teacher=teacher, out=folder)


def test_a_finished_run_is_opened_by_proof(tiny_run, tmp_path) -> None:
    report, folder, data, teacher = tiny_run
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    again = limbeck.distill(TINY, data=data, teacher=teacher, out=moved)
    assert again.bundle == str(moved / "bundle")
    other = limbeck.distill({**TINY, "student": {"width": 8}}, data=data, teacher=teacher, out=tmp_path / "other")
    shutil.rmtree(moved / "bundle")
    shutil.copytree(tmp_path / "other" / "bundle", moved / "bundle")
    mended = limbeck.distill(TINY, data=data, teacher=teacher, out=moved)
    assert mended.student.footprint.bytes == report.student.footprint.bytes != other.student.footprint.bytes
    (moved / "bundle" / "model.onnx").write_bytes(b"damaged")
    (moved / "evidence" / "report.json").write_text("{")
    assert limbeck.distill(TINY, data=data, teacher=teacher, out=moved).student.quality == report.student.quality
    content = json.loads((moved / "evidence" / "report.json").read_text())
    better = {**content, "student": {**content["student"], "what": "edited by hand"}}
    (moved / "evidence" / "report.json").write_text(json.dumps(better))
    assert limbeck.distill(TINY, data=data, teacher=teacher, out=moved).student.what == report.student.what
    (moved / "resolved.json").write_text("{}")
    with pytest.raises(RunFolderError, match=r"resolved\.json is damaged"):
        limbeck.distill(TINY, data=data, teacher=teacher, out=moved)


def test_another_teacher_under_the_same_name_is_another_run(tiny_run, tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    _, folder, data, teacher = tiny_run
    shutil.copytree(folder, tmp_path / "run")
    shutil.copytree(teacher, tmp_path / "teacher")
    limbeck.distill(TINY, data=data, teacher=tmp_path / "teacher", out=tmp_path / "run")  # a copy is the same teacher
    head = load_file(tmp_path / "teacher" / "head.safetensors")
    save_file({k: v + 1 for k, v in head.items()}, tmp_path / "teacher" / "head.safetensors")
    with pytest.raises(RunFolderError, match=r"teacher\.weights"):
        limbeck.distill(TINY, data=data, teacher=tmp_path / "teacher", out=tmp_path / "run")


def test_a_mistake_that_was_mended_does_not_spoil_the_folder(tiny_teacher, rows_file, tmp_path) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match="data.text=NAME"):
        limbeck.distill(TINY, data=rows_file, teacher=tiny_teacher[1], out=out, overrides=["data.text=txt"])
    with pytest.raises(TeacherError):
        limbeck.distill(TINY, data=rows_file, teacher=tmp_path / "absent", out=out)
    assert not out.exists()
    limbeck.distill(TINY, data=rows_file, teacher=tiny_teacher[1], out=out)


def test_a_file_is_the_same_by_another_path(tiny_run, monkeypatch) -> None:
    report, folder, data, teacher = tiny_run
    monkeypatch.chdir(data.parent)
    again = limbeck.distill(TINY, data=data.name, teacher=teacher, out=folder)
    assert again.seconds == report.seconds


def test_any_character_may_stand_in_a_path(tiny_teacher, rows_file, tmp_path) -> None:
    data = rows_file.rename(rows_file.with_name("👍 [a]: {b}.jsonl"))
    report = limbeck.distill(TINY, data=data, teacher=tiny_teacher[1], out=tmp_path / "🎉: out")
    assert limbeck.load(report.bundle).predict(["hello"])


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere/run"])
def test_a_folder_that_cannot_be_made_is_said(place: str, tiny_teacher, rows_file, tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunFolderError, match="out"):
        limbeck.distill(TINY, data=rows_file, teacher=tiny_teacher[1], out=tmp_path / place)


def test_a_folder_with_something_else_is_refused(tiny_run, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("my only copy")
    with pytest.raises(RunFolderError, match=r"not empty and holds no run \('thesis.txt'\)"):
        limbeck.distill(TINY, data=tiny_run[2], teacher=tiny_run[3], out=tmp_path)


def test_a_backbone_without_a_head_is_fine_tuned_saved_and_taken_again(tiny_teacher, rows_file, tmp_path) -> None:
    backbone = tmp_path / "backbone"
    backbone.mkdir()
    for file in tiny_teacher[1].iterdir():
        if file.name not in ("head.safetensors", "limbeck_teacher.json"):
            (backbone / file.name).write_bytes(file.read_bytes())
    recipe = {**TINY, "teacher": {"fine_tune": {"epochs": 2}}}
    stages = []
    out = tmp_path / "out"
    limbeck.distill(recipe, data=rows_file, teacher=backbone, out=out, progress=lambda *a: stages.append(a))
    assert any(stage == "teacher" and "fine-tuned on" in note for stage, _, _, note in stages)
    assert {"head.safetensors", "model.safetensors", "complete.json"} <= {p.name for p in (out / "teacher").iterdir()}
    (out / "evidence" / "report.json").unlink()
    stages.clear()
    limbeck.distill(recipe, data=rows_file, teacher=backbone, out=out, progress=lambda *a: stages.append(a))
    assert any("taken from this run" in note for *_, note in stages)
    assert ("signals", 0, 0) in [s[:3] for s in stages]
    reloaded = limbeck.distill(TINY, data=rows_file, teacher=out / "teacher", out=tmp_path / "reloaded")
    assert (
        reloaded.teacher.quality == Report.from_json(json.loads((out / "evidence" / "report.json").read_text())).teacher.quality
    )


def test_a_sequence_classifier_is_used_as_it_is(rows_file, tmp_path) -> None:
    import torch
    import transformers

    from limbeck.teachers.huggingface import Huggingface

    folder = tmp_path / "classifier"
    folder.mkdir()
    Huggingface.tiny(folder)
    for name in ("head.safetensors", "limbeck_teacher.json"):
        (folder / name).unlink()
    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.id2label = dict(enumerate(["Thanks", "GREETING", "question", "spare"]))
    config.label2id = {v: k for k, v in config.id2label.items()}
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    report = limbeck.distill(TINY, data=rows_file, teacher=folder, out=tmp_path / "out")
    assert limbeck.load(report.bundle).labels == ("thanks", "greeting", "question", "spare")


@pytest.mark.parametrize(
    ("teacher", "data", "expected"),
    [
        (["-1", "0", "1"], ["-1", "0", "1"], ("-1", "0", "1")),
        (["C", "C#", "C++"], ["C#", "C++"], ("C", "C#", "C++")),
        (["👍", "👎"], ["👎", "👍"], ("👍", "👎")),
        (["Lost-Card", "PIN"], ["lost_card", "pin"], ("lost_card", "pin")),
        (["A b", "a-b"], ["ab"], None),
        (["C", "C++"], ["C", "C#"], None),
        (["1", "-1"], ["1", "+1"], None),
        (["A-", "B"], ["A+", "B"], None),
        (["-1", "0"], ["0", "1"], None),
        (["spare", "Top up-limits"], ["top_up_limits"], ("spare", "top_up_limits")),
        (["C", "C++"], ["C", "x"], None),
        (["LABEL_0", "LABEL_1"], ["no", "yes"], None),
    ],
)
def test_labels_are_matched_by_what_they_say_and_never_merged(teacher, data, expected) -> None:
    from limbeck.data.labels import matched_labels

    if expected is None:
        with pytest.raises(TeacherError, match="no class for"):
            matched_labels(teacher, data)
    else:
        assert matched_labels(teacher, data) == expected


def test_a_teacher_that_is_not_whole_is_refused(rows_file, tmp_path) -> None:
    import transformers
    from safetensors.torch import load_file, save_file

    from limbeck.teachers.huggingface import Huggingface

    whole = tmp_path / "whole"
    whole.mkdir()
    Huggingface.tiny(whole)
    config = transformers.AutoConfig.from_pretrained(whole)
    config.id2label = dict(enumerate(["thanks", "greeting", "question"]))
    for damage, message in (
        ("head", "classifier.bias.*would be random numbers"),
        ("tokenizer", "no fast tokenizer with pieces|cannot load the teacher"),
        ("described", "cannot load the teacher"),
        ("junk", "cannot load the teacher"),
        ("positions", "reads at most 512 tokens"),
        ("roberta", "reads at most 32 tokens"),
    ):
        folder = tmp_path / damage
        shutil.copytree(whole, folder)
        overrides = []
        if damage == "head":
            (folder / "head.safetensors").unlink()
            model = transformers.BertForSequenceClassification(config)
            model.save_pretrained(folder)
            weights = load_file(folder / "model.safetensors")
            kept = {k: v for k, v in weights.items() if not k.startswith("classifier")}
            save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
        elif damage == "tokenizer":
            for file in folder.glob("*token*"):
                file.unlink()
            (folder / "vocab.txt").unlink(missing_ok=True)
        elif damage == "described":
            (folder / "limbeck_teacher.json").write_text("{}")
        elif damage == "junk":
            (folder / "head.safetensors").write_bytes(b"junk")
        elif damage == "roberta":  # 34 positions, of which the padding index takes two
            small = transformers.RobertaConfig(
                vocab_size=50,
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=32,
                max_position_embeddings=34,
            )
            (folder / "head.safetensors").unlink()
            transformers.RobertaModel(small).save_pretrained(folder)
            overrides = ["teacher.max_tokens=33"]
        else:
            overrides = ["teacher.max_tokens=1000"]
        with pytest.raises(TeacherError, match=f"(?s){message}"):
            limbeck.distill(TINY, data=rows_file, teacher=folder, out=tmp_path / "out", overrides=overrides)


def test_a_training_that_diverges_is_called_so(tiny_run, tmp_path) -> None:
    with pytest.raises(limbeck.LimbeckError, match="diverged"):
        limbeck.distill(
            TINY, data=tiny_run[2], teacher=tiny_run[3], out=tmp_path / "o", overrides=["training.learning_rate=1e30"]
        )


def test_a_teacher_of_other_labels_is_refused(tiny_teacher, tmp_path) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text("".join(json.dumps({"text": t, "label": y.replace("thanks", "goodbye")}) + "\n" for t, y in ROWS))
    with pytest.raises(TeacherError, match="no class for 1 of the data's labels: 'goodbye'"):
        limbeck.distill(TINY, data=data, teacher=tiny_teacher[1], out=tmp_path / "out")


def test_unlabelled_rows_and_odd_texts_train_too(tiny_teacher, tmp_path) -> None:
    data = tmp_path / "d.csv.gz"
    odd = ["", "x" * 100_000, "👍👍", "שלום", "nul\x00byte", "two\nlines"]
    with gzip.open(data, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "intent"])
        writer.writerows([*ROWS, *((t, "") for t in odd)])
    overrides = ["data.text=question", "data.label=intent"]
    report = limbeck.distill(TINY, data=data, teacher=tiny_teacher[1], out=tmp_path / "out", overrides=overrides)
    assert len(limbeck.load(report.bundle).predict(odd)) == len(odd)


def test_a_budget_that_is_missed_is_said(tiny_run, tmp_path) -> None:
    recipe = {**TINY, "student": {"family": "bag", "budget": {"bytes": 100, "memory": "1000GB"}}}
    report = limbeck.distill(recipe, data=tiny_run[2], teacher=tiny_run[3], out=tmp_path / "out")
    assert len(report.budget_misses) == 1
    assert "the budget allows 100" in report.budget_misses[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "absent.jsonl"], "absent.jsonl: it does not exist"),
        (["--data", "one.jsonl"], "only one class, 'a'"),
        (["--data", "rows.jsonl", "--test", "absent.csv"], "absent.csv: it does not exist"),
        (["--data", "rows.jsonl", "--set", "data.text=txt"], "no column 'txt'; the columns are 'text', 'label'"),
        (["--data", "rows.jsonl", "--set", "traning.epochs=3"], "unknown key. Did you mean 'training'?"),
        (["--data", "rows.jsonl", "--teacher", "no/such"], "cannot load the teacher 'no/such'"),
        (["absent.yaml"], "cannot read the recipe absent.yaml"),
        ([], "--data"),
    ],
)
def test_bad_input_gets_exit_2_and_a_message(arguments: list[str], message: str, rows_file: Path) -> None:
    (rows_file.parent / "one.jsonl").write_text("".join(f'{{"text": "x{i}", "label": "a"}}\n' for i in range(5)))
    done = cli("distill", *arguments, cwd=rows_file.parent)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_command_line_from_a_recipe_to_answers(tiny_teacher, rows_file, tmp_path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"data: {{train: {rows_file}, test_share: 0.3}}\nteacher: {{model: {tiny_teacher[1]}}}\n"
        "views: {per_record: 1}\ntraining: {epochs: 1}\nverify: {latency_queries: 3, cold_starts: 1}\n"
    )
    done = cli("distill", recipe, "--out", tmp_path / "out", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == {"kept": 0, "lost": 3, "not shown": 4}[report["verdict"]], done.stderr
    assert report["basis"] == "cross-fitting"
    assert report["bundle"] == str(tmp_path / "out" / "bundle")
    page = cli("distill", recipe, "--out", tmp_path / "out")
    assert page.stdout.strip().startswith(report["verdict"])
    assert "\x1b[" not in page.stdout

    texts = ["hello", "", "who, me?", 'a "quote"', "👍"]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")
    (tmp_path / "a.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text"], *([t] for t in texts)])
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress((tmp_path / "a.txt").read_bytes()))
    expected = [{"label": p.label, "probability": p.probability} for p in limbeck.load(report["bundle"]).predict(texts)]
    for name in ("a.jsonl", "a.csv", "a.txt", "a.txt.gz"):
        out = tmp_path / f"{name}.out"
        done = cli("predict", report["bundle"], "--file", tmp_path / name, "--out", out)
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        assert [a["label"] for a in answers] == [e["label"] for e in expected]
        assert [a["probability"] for a in answers] == pytest.approx([e["probability"] for e in expected], abs=1e-5)
    done = cli("predict", report["bundle"], *texts)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [e["label"] for e in expected]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent", "x"], "there is no bundle at absent"),
        (["{bundle}"], "give texts, or --file"),
        (["{bundle}", "x", "--file", "y"], "not both"),
        (["{bundle}", "--file", "a.xlsx"], "a file named .xlsx does not hold a text a line"),
        (["{bundle}", "--file", "absent.txt", "--out", "g"], "absent.txt: it does not exist"),
        (["{bundle}", "--file", "absent.txt"], "absent.txt: it does not exist"),
        (["{bundle}", "--file", "{data}", "--column", "txt"], "no text in column 'txt'; the columns are text, label"),
        (["{bundle}", "--file", "{data}", "--out", "no/such/folder/x"], "cannot write"),
    ],
)
def test_predict_explains_bad_input(tiny_run, arguments: list[str], message: str) -> None:
    _, folder, data, _ = tiny_run
    done = cli("predict", *(a.format(bundle=folder / "bundle", data=data) for a in arguments), env=None)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())


def test_list_and_version() -> None:
    assert json.loads(cli("list", "--json").stdout)["students"] == [
        "bag",
        "conv_audio",
        "conv_image",
        "conv_text",
        "encoder",
        "mobile_image",
        "vit_image",
    ]
    assert "soft_targets" in cli("list", "objectives").stdout
    assert cli("list", "objectivs").returncode == 2
    assert cli("--version").stdout.startswith("limbeck 0.")


def test_distill_from_python_says_the_same(tmp_path) -> None:
    with pytest.raises(InputFileError, match="does not exist"):
        limbeck.distill(data=tmp_path / "absent.jsonl")
    (tmp_path / "x.jsonl").write_text("{\n")
    with pytest.raises(DataError, match="line 1"):
        limbeck.distill(data=tmp_path / "x.jsonl", out=tmp_path / "o")


def test_the_example_runs(tiny_teacher, rows_file, tmp_path) -> None:
    script = Path(__file__).resolve().parents[2] / "examples" / "distil_and_answer.py"
    assert len(script.read_text(encoding="utf-8").splitlines()) < 80
    done = subprocess.run(
        [sys.executable, script, rows_file, tiny_teacher[1], tmp_path / "out"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the student gives ")
    assert len(done.stdout.splitlines()) == 4
