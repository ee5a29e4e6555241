"""Recipes are strict, complete, and say all that is wrong at once."""

import pytest

from limbeck import Recipe
from limbeck.errors import InputFileError, RecipeError


def test_defaults_are_enough() -> None:
    recipe = Recipe.read({"data": {"train": "x.jsonl"}})
    assert [type(o).__name__ for o, _ in recipe.terms()] == ["SoftTargets", "HardLabels"]
    assert recipe.settings("students").width == 192


def test_all_problems_come_in_one_message() -> None:
    content = {
        "data": {"tran": "x"},
        "traning": {},
        "training": {"epochs": 0},
        "student": {"widht": 3, "hidden": "many"},
        "objectives": {"soft_target": {}, "hard_labels": {"weigth": 1}},
        "task": "text-clasification",
        "teacher": {"kind": "hugingface"},
        "views": {"splice_share": "much", "typo_shares": 0.1},
    }
    with pytest.raises(RecipeError) as caught:
        Recipe.read(content)
    message = str(caught.value)
    for expected in (
        "data.train: is missing",
        "data.tran: unknown key. Did you mean 'train'?",
        "traning: unknown key. Did you mean 'training'?",
        "training.epochs: Input should be greater than or equal to 1; got 0",
        "student.widht: unknown key. Did you mean 'width'?",
        "student.hidden: ",
        "'soft_target' is not among the objectives",
        "Did you mean 'soft_targets'?",
        "objectives.hard_labels.weigth: unknown key. Did you mean 'weight'?",
        "Did you mean 'text_classification'?",
        "Did you mean 'huggingface'?",
        "views.splice_share: ",
        "views.typo_shares: unknown key. Did you mean 'typo_share'?",
        "12 problems",
    ):
        assert expected in message, message


