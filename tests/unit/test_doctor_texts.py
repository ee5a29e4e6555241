"""What machines do to texts and labels is found, and honest rows are left in peace."""

import base64
import json
import random
import re
from dataclasses import replace
from urllib.parse import quote_plus

import numpy as np
import pytest

from limbeck.data.audit import audit
from limbeck.data.prepare import Prepared
from limbeck.data.split import split
from limbeck.doctor.answers import Asked, answer_findings
from limbeck.doctor.calibration import standing
from limbeck.doctor.lesson import plan_findings
from limbeck.doctor.likeness import likeness_findings
from limbeck.doctor.parts import part_findings
from limbeck.doctor.probe import probe, probe_findings
from limbeck.doctor.rows import row_findings
from limbeck.findings import Severity
from limbeck.text import key_of
from limbeck.types import Record

LABELS = ("cards", "loans", "parcels", "weather", "music")
TOPICS = [[f"{first}{vowel}{last}" for vowel in "aeio" for last in "dns"] for first in "kvmzr"]
COMMON = [
    "please",
    "my",
    "the",
    "when",
    "is",
    "where",
    "not",
    "how",
    "can",
    "still",
    "about",
    "today",
    "again",
    "help",
    "with",
    "it",
]
GREEK = str.maketrans("abcdefghiklmnoprst", "αβψδεφγηικλμνοπρστ")


def rows(number: int, seed: int = 0, file: str = "rows.jsonl") -> list[Record]:
    """Texts of three to nine words, one to three of them of their class."""
    dice = random.Random(seed)
    found = []
    for line in range(number):
        c = dice.randrange(len(LABELS))
        said = [*dice.sample(TOPICS[c], dice.randint(1, 3)), *dice.sample(COMMON, dice.randint(2, 6))]
        text = " ".join(dice.sample(said, len(said))) + dice.choice(["", "?", "."])
        found.append(Record(key_of(text), text, LABELS[c], where=f"{file}, line {line + 1}"))
    return found


def written(records: list[Record], change) -> list[Record]:
    texts = [change(r.payload) for r in records]
    return [replace(r, payload=text, key=key_of(text)) for r, text in zip(records, texts, strict=True)]


def grave(train: list[Record], test: list[Record], valid: list[Record] | None = None) -> dict[str, str]:
    """Refusals and warnings of all checks that need no teacher."""
    splits = split(train, test, test_share=0.2, cross_fit_below=1000)
    prepared = Prepared(splits, audit(train, test, training=splits.train), (), tuple(train), tuple(test), tuple(valid or ()))
    words = probe(train, {"test": test, "validation": valid or []}, splits.labels)
    assert words is not None
    found = [*row_findings(prepared), *likeness_findings(train, test), *probe_findings(words, splits.labels)]
    return {f.code: str(f) for f in reversed(found) if f.severity is not Severity.NOTE}  # the first of a code


@pytest.mark.parametrize("seed", range(6))
def test_honest_rows_have_nothing(seed: int) -> None:
    by_class = sorted(rows(400, seed), key=lambda r: str(r.label))
    assert grave(by_class, rows(150, seed + 100, "test.jsonl"), rows(80, seed + 200, "valid.jsonl")) == {}


@pytest.mark.parametrize(
    ("code", "change", "said"),
    [
        ("texts_end_at_a_length", lambda t: t[:14], "have 14 characters, and none has more, the first: rows.jsonl, line"),
        ("texts_framed", lambda t: json.dumps({"id": len(t), "body": t}), r"""begin with '\{"id": 0, "b'"""),
        ("texts_framed", lambda t: f"{t} -- sent from the app", "end with 'rom the app'|end with 'from the app'"),
        ("texts_without_spaces", lambda t: base64.b64encode(t.encode()).decode(), "have no space"),
        ("markup_in_texts", quote_plus, "escapes such as %20"),
        ("markup_in_texts", lambda t: repr((t + "\n").encode()), "escapes"),
        ("garbled_texts", lambda t: t.replace("e", "?"), "a question mark within a word"),
        ("test_unlike_train", lambda t: f"webchat {t} visitor", "'visitor' stands in 100% of the training texts and in 0%"),
        ("test_unlike_train", lambda t: t.translate(GREEK), "at least half of the words"),
    ],
)
def test_texts_that_no_customer_wrote(code, change, said) -> None:
    assert (told := grave(written(rows(400), change), rows(150, 1, "test.jsonl"))).get(code), told
    assert re.search(said, told[code]), told[code]


def coded(records: list[Record]) -> list[Record]:
    return [written([r], lambda t, r=r: f"[Q{LABELS.index(str(r.label))}7] {t}")[0] for r in records]


def test_a_sign_of_the_label_in_the_text() -> None:
    told = grave(coded(rows(300)), coded(rows(120, 1)))["label_in_text"]
    assert "nearly all texts of 5 of 5 classes" in told
    assert "'q" in told


def test_labels_that_are_lists() -> None:
    dice = random.Random(0)
    listed = [replace(r, label="|".join(sorted({str(r.label), dice.choice(LABELS)}))) for r in rows(300)]
    assert "made of others" in grave(listed, listed[:50])["labels_are_lists"]


