"""What a run proves: measurements, intervals, a verdict, and the report that holds them. Knows numbers and names; measures nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Literal, Self

from limbeck.findings import Checkup
from limbeck.types import Json

REPORT_SCHEMA = 2


class Verdict(StrEnum):
    """Whether the student kept the teacher's quality, by one-sided 95 % bounds."""

    KEPT = "kept"
    LOST = "lost"
    NOT_SHOWN = "not shown"


class Basis(StrEnum):
    """What a verdict is about.

    LABELS: accuracy on held-out labelled rows, by the written file. CROSS_FITTING: accuracy on all labelled rows, each answered by
    students that were trained without it, where labels are too few for a test split. AGREEMENT: how often the written file gives
    the teacher's answer on held-out rows without labels; accuracy is not measurable.
    """

    LABELS = "labels"
    CROSS_FITTING = "cross-fitting"
    AGREEMENT = "agreement"


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its bounds; `confidence` is that of each bound alone, so two bounds at 0.95 hold the truth 90 % of the time."""

    estimate: float
    low: float
    high: float
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Quality:
    """How a model answers held-out rows that have labels. Shares between 0 and 1.

    ece: expected calibration error of its probabilities as they come, and `ece_scaled` after its temperature; None where the model
    has no probabilities (a linear SVM) or no temperature. micro_f1: of several labels alone; accuracy is then the share of rows whose labels are all right.
    """

    accuracy: Interval
    macro_f1: Interval
    ece: float | None = None
    ece_scaled: float | None = None
    micro_f1: Interval | None = None

    @property
    def decisive(self) -> Interval:
        """The figure that a verdict is on: micro-F1 where several labels may apply, else accuracy."""
        return self.micro_f1 or self.accuracy


@dataclass(frozen=True, slots=True)
class Latency:
    """Microseconds per answer at batch 1 on one thread, from the raw payload to the label."""

    p50_us: float
    p95_us: float


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model costs on this machine.

    bytes: of the files needed to answer; bytes_compressed: the same as one deflated archive. peak_memory_bytes and cold_start_seconds:
    of a new process that loads it and answers once, from the start of the process. latency: taken in turns with the other models.
    What was not measured is None. `form` says what was measured ("onnx int8", "torch float32", "onnx int8 table": the products in float32).
    """

    form: str
    bytes: int
    parameters: int
    bytes_compressed: int | None = None
    latency: Latency | None = None
    peak_memory_bytes: int | None = None
    cold_start_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A model as it was measured; no quality where there are no labels, no footprint where it is not what is shipped or replaced."""

    what: str
    quality: Quality | None = None
    footprint: Footprint | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same rows: `first` held against `second` ("student" against "teacher").

    agreement: share of rows with the same answer. flips: rows with another answer. gained, lost: rows that only `first`, only `second` has right
    (counts are means over the repeats of cross-fitting); difference: accuracy of first - second; retention: accuracy of first / second (None where
    `second` is never or hardly ever right); mcnemar_p: two-sided exact, printed and deciding nothing. kl: mean of KL(second || first) in nats (None
    below 10 rows, or where a model has no probabilities). The others are None without labels. Of several labels an answer is all of them, and the
    verdict is on micro_f1_difference.
    """

    first: str
    second: str
    rows: int
    agreement: Interval
    flips: float
    kl: Interval | None = None
    difference: Interval | None = None
    retention: Interval | None = None
    macro_f1_difference: Interval | None = None
    gained: float | None = None
    lost: float | None = None
    mcnemar_p: float | None = None
    micro_f1_difference: Interval | None = None

    @property
    def decisive(self) -> Interval | None:
        """The difference that the verdict is on: of micro-F1 where several labels may apply, else of accuracy; None without labels."""
        return self.micro_f1_difference or self.difference


