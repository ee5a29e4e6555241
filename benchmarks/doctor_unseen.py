"""Faults that another hand planted after the doctor was written, without looking for what it can find. Knows cases; runs nothing.

Most of these went unnoticed at first (docs/diary.md); what the doctor has learned since is general, and each has the codes that name it now.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any
from unittest import mock
from urllib.parse import quote_plus

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from doctor_cases import INTENTS, Case, Fault, Row
from doctor_planted import answering
from limbeck.teachers.huggingface import Huggingface

DICE = 11
UNSEEN: list[Fault] = []
Plant = Callable[[Case], Any]


def fault(*codes: str) -> Callable[[Plant], Plant]:
    """Enter a function into the list."""

    def enter(plant: Plant) -> Plant:
        UNSEEN.append(Fault(plant.__name__, plant, codes))
        return plant

    return enter


def _training(case: Case, change: Callable[[str], str]) -> None:
    case.train = [{**r, "text": change(r["text"])} for r in case.train]


def _both(case: Case, change: Callable[[Row], Row]) -> None:
    case.train, case.test = [change(r) for r in case.train], [change(r) for r in case.test or []]


def _without_a_head(case: Case) -> None:
    case.teacher = case.teacher.parent / "backbone"


# --- labels ---------------------------------------------------------------------------------------------------


@fault("labels_shifted")
def labels_slip_from_a_row_on(case: Case) -> None:
    rows, first = case.train, len(case.train) * 6 // 10
    case.train = [{**r, "label": rows[i - 1]["label"]} if i >= first else r for i, r in enumerate(rows)]
    _without_a_head(case)


@fault("labels_say_nothing", "labels_wrong_in_part")
def labels_filled_down(case: Case) -> None:
    first = len(case.train) * 2 // 3
    case.train = [{**r, "label": case.train[first]["label"]} if i >= first else r for i, r in enumerate(case.train)]
    _without_a_head(case)


@fault("labels_doubtful")
def default_label_of_a_tool(case: Case) -> None:
    dice = random.Random(DICE)
    case.train = [{**r, "label": "human_agent"} if dice.random() < 0.3 else r for r in case.train]


@fault("label_in_text")
def code_of_the_label_in_the_text(case: Case) -> None:
    _both(case, lambda r: {**r, "text": f"[Q{INTENTS.index(r['label']):02d}] {r['text']}"})


@fault("label_in_text")
def table_read_as_one_column(case: Case) -> None:
    _both(case, lambda r: {**r, "text": f"{r['label']}\t{r['text']}"})


@fault("labels_unnamed")
def numbers_where_the_teacher_has_names(case: Case) -> None:
    _both(case, lambda r: {**r, "label": str(sorted(INTENTS).index(r["label"]))})


@fault("classes_alike")
def classes_under_two_names(case: Case) -> None:
    dice = random.Random(DICE)
    _both(case, lambda r: {**r, "label": f"{r['label']}_neu"} if dice.random() < 0.5 else r)
    _without_a_head(case)


@fault("labels_are_lists")
def several_labels_in_one(case: Case) -> None:
    dice = random.Random(DICE)
    case.train = [{**r, "label": "|".join(sorted({r["label"], dice.choice(INTENTS)}))} for r in case.train]
    case.test = None
    _without_a_head(case)


@fault("thin_classes")
def two_classes_merged_in_the_training_file(case: Case) -> None:
    case.train = [{**r, "label": "gift_card" if r["label"] == "discount_code" else r["label"]} for r in case.train]
    case.train.append({"text": "my code does not work at the till", "label": "discount_code"})


# --- texts ----------------------------------------------------------------------------------------------------


@fault("texts_end_at_a_length")
def texts_cut_to_twenty_characters(case: Case) -> None:
    _training(case, lambda t: t[:20])


@fault("texts_framed")
def whole_lines_for_texts(case: Case) -> None:
    _both(case, lambda r: {**r, "text": json.dumps({"id": len(r["text"]), "body": r["text"], "channel": "web"})})


@fault("test_unlike_train", "texts_framed")
def signature_under_the_training_texts(case: Case) -> None:
    _training(case, lambda t: f"visitor: {t} -- sent from the chat widget, this conversation may be recorded")


@fault("texts_without_spaces")
def spaces_lost(case: Case) -> None:
    _training(case, lambda t: t.replace(" ", ""))


@fault("texts_without_spaces")
def bytes_for_texts(case: Case) -> None:
    _training(case, lambda t: base64.b64encode(t.encode()).decode())


@fault("markup_in_texts")
def texts_of_an_address_line(case: Case) -> None:
    _training(case, quote_plus)


@fault("markup_in_texts")
def texts_as_a_program_prints_them(case: Case) -> None:
    _training(case, lambda t: repr((t + "\n").encode()))


@fault("garbled_texts")
def question_marks_for_letters(case: Case) -> None:
    case.train = [{**r, "text": r["text"].replace("e", "?")} if i % 2 else r for i, r in enumerate(case.train)]


@fault("unknown_tokens", "words_in_pieces")
def letters_of_full_width(case: Case) -> None:
    _both(case, lambda r: {**r, "text": r["text"].translate({c: c + 0xFEE0 for c in range(0x21, 0x7F)})})


@fault("contradictory_nearly")
def placeholders_with_numbers(case: Case) -> None:
    case.train = [{**r, "text": f"[deleted message {i}]"} if i % 4 == 0 else r for i, r in enumerate(case.train)]


@fault("contradictory_nearly")
def ticket_numbers_for_texts(case: Case) -> None:
    case.train = [{**r, "text": f"ticket {100_000 + 37 * i}"} for i, r in enumerate(case.train)]


@fault("contradictory_labels")
def missing_texts_as_nan(case: Case) -> None:
    case.train = [{**r, "text": "nan"} if i % 4 == 0 else r for i, r in enumerate(case.train)]


@fault("contradictory_nearly")
def copies_in_capitals_with_other_labels(case: Case) -> None:
    copies = [{"text": r["text"].upper() + "!", "label": INTENTS[INTENTS.index(r["label"]) - 5]} for r in case.train[::4]]
    case.train = [*case.train, *copies]


# --- files ----------------------------------------------------------------------------------------------------


@fault("leak_nearly")
def test_rows_train_with_a_greeting(case: Case) -> None:
    case.train = [*case.train, *({**r, "text": f"Hello there! {r['text']}"} for r in case.test or [])]


@fault("test_unlike_train")
def half_of_the_test_file_in_another_language(case: Case) -> None:
    words = ("wo", "ist", "mein", "paket", "bitte", "ich", "habe", "keine", "antwort", "seit", "gestern", "warte", "auf", "und")
    dice = random.Random(DICE)
    case.test = [{**r, "text": " ".join(dice.sample(words, 8))} if i % 2 else r for i, r in enumerate(case.test or [])]


def _valid(case: Case, rows: list[Row]) -> None:
    path = case.folder / "valid.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    case.recipe["data"] = {"valid": str(path)}


@fault("leak", "data_unusable")
def half_of_the_validation_file_trains(case: Case) -> None:
    _valid(case, case.train[::8])


@fault("data_unusable")
def validation_file_is_the_test_file(case: Case) -> None:
    _valid(case, list(case.test or []))


@fault("labels_permuted")
def labels_of_the_validation_file_permuted(case: Case) -> None:
    names = sorted(INTENTS)
    _valid(case, [{**r, "label": names[names.index(r["label"]) - 1]} for r in case.train[::4]])
    case.train = [r for i, r in enumerate(case.train) if i % 4]


# --- the teacher ----------------------------------------------------------------------------------------------


@fault("teacher_at_chance", "labels_permuted")
def logits_negated(case: Case) -> None:
    case.around.append(answering(lambda z: -z))


@fault("probabilities_as_logits")
def probabilities_in_percent(case: Case) -> None:
    def percent(z: np.ndarray) -> np.ndarray:
        raised = np.exp(z - z.max(axis=1, keepdims=True))
        found: np.ndarray = 100 * raised / raised.sum(axis=1, keepdims=True)
        return found

    case.around.append(answering(percent))


@fault("teacher_underconfident")
def a_sigmoid_behind_the_logits(case: Case) -> None:
    case.around.append(answering(lambda z: 1 / (1 + np.exp(-z))))


@fault("teacher_depends_on_batch")
def answers_late_by_a_row(case: Case) -> None:
    case.around.append(answering(lambda z: np.roll(z, 1, axis=0)))


@fault("teacher_at_chance", "teacher_below_words")
def texts_read_from_behind(case: Case) -> None:
    answer = Huggingface.answer
    case.around.append(
        lambda: mock.patch.object(
            Huggingface, "answer", lambda self, texts, needs: answer(self, [t[::-1] for t in texts], needs)
        )
    )


@fault("teacher_at_chance", "teacher_below_words")
def a_layer_newly_initialised(case: Case) -> None:
    path = case.own_teacher() / "model.safetensors"
    dice = torch.Generator().manual_seed(DICE)
    weights = {
        k: torch.randn(v.shape, generator=dice) * 0.5 if "layer.1." in k and v.ndim == 2 else v
        for k, v in load_file(path).items()
    }
    save_file({k: v.contiguous() for k, v in weights.items()}, path, metadata={"format": "pt"})


# --- the training ---------------------------------------------------------------------------------------------


@fault("few_steps")
def one_step_of_training(case: Case) -> None:
    case.recipe["training"] = {"batch_size": 1_000_000, "epochs": 1}


@fault("teacher_unused")
def no_objective_for_the_teacher(case: Case) -> None:
    case.recipe["objectives"] = {"hard_labels": {}}