def test_texts_that_differ_in_numbers_only() -> None:
    train = [r if i % 5 else written([r], lambda _, i=i: f"[deleted message {i}]")[0] for i, r in enumerate(rows(300))]
    assert "60 of 300" in grave(train, rows(100, 1))["contradictory_nearly"]
    ids = [written([r], lambda _, i=i: f"ticket-{i}")[0] for i, r in enumerate(rows(300))]
    assert "hold numbers or ids" in grave(ids, rows(100, 1))["contradictory_nearly"]


def test_leaks_by_words_around_and_of_the_validation_file() -> None:
    test = [r for r in rows(150, 1, "test.jsonl") if len(r.payload) > 22]
    assert "words around them" in grave([*rows(300), *written(test, lambda t: f"Hello! {t} thanks")], test)["leak_nearly"]
    assert "validation file are also training rows" in grave(rows(300), test, rows(300)[:50])["leak"]
    assert "validation file are also test rows" in grave(rows(300), test, test[:50])["leak"]


def test_labels_of_the_validation_file() -> None:
    moved = [replace(r, label=LABELS[LABELS.index(str(r.label)) - 1]) for r in rows(150, 3)]
    assert "The validation file has its labels in another order" in grave(rows(300), rows(100, 1), moved)["labels_permuted"]


def test_labels_that_slip_in_a_part_of_the_file() -> None:
    train = rows(500)
    slipped = [r if i < 300 else replace(r, label=train[i - 1].label) for i, r in enumerate(train)]
    told = grave(slipped, rows(100, 1))["labels_shifted"]
    assert "in the row behind it" in told
    first = int(told.split("from rows.jsonl, line ")[1].split()[0])
    assert abs(first - 301) < 15
    dice = random.Random(0)
    noisy = [replace(r, label=dice.choice(LABELS)) if 100 <= i < 250 else r for i, r in enumerate(train)]
    told = grave(noisy, rows(100, 1))["labels_wrong_in_part"]
    assert abs(int(told.split("from rows.jsonl, line ")[1].split()[0]) - 101) < 15
    assert abs(int(told.split("to rows.jsonl, line ")[1].split(",")[0]) - 250) < 15


def test_classes_under_two_names() -> None:
    two = [replace(r, label=f"{r.label}_alt") if i % 2 and r.label == "cards" else r for i, r in enumerate(rows(500))]
    assert "'cards' and 'cards_alt'" in grave(two, two[:100])["classes_alike"]


@pytest.mark.parametrize("seed", range(20))
def test_chance_makes_no_part_worse(seed: int) -> None:
    """A file in the order of its classes, of which some are hard: no part of it is to blame."""
    dice = np.random.default_rng(seed)
    true = np.repeat(np.arange(6), 80)
    right = dice.random(len(true)) < np.repeat([0.95, 0.9, 0.3, 0.9, 0.5, 0.95], 80)
    said = np.where(right, true, (true + dice.integers(1, 6, len(true))) % 6)
    assert not list(part_findings(true, said, [f"line {i}" for i in range(len(true))], list("abcdef")))


def test_a_class_that_the_teacher_prefers() -> None:
    dice = np.random.default_rng(0)
    true = np.arange(360) % 6
    logits = dice.normal(size=(360, 6)) + 4 * np.eye(6)[true] + 3.0 * (np.arange(6) == 2)
    none = np.full(360, -1)
    told = {f.code: str(f) for f in answer_findings(Asked(logits, true, none, none, tuple("abcdef")))}
    assert "'c' far more often" in told["class_preferred"]
    logits -= 3.0 * (np.arange(6) == 2)
    assert "class_preferred" not in {f.code for f in answer_findings(Asked(logits, true, none, none, tuple("abcdef")))}


def test_what_a_good_teacher_is_worth() -> None:
    true = np.arange(100) % 4
    logits = 3.0 * np.eye(4)[np.where(np.arange(100) < 90, true, (true + 1) % 4)]
    told = standing(true, logits, 0.5)
    assert told.severity is Severity.NOTE
    # By hand: 90 of 100, and e^3 / (e^3 + 3) = 0.870 everywhere.
    assert re.search(
        r"right on 90.0% of 100 labelled rows \(bounds 8\d.\d% and 9\d.\d%, each at 95%\) and 87.0% sure", told.evidence
    )
    assert "calibration error 0.03); a linear model of words is right on 50.0%" in told.evidence


def test_probabilities_in_percent() -> None:
    dice = np.random.default_rng(0)
    raised = np.exp(dice.normal(size=(60, 4)))
    none = np.full(60, -1)
    asked = Asked(100 * raised / raised.sum(axis=1, keepdims=True), none, none, none, tuple("abcd"))
    assert "sum to 100" in str(next(f for f in answer_findings(asked) if f.code == "probabilities_as_logits"))


def test_plans_that_teach_nothing() -> None:
    assert [f.code for f in plan_findings(1, 1, 10**6, False)] == ["few_steps", "teacher_unused"]
    assert "1 epoch in batches of 1,000,000 make 1 step." in str(next(plan_findings(1, 1, 10**6, True)))
    assert not list(plan_findings(200, 10, 64, True))
