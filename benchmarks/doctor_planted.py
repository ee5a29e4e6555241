"""The faults that the doctor's authors thought of, each with the codes of the findings that name it. Knows cases; runs nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from doctor_cases import INTENTS, Case, Fault, Row
from limbeck.students.bag import Bag
from limbeck.teachers.huggingface import HEAD_CONFIG, HEAD_FILE, Huggingface

DICE = 7
FAULTS: list[Fault] = []
Plant = Callable[[Case], Any]


def fault(*codes: str) -> Callable[[Plant], Plant]:
    """Enter a function into the list."""

    def enter(plant: Plant) -> Plant:
        FAULTS.append(Fault(plant.__name__, plant, codes))
        return plant

    return enter


# --- labels ---------------------------------------------------------------------------------------------------


def _relabel(case: Case, labels: list[str]) -> None:
    (case.own_teacher() / HEAD_CONFIG).write_text(json.dumps({"labels": labels, "pooling": "mean"}), encoding="utf-8")


@fault("labels_permuted")
def label_map_permuted(case: Case) -> None:
    labels = sorted(INTENTS)
    random.Random(DICE).shuffle(labels)
    _relabel(case, labels)


@fault("labels_permuted")
def label_map_moved_by_one(case: Case) -> None:
    labels = sorted(INTENTS)
    _relabel(case, [*labels[1:], labels[0]])


@fault("labels_permuted")
def two_labels_of_the_teacher_swapped(case: Case) -> None:
    labels = sorted(INTENTS)
    labels[2], labels[5] = labels[5], labels[2]
    _relabel(case, labels)


def _renamed(rows: list[Row], names: dict[str, str]) -> list[Row]:
    return [{**r, "label": names.get(r["label"], r["label"])} for r in rows]


@fault("labels_permuted")
def two_labels_of_the_data_swapped(case: Case) -> None:
    swap = {"stock": "gift_card", "gift_card": "stock"}
    case.train, case.test = _renamed(case.train, swap), _renamed(case.test or [], swap)


@fault("labels_permuted")
def labels_of_the_test_file_permuted(case: Case) -> None:
    names = sorted(INTENTS)
    case.test = _renamed(case.test or [], dict(zip(names, [*names[3:], *names[:3]], strict=True)))


def _shifted(rows: list[Row], by: int) -> list[Row]:
    return [{**r, "label": rows[(i - by) % len(rows)]["label"]} for i, r in enumerate(rows)]


@fault("labels_shifted")
def labels_shifted_by_a_row(case: Case) -> None:
    case.train = _shifted(case.train, 1)


@fault("labels_shifted")
def labels_shifted_back_without_a_head(case: Case) -> None:
    case.train, case.teacher = _shifted(case.train, -1), case.teacher.parent / "backbone"


@fault("labels_shifted")
def labels_of_the_test_file_shifted(case: Case) -> None:
    case.test = _shifted(case.test or [], 1)


@fault("labels_doubtful")
def noisy_labels(case: Case) -> None:
    dice = random.Random(DICE)
    case.train = [{**r, "label": dice.choice(INTENTS)} if dice.random() < 0.35 else r for r in case.train]


@fault("labels_say_nothing")
def random_labels_without_a_head(case: Case) -> None:
    dice = random.Random(DICE)
    case.train = [{**r, "label": dice.choice(INTENTS)} for r in case.train]
    case.teacher = case.teacher.parent / "backbone"


@fault("labels_are_no_classes")
def ids_for_labels(case: Case) -> None:
    case.train, case.test = [{**r, "label": f"ticket-{i}"} for i, r in enumerate(case.train)], None
    case.teacher = case.teacher.parent / "backbone"


@fault("similar_labels")
def labels_in_two_spellings(case: Case) -> None:
    case.train = [{**r, "label": r["label"].replace("_", " ").title()} if i % 5 == 0 else r for i, r in enumerate(case.train)]
    case.teacher = case.teacher.parent / "backbone"


@fault("label_in_text")
def label_in_the_text(case: Case) -> None:
    case.train = [{**r, "text": f"__label__{r['label']} {r['text']}"} for r in case.train]


@fault("class_absent")
def one_class_missing(case: Case) -> None:
    case.train = [r for r in case.train if r["label"] != "stock"]
    case.test = [r for r in case.test or [] if r["label"] != "stock"]


@fault("class_absent_from_test")
def one_class_missing_from_the_test_file(case: Case) -> None:
    case.test = [r for r in case.test or [] if r["label"] != "stock"]


@fault("data_unusable")
def one_class_missing_from_the_training_file(case: Case) -> None:
    case.train = [r for r in case.train if r["label"] != "stock"]


@fault("imbalanced")
def nearly_all_rows_of_one_class(case: Case) -> None:
    few = [next(r for r in case.train if r["label"] == label) for label in INTENTS if label != "stock"]
    most = [r for r in case.train if r["label"] == "stock"]
    case.train = [*few, *most, *({**r, "text": f"hello, {r['text']}"} for r in most)]


# --- rows -----------------------------------------------------------------------------------------------------


@fault("leak")
def test_file_is_the_training_file(case: Case) -> None:
    case.test = list(case.train)


@fault("leak")
def half_of_the_test_rows_train(case: Case) -> None:
    test = case.test or []
    case.train = [*case.train, *test[: len(test) // 2]]


@fault("leak_nearly")
def test_rows_train_with_other_signs(case: Case) -> None:
    test = case.test or []
    case.train = [*case.train, *({**r, "text": f"{r['text']} 12!!"} for r in test[: len(test) // 3])]


@fault("contradictory_labels")
def contradictory_labels(case: Case) -> None:
    others = {label: INTENTS[i - 1] for i, label in enumerate(INTENTS)}
    case.train = [*case.train, *({**r, "label": others[r["label"]]} for r in case.train[::10])]


@fault("duplicates")
def log_read_twice(case: Case) -> None:
    case.train = [*case.train, *case.train[: len(case.train) * 2 // 3]]


@fault("contradictory_labels", "data_unusable")
def all_texts_equal(case: Case) -> None:
    case.train, case.test = [{**r, "text": "hello"} for r in case.train], None


@fault("garbled_texts")
def texts_decoded_wrongly(case: Case) -> None:
    case.train = [{**r, "text": f"{r['text']} – café’s".encode().decode("cp1252", "ignore")} for r in case.train]


@fault("markup_in_texts")
def texts_of_a_page(case: Case) -> None:
    case.train = [{**r, "text": "<p>" + r["text"].replace("'", "&#39;").replace(" ", "&nbsp;", 1)} for r in case.train]


@fault("test_too_small")
def test_set_of_three_rows(case: Case) -> None:
    case.test = (case.test or [])[:3]


@fault("test_unlike_train")
def test_labels_at_random(case: Case) -> None:
    dice = random.Random(DICE)
    case.test = [{**r, "label": dice.choice(INTENTS)} for r in case.test or []]


# --- what the teacher reads -----------------------------------------------------------------------------------


def _tokenizer(case: Case, change: Callable[[dict[str, Any]], None]) -> None:
    path = case.own_teacher() / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@fault("normalisation")
def capitals_kept_for_an_uncased_teacher(case: Case) -> None:
    _tokenizer(case, lambda t: t["normalizer"].update(lowercase=False))
    config = case.teacher / "tokenizer_config.json"
    settings = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**settings, "do_lower_case": False}), encoding="utf-8")


def _renumbered(content: dict[str, Any], order: Callable[[list[str]], list[str]]) -> None:
    vocabulary: dict[str, int] = content["model"]["vocab"]
    signs = {t["content"] for t in content["added_tokens"]}
    free = sorted((w for w in vocabulary if w not in signs), key=vocabulary.__getitem__)
    places = [vocabulary[w] for w in free]
    content["model"]["vocab"] = {**{s: vocabulary[s] for s in signs}, **dict(zip(order(free), places, strict=False))}


@fault("tokenizer_of_another_model")
def tokenizer_of_another_model(case: Case) -> None:
    _tokenizer(case, lambda t: _renumbered(t, sorted))
    (case.teacher / "vocab.txt").unlink(missing_ok=True)


@fault("tokenizer_of_another_model")
def tokenizer_of_a_smaller_model(case: Case) -> None:
    _tokenizer(case, lambda t: _renumbered(t, lambda words: words[:12_000]))
    (case.teacher / "vocab.txt").unlink(missing_ok=True)


@fault("tokenizer_of_another_model", "teacher_unusable")
def tokenizer_of_a_larger_model(case: Case) -> None:
    def enlarge(content: dict[str, Any]) -> None:
        content["model"]["vocab"].update({f"piece{i}": 40_000 + i for i in range(5000)})

    _tokenizer(case, enlarge)
    (case.teacher / "vocab.txt").unlink(missing_ok=True)


@fault("words_in_pieces")
def texts_in_an_alphabet_that_it_hardly_knows(case: Case) -> None:
    greek = str.maketrans("abcdefghijklmnoprstuvwxyz", "αβψδεφγηιξκλμνοπρστθωςχυζ")
    case.train, case.test = (
        [{**r, "text": r["text"].lower().translate(greek)} for r in of] for of in (case.train, case.test or [])
    )


@fault("texts_cut")
def truncated_length(case: Case) -> None:
    case.recipe["teacher"] = {"max_tokens": 8}


@fault("texts_cut")
def long_texts(case: Case) -> None:
    case.train = [{**r, "text": " ".join([r["text"]] * 20)} if i % 3 == 0 else r for i, r in enumerate(case.train)]


# --- what the teacher answers ---------------------------------------------------------------------------------


def _head(case: Case, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = case.own_teacher() / HEAD_FILE
    weights = load_file(path)
    change(weights)
    save_file({k: v.contiguous() for k, v in weights.items()}, path)


@fault("teacher_at_chance", "teacher_constant")
def teacher_random(case: Case) -> None:
    path = case.own_teacher() / "model.safetensors"
    dice = torch.Generator().manual_seed(DICE)
    weights = load_file(path)
    drawn = {
        k: torch.randn(v.shape, generator=dice) * 0.05 if "weight" in k and "Norm" not in k else v for k, v in weights.items()
    }
    save_file({k: v.to(weights[k].dtype).contiguous() for k, v in drawn.items()}, path, metadata={"format": "pt"})


@fault("teacher_at_chance", "teacher_below_words")
def teacher_for_other_texts(case: Case) -> None:
    dice = torch.Generator().manual_seed(DICE)
    _head(case, lambda w: w.update(weight=torch.randn(w["weight"].shape, generator=dice)))


@fault("head_untrained")
def head_newly_initialised(case: Case) -> None:
    dice = torch.Generator().manual_seed(DICE)
    _head(
        case, lambda w: w.update(weight=torch.randn(w["weight"].shape, generator=dice) * 0.02, bias=torch.zeros_like(w["bias"]))
    )


@fault("teacher_unusable")
def head_missing_from_the_file(case: Case) -> None:
    folder = case.own_teacher()
    for name in (HEAD_FILE, HEAD_CONFIG):
        (folder / name).unlink()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = dict(enumerate(sorted(INTENTS)))
    config.update(architectures=["BertForSequenceClassification"], id2label=names, label2id={v: k for k, v in names.items()})
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


@fault("labels_unnamed")
def labels_that_the_teacher_does_not_know(case: Case) -> None:
    _relabel(case, [f"LABEL_{i}" for i in range(len(INTENTS))])


@fault("teacher_constant")
def teacher_constant(case: Case) -> None:
    _head(case, lambda w: w["bias"].__setitem__(4, 1000.0))


@fault("teacher_not_finite")
def head_of_nan(case: Case) -> None:
    _head(case, lambda w: w["weight"].fill_(float("nan")))


@fault("teacher_not_finite")
def one_number_of_the_head_is_nan(case: Case) -> None:
    _head(case, lambda w: w["weight"][3].__setitem__(5, float("inf")))


@fault("teacher_underconfident")
def temperature_applied_twice(case: Case) -> None:
    _head(case, lambda w: w.update(weight=w["weight"] / 4, bias=w["bias"] / 4))


@fault("teacher_overconfident")
def logits_multiplied(case: Case) -> None:
    case.teacher = case.teacher.parent / "hasty"
    _head(case, lambda w: w.update(weight=w["weight"] * 10, bias=w["bias"] * 10))


@fault("teacher_overconfident")
def logits_of_a_good_teacher_multiplied(case: Case) -> None:
    _head(case, lambda w: w.update(weight=w["weight"] * 10, bias=w["bias"] * 10))


@fault("class_missed")
def two_classes_that_the_teacher_merges(case: Case) -> None:
    _head(case, lambda w: (w["weight"].__setitem__(3, w["weight"][7]), w["bias"].__setitem__(3, w["bias"][7] - 1)))


def answering(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[], AbstractContextManager[Any]]:
    """While it is entered, each teacher's logits are changed in this way."""
    answer = Huggingface.answer

    def changed(self: Huggingface, payloads: Any, needs: Any) -> Any:
        found = answer(self, payloads, needs)
        return type(found)(**{**found.given(), "logits_BC": change(np.asarray(found.logits_BC)).astype(np.float32)})

    return lambda: mock.patch.object(Huggingface, "answer", changed)


