"""Recipes are strict, complete, and say all that is wrong at once."""

import pytest

from limbeck import Recipe
from limbeck.errors import InputFileError, RecipeError


def test_defaults_are_enough() -> None:
    recipe = Recipe.read({"data": {"train": "x.jsonl"}})
    assert [type(o).__name__ for o, _ in recipe.terms()] == ["SoftTargets", "HardLabels"]
    assert recipe.settings("students").width == 128


def test_all_problems_come_in_one_message() -> None:
    content = {
        "data": {"tran": "x"},
        "traning": {},
        "training": {"epochs": 0},
        "student": {"widht": 3, "hidden": "many"},
        "objectives": {"soft_target": {}, "hard_labels": {"weigth": 1}},
        "task": "text-clasification",
        "teacher": {"kind": "hugingface"},
        "views": {"splice_share": "much"},
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
        "11 problems",
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


def test_a_file_that_is_no_recipe(tmp_path) -> None:
    with pytest.raises(InputFileError, match="cannot read the recipe"):
        Recipe.read(tmp_path / "absent.yaml")
    for content, message in ((b"- 1", "mapping"), (b"a: [", "not valid YAML"), (b"\xff\xfe", "not UTF-8")):
        path = tmp_path / "recipe.yaml"
        path.write_bytes(content)
        with pytest.raises(RecipeError, match=message):
            Recipe.read(path)


def test_the_fingerprint_knows_everything_but_the_place() -> None:
    base = Recipe.read({"data": {"train": "x"}})
    assert base.fingerprint() == Recipe.read({"data": {"train": "x"}, "out": "elsewhere"}).fingerprint()
    assert base.fingerprint() != Recipe.read({"data": {"train": "x"}, "seed": 1}).fingerprint()
    assert Recipe.read(base).fingerprint() == base.fingerprint()