@dataclass(frozen=True, slots=True)
class ClassResult:
    """One class (or one value of a slice), by true label (by the teacher's answer where there are no labels): student - teacher on its rows.

    teacher, student: share of its rows that are right (that the student answers as the teacher does; of several labels: that are given it).
    difference: student - teacher with simultaneous bounds: each side holds for all classes at once in 95 % of all samples, by Holm's procedure for
    the drop that the gate names, or a tenth (limbeck.verify.classes). None below 10 rows.
    """

    label: str
    rows: int
    teacher: float
    student: float
    difference: Interval | None


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows parted by a column of the data, or by the length of their texts.

    values: those with ten rows or more, the one that lost most first, each as a class is, with bounds that hold for all classes and
    all slices at once. few: the others, up to eight of them by name; few_values, few_rows: how many there are and how many rows they
    have. without: rows with no value.
    """

    name: str
    values: tuple[ClassResult, ...]
    few: tuple[str, ...] = ()
    few_values: int = 0
    few_rows: int = 0
    without: int = 0


@dataclass(frozen=True, slots=True)
class Gate:
    """One optional limit: passed, not passed, or (None) not to be decided from these rows; `note` says why in words."""

    name: str
    limit: float
    measured: float | None
    passed: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes the student's probabilities honest, fitted on validation rows with the written file.

    temperature: logits are divided by it. threshold: an answer with a lower probability is an abstention. answered: share of the validation rows
    above it. rows: how many it was fitted on; 0: nothing was fitted. `against`: "labels" or "teacher". threshold_found: False where no threshold
    makes the answered rows as good as asked, or all good answers could be held back; then nothing is. thresholds: of several labels, in
    their order, the probability from which on each is given.
    """

    temperature: float = 1.0
    threshold: float = 0.0
    answered: float = 1.0
    rows: int = 0
    against: Literal["labels", "teacher"] = "labels"
    threshold_found: bool = True
    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a model refuses below its threshold. recall: share of the out-of-scope texts that are refused. cost: share of the judged
    rows whose right answer is held back (without labels: whose answer is the teacher's); None in cross-fitting, where other models
    answer these rows. Bounds are those of the texts, for this threshold; other validation rows would give another."""

    threshold: float
    recall: Interval
    cost: Interval | None


@dataclass(frozen=True, slots=True)
class OutOfScope:
    """What teacher and student refuse of texts that no class is for, each below a threshold from the same validation rows.

    rows: such texts. allowed: the share of rows that may lose a right answer by a threshold. difference: recall, student - teacher, on
    the same texts with these two thresholds. shown: whether there were validation rows enough to bound that share, at 95 %, on other rows; with
    fewer no right answer of theirs is held back.
    """

    rows: int
    allowed: float
    teacher: Refusal
    student: Refusal
    difference: Interval
    shown: bool = True


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """What students from several seeds reach, the shipped one first: accuracy, student - teacher, or without labels agreement. interval: their
    mean, with the bounds in which the mean over all seeds lies, for these rows. control: the same of controls from as many seeds, control -
    teacher, trained as long as the first one was chosen to be; none where the recipe asks for none. lead: the mean of the students less that of the controls, with its bounds over all seeds."""

    of: Literal["accuracy", "agreement"]
    values: tuple[float, ...]
    interval: Interval
    control: tuple[float, ...] = ()
    lead: Interval | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Teacher, student, the same student without the teacher, and a trivial baseline on the same held-out rows, and what follows.

    basis: what the verdict is about. held_out: where the rows came from. margin: the most that may be lost, in accuracy (of several labels in
    micro-F1); on AGREEMENT `least_agreement` takes its place. rows_to_show: how many held-out rows end in `kept` in 80 % of all cases if these are
    typical (None: no number does). rows_to_label: without labels, how many rows must be labelled to measure accuracy to within the margin.
    provable_margin: the smallest margin that as many rows show in 80 % of all cases for a student as good as its teacher that differs from it as
    often as this one (None without labels). budget_misses: sentences. out_of_scope: where such texts were given, and validation rows for a threshold.
    checkup: what the doctor found before the run. seeds: of several.
    """

    task: str
    basis: Basis
    rows: int
    held_out: str
    teacher: Measured
    student: Measured
    control: Measured | None
    baseline: Measured | None
    comparisons: tuple[Comparison, ...]
    classes: tuple[ClassResult, ...]
    margin: float
    least_agreement: float
    verdict: Verdict
    rows_to_show: int | None
    rows_to_label: int | None
    gates: tuple[Gate, ...]
    budget_misses: tuple[str, ...]
    calibration: Calibration
    notes: tuple[str, ...]
    seconds: Mapping[str, float]
    bundle: str
    lineage: Json
    provable_margin: float | None = None
    out_of_scope: OutOfScope | None = None
    slices: tuple[Slice, ...] = ()
    checkup: Checkup = field(default_factory=Checkup)
    seeds: SeedSpread | None = None
    schema_version: Literal[2] = 2

    @property
    def models(self) -> dict[str, Measured]:
        """The models that were measured, by the names that comparisons use."""
        named = {"teacher": self.teacher, "student": self.student, "control": self.control, "baseline": self.baseline}
        return {name: model for name, model in named.items() if model is not None}

    def against(self, second: str, first: str = "student") -> Comparison | None:
        """The comparison of two of its models, by name; None where it was not made."""
        return next((c for c in self.comparisons if (c.first, c.second) == (first, second)), None)

    @property
    def several(self) -> bool:
        """Whether several labels may apply to a row; then the verdict is on micro-F1."""
        return self.student.quality is not None and self.student.quality.micro_f1 is not None

    @property
    def measured_again(self) -> bool:
        """Whether this is no run's report, but a bundle's on rows that it was given later."""
        return "recipe" not in self.lineage

    @property
    def exit_code(self) -> int:
        """What a command that ends with this report returns: 0 kept, 3 lost or a gate or the budget missed, 4 not shown."""
        if self.verdict is Verdict.LOST or self.budget_misses or any(g.passed is False for g in self.gates):
            return 3
        return 0 if self.verdict is Verdict.KEPT else 4

    def to_json(self) -> Json:
        """The report as plain JSON, as it lies in evidence/report.json."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """The report back from its JSON.

        Raises:
            ValueError: it is not a report of this schema.
        """
        from pydantic import TypeAdapter

        found: Self = TypeAdapter(cls).validate_python(data)
        return found

    @classmethod
    def json_schema(cls) -> Json:
        """The JSON schema of evidence/report.json."""
        from pydantic import TypeAdapter

        return TypeAdapter(cls).json_schema()