@fault("probabilities_as_logits")
def softmax_applied_twice(case: Case) -> None:
    case.around.append(
        answering(lambda z: np.exp(z - z.max(1, keepdims=True)) / np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True))
    )


@fault("teacher_not_repeatable")
def dropout_left_on_in_the_teacher(case: Case) -> None:
    dice = np.random.default_rng(DICE)
    case.around.append(answering(lambda z: z + 0.3 * dice.standard_normal(z.shape)))


@fault("teacher_depends_on_batch")
def padding_read_as_text(case: Case) -> None:
    collate = Huggingface.collate

    def unmasked(self: Huggingface, encoded: Any) -> Any:
        found = collate(self, encoded)
        return {**found, "mask": np.ones_like(found["mask"])}

    case.around.append(lambda: mock.patch.object(Huggingface, "collate", unmasked))


# --- the student ----------------------------------------------------------------------------------------------


@fault("student_dead")
def student_frozen(case: Case) -> None:
    init = Bag.__init__

    def frozen(self: Bag, *args: Any, **how: Any) -> None:
        init(self, *args, **how)
        self.requires_grad_(False)

    case.around.append(lambda: mock.patch.object(Bag, "__init__", frozen))


@fault("student_in_eval_mode")
def student_in_eval_mode(case: Case) -> None:
    def train(self: Bag, mode: bool = True) -> Bag:
        del mode
        return torch.nn.Module.train(self, False)

    case.around.append(lambda: mock.patch.object(Bag, "train", train))


@fault("dropout_left_on")
def student_in_training_mode(case: Case) -> None:
    case.around.append(lambda: mock.patch.object(Bag, "eval", lambda self: torch.nn.Module.train(self, True)))


@fault("loss_scales")
def loss_scales_off(case: Case) -> None:
    case.recipe["objectives"] = {"soft_targets": {"weight": 1e4}, "hard_labels": {"weight": 0.1}}


@fault("temperature_too_high")
def temperature_of_a_thousand(case: Case) -> None:
    case.recipe["objectives"] = {"soft_targets": {"temperature": 1000.0}, "hard_labels": {"weight": 0.1}}


@fault("student_does_not_learn")
def learning_rate_next_to_nothing(case: Case) -> None:
    case.recipe["training"] = {"learning_rate": 1e-9}


@fault("student_diverges")
def learning_rate_far_too_high(case: Case) -> None:
    case.recipe["training"] = {"learning_rate": 1e4}
