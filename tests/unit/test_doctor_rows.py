"""What is wrong with rows is found, and honest rows are left in peace."""

import random
from dataclasses import replace

import pytest

from limbeck.data.audit import audit
from limbeck.data.prepare import Prepared
from limbeck.data.split import split
from limbeck.doctor.power import power_finding
from limbeck.doctor.probe import probe, probe_findings
from limbeck.doctor.rows import row_findings
from limbeck.evidence import Basis
from limbeck.findings import Checkup, Severity, note, refusal, warning
from limbeck.text import key_of
from limbeck.types import Record

LABELS = ("cards", "loans", "parcels", "weather")
WORDS = {
    "cards": ["visa", "credit", "debit", "card", "pin", "chip", "plastic", "wallet"],
    "loans": ["mortgage", "interest", "loan", "repay", "lend", "borrow", "rate", "house"],
    "parcels": ["parcel", "courier", "track", "delivery", "box", "post", "van", "arrive"],
    "weather": ["rain", "sun", "snow", "wind", "storm", "cloud", "warm", "cold"],
}


def rows(number: int, seed: int = 0, file: str = "rows.jsonl") -> list[Record]:
    """Texts of six words, four of them of their class."""
    dice = random.Random(seed)
    found = []
    for line in range(number):
        label = dice.choice(LABELS)
        said = [*dice.sample(WORDS[label], 4), *(f"w{dice.randrange(10**6)}" for _ in range(2))]
        text = " ".join(dice.sample(said, 6))
        found.append(Record(key_of(text), text, label, where=f"{file}, line {line + 1}"))
    return found


def prepared(train: list[Record], test: list[Record] | None = None) -> Prepared:
    splits = split(train, test, test_share=0.2, cross_fit_below=1000)
    return Prepared(splits, audit(train, test, training=splits.train), (), tuple(train), tuple(test or ()))


def found(train: list[Record], test: list[Record] | None = None) -> dict[str, Severity]:
    return {f.code: f.severity for f in row_findings(prepared(train, test))}


def labelled(records: list[Record], label: str | None) -> list[Record]:
    return [replace(r, label=label) for r in records]


@pytest.mark.parametrize("seed", range(5))
def test_honest_rows_have_nothing_graver_than_a_note(seed: int) -> None:
    codes = found(rows(300, seed), rows(100, seed + 100, "test.jsonl"))
    assert set(codes.values()) <= {Severity.NOTE}


