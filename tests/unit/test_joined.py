"""A network and a linear model of words as one teacher."""

from __future__ import annotations

import numpy as np
import pytest

from limbeck.errors import RecipeError
from limbeck.metrics.probabilities import log_softmax
from limbeck.recipe import Recipe
from limbeck.tasks.text_classification import TextClassification
from limbeck.teachers._joined import Joined, joined, scores
from limbeck.types import Signal

LABELS = ("card", "loan", "rate")
TEXTS = ["my card is lost", "card stolen", "a loan please", "loan over ten years", "the rate today", "which rate is it"]
TRUE = ["card", "card", "loan", "loan", "rate", "rate"]


class Network:
    """Says the same of every text; lists its labels in another order than the linear model."""

    labels = ("rate", "card", "loan")
    tolerance, parameters, width, max_tokens, precision = 1e-5, 10, 4, 16, "float32"

    def gives(self):
        return frozenset({"logits_BC", "embedding_BD"})

    def fingerprint(self):
        return {"kind": "fixed", "weights": "w"}

    def answer(self, payloads, needs):
        many = {
            "logits_BC": np.tile(np.float32([1.0, 0.5, 0.0]), (len(payloads), 1)),
            "embedding_BD": np.ones((len(payloads), 4)),
        }
        return Signal(**{name: value for name, value in many.items() if name in needs})


def teacher(weights=(1.0, 2.0)) -> Joined:
    return Joined(Network(), TextClassification.linear(TEXTS, TRUE), weights, "rows", "fixed")


def test_the_words_decide_in_the_order_of_the_networks_labels() -> None:
    found = teacher().answer(TEXTS, frozenset({"logits_BC", "embedding_BD"}))
    assert [Network.labels[i] for i in found.logits_BC.argmax(axis=1)] == TRUE
    assert found.logits_BC.dtype == np.float32
    np.testing.assert_allclose(np.exp(found.logits_BC).sum(axis=1), 1.0, rtol=1e-6)
    assert found.embedding_BD.shape == (6, 4)
    assert teacher().answer(TEXTS, frozenset({"embedding_BD"})).logits_BC is None


def test_a_linear_model_without_weight_changes_nothing_and_one_alone_is_itself() -> None:
    scores_BC = scores(TextClassification.linear(TEXTS, TRUE), TEXTS, LABELS)
    logits_BC = np.random.default_rng(0).standard_normal((6, 3))
    np.testing.assert_allclose(joined(logits_BC, scores_BC, (1.0, 0.0)), log_softmax(logits_BC))
    np.testing.assert_allclose(joined(logits_BC, scores_BC, (0.0, 3.0)), log_softmax(3.0 * scores_BC))


def test_two_labels_and_a_label_that_no_row_has() -> None:
    linear = TextClassification.linear(TEXTS[:4], TRUE[:4])
    found = scores(linear, TEXTS[:4], ("loan", "rate", "card"))
    np.testing.assert_allclose(found[:, 0], -found[:, 2])
    assert (found[:, 1] == -1.0).all()
    assert (found[:2, 2] > 0).all()


def test_its_fingerprint_names_the_network_the_rows_and_the_weights() -> None:
    first, other = teacher(), teacher((1.0, 2.5))
    assert first.fingerprint() == teacher().fingerprint()
    assert first.fingerprint() != other.fingerprint()
    assert first.fingerprint()["weights"] == "w"
    elsewhere = Joined(Network(), first.linear, first.weights, "other rows", "fixed")
    assert elsewhere.fingerprint() != first.fingerprint()
    assert "counts" not in first.name
    assert "1.00 times" in first.remarks()[0]
    assert "2.00 times" in first.remarks()[0]


def test_another_form_of_the_network_answers_in_its_place() -> None:
    class Quick(Network):
        def fingerprint(self):
            return {"kind": "fixed", "weights": "w", "precision": "int8"}

    found = teacher().over(Quick())
    assert found.fingerprint()["precision"] == "int8"
    np.testing.assert_array_equal(
        found.answer(TEXTS, frozenset({"logits_BC"})).logits_BC, teacher().answer(TEXTS, frozenset({"logits_BC"})).logits_BC
    )


def test_nothing_to_learn_is_no_linear_model() -> None:
    assert TextClassification.linear(["a", "b"], ["x", "x"]) is None
    assert TextClassification.linear(["", " "], ["x", "y"]) is None


def test_a_task_without_words_has_none_beside_its_teacher() -> None:
    asked = {"task": "image-classification", "data": {"train": "x"}, "teacher": {"fine_tune": {"words": True}}}
    with pytest.raises(
        RecipeError, match=r"teacher\.fine_tune\.words: the task image-classification has no linear model of words"
    ):
        Recipe.read(asked)
    asked["task"] = "multi-label-text-classification"
    with pytest.raises(RecipeError, match=r"teacher\.fine_tune\.words"):
        Recipe.read(asked)