def test_yaml_is_version_1_2_and_overrides_are_dotted(tmp_path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("data: {train: no}\ntraining: {learning_rate: 1e-3}\n", encoding="utf-8")
    recipe = Recipe.read(path, ["student.width=64", "data.text=question", "objectives.soft_targets.temperature=4.0"])
    assert recipe.data.train == "no"
    assert recipe.training.learning_rate == 0.001
    assert recipe.settings("students").width == 64
    assert recipe.terms()[0][0].temperature == 4.0


@pytest.mark.parametrize(
    ("override", "message"),
    [("student.width", "expected key=value"), ("seed.x.y=1", "seed"), ("sed=1", "Did you mean 'seed'"), ("seed=-1", "seed")],
)
def test_a_bad_override_is_named(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe.read({"data": {"train": "x"}, "seed": 1}, [override])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("student.keep=1.2", "student.keep: Input should be less than or equal to 1 or 'all'; got 1.2"),
        ("student.budget=5", "student.budget: must hold keys with their values, such as bytes, latency_p50, memory; got 5"),
        (
            "search.precisions=[int2]",
            "1 problem\n  - search.precisions.0: Input should be 'int8', 'int4' or 'float32'; got 'int2'",
        ),
        ("search.precisions=[]", "search.precisions: must hold 1 at least, and holds 0"),
        ("search=x", "search: must hold keys with their values, such as families, min_counts, precisions, profile; got 'x'"),
        ("objectives={soft_targets: 3}", "objectives.soft_targets: must hold keys with their values; got 3"),
        ("student.keep={}", "1 problem\n  - student.keep: Input should be a valid number or 'all'"),
        ("student={family: encoder, layers: x}", "student.layers: Input should be a valid integer or a valid tuple; got 'x'"),
        (
            "student={family: encoder, layers: [0]}",
            "1 problem\n  - student.layers.0: Input should be greater than or equal to 1; got 0",
        ),
        ("teacher.prior={a: 0}", "1 problem\n  - teacher.prior.a: Input should be greater than 0; got 0"),
        ("student.widht=3", "student.widht: unknown key. Did you mean 'width'?"),
        ("student.kep=3", "student.kep: unknown key. Did you mean 'keep'?"),
        ("student.width=0", "student.width: Input should be greater than or equal to 2; got 0"),
        ('student.width="64"', "student.width: Input should be a valid integer; got '64'"),
        ("student.dropout=true", "student.dropout: Input should be a valid number; got True"),
        ("student.dropout=5", "student.dropout: Input should be less than 1; got 5"),
        ("student.precision=int2", "student.precision: Input should be 'int8', 'int4' or 'float32'; got 'int2'"),
        ("student.family=conv_text\nstudent.network=int4", "student.network: Input should be 'int8' or 'float32'; got 'int4'"),
        ("teacher.max_tokens=-1", "teacher.max_tokens: Input should be greater"),
        ("objectives.soft_targets.temperature=0", "temperature: Input should be greater than 0"),
        ("views.splice_share=0.95", "views: splice_share, span_share and typo_share add up to more than 1"),
        ("views.swap_share=.nan", "views.swap_share: "),
        ("teacher.fine_tune.views.per_recrod=3", "teacher.fine_tune.views.per_recrod: unknown key. Did you mean 'per_record'?"),
        ("teacher.fine_tune.views=3", "teacher.fine_tune.views: must hold keys with their values; got 3"),
        (
            "task=image-classification\nteacher.fine_tune.views.live=true",
            "teacher.fine_tune.views.live: the teacher's own views are drawn once. Leave it out",
        ),
        ("training.learning_rate=.inf", "training.learning_rate: Input should be a finite number"),
    ],
)
def test_settings_of_entries_are_as_strict_as_the_rest(override: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.read({"data": {"train": "x"}}, override.splitlines())
    assert message in str(caught.value)
    assert "1 problem\n" in str(caught.value)


def test_what_is_settled_is_complete() -> None:
    complete = Recipe.read({"data": {"train": "x"}}).complete()
    assert complete["student"]["width"] == 192
    assert complete["teacher"]["max_tokens"] == 128
    assert complete["views"]["per_record"] == 16
    assert complete["objectives"]["soft_targets"] == {"weight": 1.0, "temperature": 2.0}
    assert Recipe.read(complete).complete() == complete


def test_the_views_of_a_teacher_are_its_own_and_none_are_mixes() -> None:
    given = {"data": {"train": "x"}, "task": "audio-classification", "teacher": {"kind": "resnet_audio"}}
    recipe = Recipe.read(given, ["teacher.fine_tune.views.per_record=5", "views.speed=0.4"])
    plan = recipe.lesson_plan()
    assert (plan.per_record, plan.speed, plan.mixup_share) == (5, 0.2, 0.0)
    assert recipe.view_plan().speed == 0.4
    assert recipe.label_plan() == plan, "the student's views may go beyond what keeps a label, so the control has the teacher's"
    assert Recipe.read(given).label_plan() == Recipe.read(given).view_plan().keeping_labels()
    assert recipe.complete()["teacher"]["fine_tune"]["views"]["speed"] == 0.2
    assert Recipe.read(recipe.complete()).complete() == recipe.complete()
    again = Recipe.read(Recipe.read(given), ["teacher.fine_tune.views.per_record=5", "views.speed=0.4"])
    assert again.fingerprint() == recipe.fingerprint()
    assert Recipe.read(given).lesson_plan() is None


def test_values_are_taken_as_they_are() -> None:
    name = '👍 "a": [b].jsonl'
    assert Recipe.read({}, values={"data.train": name}).data.train == name


def test_a_file_that_is_no_recipe(tmp_path) -> None:
    with pytest.raises(InputFileError, match="cannot read the recipe"):
        Recipe.read(tmp_path / "absent.yaml")
    for content, message in (
        (b"- 1", "mapping"),
        (b"a: [", "not valid YAML"),
        (b"a: &a [*a]", "not valid YAML"),
        (b"\xff\xfe", "not UTF-8"),
    ):
        path = tmp_path / "recipe.yaml"
        path.write_bytes(content)
        with pytest.raises(RecipeError, match=message):
            Recipe.read(path)


def test_the_fingerprint_knows_everything_but_the_place() -> None:
    base = Recipe.read({"data": {"train": "x"}})
    assert base.fingerprint() == Recipe.read({"data": {"train": "/a/x"}, "out": "elsewhere"}).fingerprint()
    assert base.fingerprint() == Recipe.read({"data": {"train": "x"}, "student": {"width": 192}}).fingerprint()
    assert base.fingerprint() != Recipe.read({"data": {"train": "x"}, "seed": 1}).fingerprint()
    assert Recipe.read(base).fingerprint() == base.fingerprint()


def test_gates_are_strict_and_optional() -> None:
    asked = Recipe.read(
        {"data": {"train": "x"}}, ["verify.gates.class_drop=0.1", "verify.gates.bytes=3MB", "verify.gates.latency_p50=0.1ms"]
    ).verify
    assert asked.gates.model_dump(exclude_none=True) == {"bytes": 3_000_000, "latency_p50": 100.0, "class_drop": 0.1}
    assert (asked.least_agreement, asked.cross_fit_below, asked.folds, asked.repeats) == (0.9, 1000, 5, 2)
    with pytest.raises(RecipeError) as caught:
        Recipe.read({"data": {"train": "x"}, "verify": {"gates": {"class_dorp": 0.1, "ece": 2.0}, "folds": 1}})
    for message in ("verify.gates.class_dorp: unknown key. Did you mean 'class_drop'?", "verify.gates.ece: ", "verify.folds: "):
        assert message in str(caught.value)