@pytest.mark.parametrize(
    ("train", "test", "code", "severity"),
    [
        (rows(200), rows(200)[:50], "leak", Severity.WARNING),
        (rows(200), rows(200)[:1] + rows(60, 9), "leak", Severity.NOTE),
        (rows(200), [replace(r, payload=f"{r.payload}, 7!", key=key_of(f"{r.payload}, 7!")) for r in rows(60)], "leak_nearly", Severity.WARNING),
        (rows(200) + labelled(rows(200)[:20], "cards"), rows(60, 9), "contradictory_labels", Severity.WARNING),
        (rows(200) + rows(200)[:100], rows(60, 9), "duplicates", Severity.WARNING),
        (rows(200) + rows(200)[:2], rows(60, 9), "duplicates", Severity.NOTE),
        (labelled(rows(200), "cards") + rows(12, 5), rows(60, 9), "imbalanced", Severity.WARNING),
        (rows(300) + labelled(rows(2, 5), "crads"), rows(60, 9), "thin_classes", Severity.WARNING),
        (rows(200), [r for r in rows(100, 9) if r.label != "loans"], "class_absent_from_test", Severity.WARNING),
        (rows(200), rows(4, 9), "class_absent_from_test", Severity.NOTE),
        ([replace(r, label=r.where) for r in rows(100)], None, "labels_are_no_classes", Severity.REFUSAL),
        ([replace(r, payload=f"__label__{r.label} {r.payload}") for r in rows(100)], None, "label_in_text", Severity.WARNING),
        ([replace(r, payload=f"{r.payload} cafÃ©") for r in rows(100)], None, "garbled_texts", Severity.WARNING),
        ([replace(r, payload=f"<p>{r.payload}") for r in rows(100)], None, "markup_in_texts", Severity.WARNING),
        ([*rows(100), replace(rows(1)[0], payload="it&#39;s", key="k")], None, "markup_in_texts", Severity.NOTE),
        (rows(100) + labelled(rows(30, 5), "Cards"), None, "similar_labels", Severity.WARNING),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(train: list[Record], test: list[Record] | None, code: str, severity: Severity) -> None:
    assert found(train, test)[code] == severity


def test_a_finding_says_where_to_look() -> None:
    leak = next(f for f in row_findings(prepared(rows(200), rows(200)[:50])) if f.code == "leak")
    assert "50 of 50 test rows (100.0%), the first: rows.jsonl, line 1" in leak.evidence


# --- the probe ------------------------------------------------------------------------------------------------


def probed(train: list[Record], test: list[Record]) -> dict[str, str]:
    words = probe(train, {"test": test}, LABELS)
    assert words is not None
    return {f.code: f"{f.what} {f.evidence}" for f in probe_findings(words, LABELS)}


def moved(records: list[Record], by: int) -> list[Record]:
    labels = [r.label for r in records]
    return [replace(r, label=labels[(i - by) % len(labels)]) for i, r in enumerate(records)]


@pytest.mark.parametrize("seed", range(5))
def test_the_probe_finds_nothing_in_honest_rows(seed: int) -> None:
    assert not probed(rows(300, seed), rows(100, seed + 100))


def test_the_probe_learns_them() -> None:
    words = probe(rows(300), {"test": rows(100, 9)}, LABELS)
    assert words is not None
    assert words.accuracy > 0.95
    assert (words.judged["test"].said_M == words.judged["test"].true_M).mean() > 0.95
    assert probe(rows(50), {}, LABELS) is None


@pytest.mark.parametrize(("by", "where"), [(1, "behind"), (-1, "before")])
def test_labels_that_slipped_by_a_row_are_found(by: int, where: str) -> None:
    assert f"in the row {where} it" in probed(moved(rows(300), by), rows(100, 9))["labels_shifted"]
    assert (
        f"In the test file the label of each text seems to stand in the row {where} it"
        in (probed(rows(300), moved(rows(100, 9), by))["labels_shifted"])
    )


def test_labels_at_random_say_nothing() -> None:
    dice = random.Random(0)
    assert "labels_say_nothing" in probed([replace(r, label=dice.choice(LABELS)) for r in rows(300)], [])


def test_a_test_file_with_other_names_is_found() -> None:
    swapped = {"cards": "loans", "loans": "cards"}
    told = probed(rows(300), [replace(r, label=swapped.get(str(r.label), r.label)) for r in rows(100, 9)])
    assert "'loans' is read as 'cards', 'cards' as 'loans'" in told["labels_permuted"]
    dice = random.Random(0)
    assert "test_unlike_train" in probed(rows(300), [replace(r, label=dice.choice(LABELS)) for r in rows(100, 9)])


# --- the test set, and how findings are told ----------------------------------------------------------------------


def test_a_small_test_set_is_a_finding_with_a_number_and_never_a_refusal() -> None:
    (three,) = power_finding(Basis.LABELS, 3, 0.02, 0.9)
    assert three.severity is Severity.WARNING
    assert "894 rows show the 2 points that are asked for: 891 more than there are" in three.evidence
    (many,) = power_finding(Basis.LABELS, 500, 0.02, 0.9)
    assert many.severity is Severity.NOTE
    assert not list(power_finding(Basis.LABELS, 1000, 0.02, 0.9))
    (agreement,) = power_finding(Basis.AGREEMENT, 20, 0.02, 0.9)
    assert agreement.severity is Severity.WARNING
    assert not list(power_finding(Basis.AGREEMENT, 1000, 0.02, 0.9))


def test_a_checkup_has_the_gravest_first_and_each_once() -> None:
    first, second, third = note("a", "", "", ""), warning("b", "", "", ""), refusal("c", "", "", "")
    checkup = Checkup.of([first, second, third, second])
    assert checkup.findings == (third, second, first)
    assert checkup.refusals == (third,)
    assert checkup.summary() == "1 refusal, 1 warning, 1 note"
    assert Checkup().summary() == "nothing found"
    assert Checkup.of([third], forced=True).forced
    assert not Checkup.of([second], forced=True).forced
    assert checkup.to_json()["findings"][0] == {"code": "c", "severity": "refusal", "what": "", "evidence": "", "advice": ""}
