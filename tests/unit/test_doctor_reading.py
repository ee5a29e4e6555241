"""What a tokenizer does to texts, and whether it is that of the table; what a first lesson and sizes say."""

import numpy as np
import pytest

from limbeck.doctor.estimates import Paid, Plan, estimate_findings
from limbeck.doctor.lesson import Lesson, lesson_findings
from limbeck.doctor.reading import kinship, reading_findings
from limbeck.findings import Severity

STEMS = [f"{a}{b}{c}o" for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnr"]
WORDS = ["[PAD]", "[UNK]", *STEMS, *(f"{w}s" for w in STEMS)]
TOKENIZER = {
    "version": "1.0",
    "model": {
        "type": "WordPiece", "vocab": {w: i for i, w in enumerate(WORDS)}, "unk_token": "[UNK]",
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    },
    "pre_tokenizer": {"type": "Whitespace"},
}  # fmt: skip
TEXTS = [" ".join(STEMS[(i + k) % len(STEMS)] for k in range(5)) for i in range(100)]


def table(related: bool = True, learned: bool = True) -> np.ndarray:
    """Embeddings in which a word and its form lie near, or not, of unequal lengths, or of those that dice give."""
    dice = np.random.default_rng(0)
    stems = dice.normal(size=(len(STEMS), 64))
    forms = stems + 0.5 * dice.normal(size=stems.shape) if related else dice.normal(size=stems.shape)
    found = np.concatenate([dice.normal(size=(2, 64)), stems, forms])
    return found * dice.uniform(0.3, 2.0, (len(found), 1)) if learned else found


def codes(texts: list[str], embeddings: np.ndarray | None = None, max_tokens: int = 32) -> list[str]:
    return [f.code for f in reading_findings(TOKENIZER, table() if embeddings is None else embeddings, max_tokens, texts)]


def test_a_tokenizer_that_reads_its_texts_is_left_in_peace() -> None:
    assert not codes(TEXTS)
    assert not codes([])
    assert not codes(TEXTS, table(related=False, learned=False))  # a table that nobody has trained says nothing


def test_the_tokenizer_of_another_model() -> None:
    assert codes(TEXTS, table()[:100]) == ["tokenizer_of_another_model"]
    assert codes(TEXTS, np.concatenate([table(), np.ones((5000, 64))])) == ["tokenizer_of_another_model"]
    assert codes(TEXTS, table(related=False)) == ["tokenizer_of_another_model"]
    assert codes(TEXTS, table()[np.random.default_rng(0).permutation(len(WORDS))]) == ["tokenizer_of_another_model"]
    assert not codes(TEXTS, np.concatenate([table(), np.ones((24, 64))]))  # rows up to a round number are usual


def test_few_words_have_no_kin() -> None:
    assert kinship({"word": 0, "words": 1}, np.ones((2, 8))) is None


def test_capitals_that_the_tokenizer_does_not_know() -> None:
    (finding,) = reading_findings(TOKENIZER, table(), 32, [t.capitalize() for t in TEXTS])
    assert (finding.code, finding.severity) == ("normalisation", Severity.WARNING)
    assert "20.0% of the tokens are unknown to it; written in small letters, 0.0% are" in finding.evidence
    assert codes([t.replace("o ", "ó ", 1) for t in TEXTS]) == ["normalisation"]


def test_texts_that_the_tokenizer_does_not_know() -> None:
    assert codes([f"{t} 你好" for t in TEXTS]) == ["unknown_tokens"]
    assert not codes([*TEXTS, "xyz"])


def test_texts_that_are_cut() -> None:
    (finding,) = reading_findings(TOKENIZER, table(), 5, [*TEXTS[:50], *STEMS])
    assert finding.code == "texts_cut"
    assert "50 of 290 texts (17.2%) have more than 3 tokens; half of these have 5 or more" in finding.evidence
    assert not codes([*TEXTS[:5], *STEMS], max_tokens=5)


def test_words_in_many_pieces() -> None:
    letters = {"[UNK]": 0, **{c: i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz", 1)}}
    letters |= {f"##{c}": i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz", 27)}
    tokenizer = {**TOKENIZER, "model": {**TOKENIZER["model"], "vocab": letters}}
    assert [f.code for f in reading_findings(tokenizer, np.ones((53, 4)), 128, TEXTS)] == ["words_in_pieces"]


# --- the student's first lesson -------------------------------------------------------------------------------------

GOOD = Lesson((3.0, 2.5, 2.0, 1.0), {"soft_targets": 2.0, "hard_labels": 0.5}, 1000, 1e-3)


@pytest.mark.parametrize(
    ("changed", "code", "severity"),
    [
        ({"trainable": 0}, "student_dead", Severity.REFUSAL),
        ({"gradients": {"soft_targets": 0.0, "hard_labels": 0.0}}, "student_dead", Severity.REFUSAL),
        ({"losses": (3.0, float("nan"))}, "student_diverges", Severity.REFUSAL),
        ({"losses": (3.0, 40.0, 900.0, 800.0)}, "student_diverges", Severity.WARNING),
        ({"losses": (3.0, 3.0, 2.99, 2.99)}, "student_does_not_learn", Severity.WARNING),
        ({"gradients": {"soft_targets": 2e4, "hard_labels": 0.5}}, "loss_scales", Severity.WARNING),
        ({"asleep": ("dropout",)}, "student_in_eval_mode", Severity.WARNING),
        ({"awake": ("dropout",)}, "dropout_left_on", Severity.REFUSAL),
        ({"noise": 0.1}, "dropout_left_on", Severity.REFUSAL),
        ({"softened": {"soft_targets": (9.0, 1.01)}}, "temperature_too_high", Severity.WARNING),
        ({"apart": 0.0}, "student_constant", Severity.WARNING),
    ],
)
def test_what_a_first_lesson_shows(changed: dict, code: str, severity: Severity) -> None:
    lesson = Lesson(**{f: getattr(GOOD, f) for f in Lesson.__dataclass_fields__} | changed)
    assert [(f.code, f.severity) for f in lesson_findings(lesson)] == [(code, severity)]


def test_a_student_that_learns_is_left_in_peace() -> None:
    assert not list(lesson_findings(GOOD))
    unsure = Lesson(GOOD.losses, GOOD.gradients, 1000, 1e-3, softened={"soft_targets": (1.05, 1.01)})
    assert not list(lesson_findings(unsure))
    unlabelled = Lesson(GOOD.losses, {"soft_targets": 2.0, "hard_labels": 0.0}, 1000, 1e-3)
    assert not list(lesson_findings(unlabelled))
    slow = Lesson((3.0, 2.999), GOOD.gradients, 1000, 1e-3, complete=False)  # time was up: nothing is known
    assert not list(lesson_findings(slow))


# --- what it will cost ---------------------------------------------------------------------------------------------

PLAN = Plan(22_000_000, 11_000_000, 77, 100_000, 16.0, 8000, 6, 1, 1e11, 10**11, 10**11)


def test_costs_are_a_note_and_what_is_lacking_more() -> None:
    (costs,) = estimate_findings(PLAN)
    assert costs.severity is Severity.NOTE
    assert "352 MB of memory, 213 MB of disk, for 100,000 views of 16 tokens and 6 epochs over 8,000 examples" in costs.evidence
    # 2 * 11e6 * 16 operations a text, at 4e10 a second: 8.8 ms, for 100,000 + 3 * 2 * 48,000 texts.
    assert PLAN.seconds == pytest.approx(0.0088 * 388_000)
    assert costs.evidence.startswith("57 min, ")

    def found(**changed: float) -> list[tuple[str, str]]:
        plan = Plan(**{f: getattr(PLAN, f) for f in Plan.__dataclass_fields__} | changed)
        return [(f.code, f.severity.value) for f in estimate_findings(plan)]

    assert ("disk_too_small", "refusal") in found(free_disk=10**6)
    assert ("memory_too_small", "warning") in found(memory=10**6)


def test_money_where_tokens_have_a_price() -> None:
    plan = Plan(**{f: getattr(PLAN, f) for f in Plan.__dataclass_fields__} | {"price": 2.5})
    (costs,) = estimate_findings(plan)
    assert "4.00 for the teacher's tokens" in costs.evidence


@pytest.mark.parametrize(
    ("money", "told", "advice"), [(12.5, "prices that is 12.50", "max_cost"), (None, "not known", "teacher.price_in")]
)
def test_what_a_paid_teacher_is_still_to_be_asked(money, told, advice) -> None:
    plan = Plan(**{f: getattr(PLAN, f) for f in Plan.__dataclass_fields__} | {"paid": Paid(1234, 50_000, 2468, money)})
    (costs,) = estimate_findings(plan)
    assert "1,234 calls are still to be made, with 50,000 tokens in and 2,468 out" in costs.evidence
    assert told in costs.evidence
    assert advice in costs.advice
