"""The sections of a recipe: their keys, defaults and ranges. Knows values; knows no entry of an open folder and reads no file.

The sections `teacher`, `student`, `views` and each of `objectives` are open: their further keys are the settings of the entry
that they name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from limbeck import units
from limbeck.budget import Budget
from limbeck.callables import names_callable
from limbeck.settings import Count, CountOrZero, Positive, Probability, Share
from limbeck.types import Json

SEARCH = "search"
"""In place of a family of students: the search chooses one."""
Size = Annotated[int, BeforeValidator(units.size)]
Microseconds = Annotated[float, BeforeValidator(units.microseconds)]


class Section(BaseModel):
    """A closed section: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Open(BaseModel):
    """A section whose further keys are the settings of an entry of an open folder."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @property
    def settings(self) -> Json:
        """The keys that belong to the entry."""
        return dict(self.model_extra or {})


class DataSection(Section):
    """Where the records lie, and which share of the labelled ones is held out by the hash of the record's key.

    `text` is the column of the payloads; None: `text`, or of another task what its modality calls it (`image`, `audio`).
    `train` may hold rows without a label, or none with (say so with `label: null`); `unlabelled` is a further file whose labels, if any, are not looked at. `test_share` judges
    where there is no `test`; `valid`, or where there is no such file `valid_share`, chooses (the epoch of the teacher, the weights of the
    student) and trains no student. `out_of_scope` holds texts that no class is for: they train and choose nothing, and judge how many
    of them the student refuses (see `verify.abstain_cost`).
    `slices` are further columns of the rows that judge (a language, a source), or functions of their texts as package.module:callable (from a
    list of texts to a list of names or numbers): the report says of each of their values what was lost there.
    Rows that cannot be used are written to OUT/rejected.jsonl; where a file has a larger share of them than `max_rejected_share`, the
    fault is the file's, and the run does not start.
    Of a task of several labels the column holds a list; in csv and tsv a text whose parts `label_separator` parts: "card_lost|refund".
    """

    train: str
    test: str | None = None
    unlabelled: str | None = None
    valid: str | None = None
    out_of_scope: str | None = None
    text: str | None = None
    label: str | None = "label"
    label_separator: Annotated[str, Field(min_length=1)] | None = None
    slices: Annotated[tuple[str, ...], Field(strict=False)] = ()
    test_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    valid_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    max_rejected_share: Share = 0.05

    @property
    def slice_columns(self) -> tuple[str, ...]:
        """Those of the slices that are columns."""
        return tuple(name for name in self.slices if not names_callable(name))

    @property
    def slice_functions(self) -> tuple[str, ...]:
        """Those of the slices that are functions."""
        return tuple(name for name in self.slices if names_callable(name))

    @model_validator(mode="after")
    def _slices_part_rows(self) -> DataSection:
        """The text of a row is no slice: its values would stand in the report."""
        if (self.text or "text") in self.slices:
            raise ValueError(
                f"slices names '{self.text or 'text'}', the column of the texts; texts do not belong into a report. Name another column."
            )
        return self


class ViewsSection(Open):
    """How many further views of each record the teacher labels, and how they are made: the settings of the modality's plan."""


class FineTuneSection(Section):
    """How a backbone without a head learns the labels. Shares are of all steps.

    The epoch that is best on the validation rows is chosen, where these are a hundred at least; with `refit` the teacher is then trained
    again on training and validation rows together, as long as that. `seeds` teachers are trained, and their probabilities averaged. words: a
    linear model of words and letters, trained on the same rows, speaks beside them (texts with one label); how much each counts is what
    makes the labels of the validation rows that neither was trained with the most probable.
    epochs: None: 6, and where the rows are few as many as make 300 steps. self_training: rounds in which answers to the rows without a label train
    beside the labels: in the first those of their neighbours among all rows, as the untouched backbone sees them, then those of the teachers before;
    None: 1 where fewer than 1,000 training rows have a label and more have none, else 0. optimizer: muon suits networks from scratch, at
    rates near 0.01 and a weight_decay near 0.05; sgd (with Nesterov's momentum of 0.9) at rates near 0.1 and a weight_decay near 5e-4. views: settings like
    those of section `views`, of kinds that keep a label: the teacher learns so many views of each training row beside it; None: rows alone. A
    student's may be stronger, since the teacher says what they mean; the control has the teacher's, and it alone where a teacher has a head.
    """

    epochs: Count | None = None
    self_training: CountOrZero | None = None
    batch_size: Count = 64
    optimizer: Literal["adamw", "sgd", "muon"] = "adamw"
    learning_rate: Positive = 3e-4
    head_learning_rate: Positive = 1e-3
    weight_decay: Share = 0.01
    warmup_share: Share = 0.06
    frozen_layers: CountOrZero = 0
    refit: bool = True
    seeds: Count = 1
    words: bool = False
    views: ViewsSection | None = None


class FilterSection(Section):
    """Which of the teacher's answers teach no student. confidence: those whose best class is less probable (of votes: has a smaller share). disagreement: those
    on which the members of an ensemble disagree by more nats. suspects: where a linear model of words that has not seen the text is sure of another
    class (confident learning); `list` names them in evidence/suspects.jsonl, `drop` leaves them out as well.
    """

    confidence: Probability = 0.0
    disagreement: Positive | None = None
    suspects: Literal["off", "list", "drop"] = "off"


class TeacherSection(Open):
    """The kind of teacher (teachers/), its settings, and how it is fine-tuned if it has no head.

    map: the teacher's classes to the data's labels, where they are called otherwise or are finer; null leaves a class out. map_margin: classes that `map` does not
    name are mapped by what their names say, where the best one leads by so much (a difference of cosines); None: that is proposed, and nothing is mapped.
    calls: how many its training texts may take (validation rows and rows that judge are asked as well); None: all are asked. choose: those that it is
    asked about: active (typical ones first, then those that say most of what is still unsure), or random.
    gold: what a label of the data is where the teacher says something else of its text: it takes its place (override), or weighs beside it, as the
    objectives have it (weigh). prior: the shares of the classes in what the teacher has learned from, by label, or uniform; then its answers are corrected
    to their shares among these texts. None: they stay.
    """

    kind: str = "huggingface"
    map: dict[str, str | None] = Field(default_factory=dict)
    map_margin: Positive | None = None
    calls: Count | None = None
    choose: Literal["active", "random"] = "active"
    filter: FilterSection = FilterSection()
    gold: Literal["weigh", "override"] = "weigh"
    prior: Literal["uniform"] | dict[str, Positive] | None = None
    fine_tune: FineTuneSection = FineTuneSection()


class BudgetSection(Section):
    """Upper limits for the written student; see `limbeck.budget.Budget`. With units or without: 2MB, 100us; in one line: "2MB,100us"."""

    bytes: Size | None = None
    latency_p50: Microseconds | None = None
    memory: Size | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_one_line(cls, content: Any) -> Any:
        """`2MB,100us` as its limits; null as none."""
        return units.limits(content) if isinstance(content, str) else {} if content is None else content

    def budget(self) -> Budget:
        """The same limits as the noun."""
        return Budget(self.bytes, self.latency_p50, self.memory)


class StartSection(Section):
    """What a student reads and starts from, where that is not its teacher's.

    model: a text encoder (hub id or folder) whose tokenizer and embeddings it has. Where the teacher has no tokenizer and no model is named, a
    vocabulary of so many `pieces` is learned from the training texts. Texts are cut to `max_tokens`.
    """

    model: str | None = None
    pieces: Annotated[int, Field(ge=100)] = 8000
    max_tokens: Count = 128


class StudentSection(Open):
    """The family of the student (students/) and its settings; where a budget is given and no family, the search chooses both.

    keep: the least share of the teacher's accuracy that the search looks for (without labels `verify.least_agreement`), of which it takes the smallest
    student; all: the student that is nearest to the teacher, however large, within the budget. min_count: pieces in fewer of the training views than this
    share one row of the student's table, which says nothing.
    """

    family: str = "bag"
    budget: BudgetSection = BudgetSection()
    keep: Annotated[float, Field(gt=0.0, le=1.0)] | Literal["all"] = 0.99
    min_count: Count = 1
    start: StartSection = StartSection()

    @model_validator(mode="before")
    @classmethod
    def _named(cls, content: Any) -> Any:
        """With the family that it means."""
        return {**content, "family": family_of(content)} if isinstance(content, dict) else content


def family_of(student: Mapping[str, Any], default: str | None = None) -> Any:
    """The family that a section `student` names; where it names none: `search` if it sets a limit, else the default (`bag`)."""
    if "family" in student:
        return student["family"]
    budget = student.get("budget")
    limits = budget.values() if isinstance(budget, Mapping) else [budget]
    return SEARCH if any(limit is not None for limit in limits) else default or StudentSection.model_fields["family"].default


class SearchSection(Section):
    """What the search chooses from.

    families: of students (students/), with the sizes of their ladders; None: all. min_counts, precisions: each size is tried with
    these; int4 is that of tables, with products in int8 beside them. profile: what `limbeck measure` found on the machine that will run the student; None: it is measured here.
    """

    families: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None
    min_counts: Annotated[tuple[Count, ...], Field(strict=False, min_length=1)] = (1, 4)
    precisions: Annotated[tuple[Literal["int8", "int4", "float32"], ...], Field(strict=False, min_length=1)] = (
        "int8",
        "int4",
        "float32",
    )
    profile: str | None = None


class ObjectiveSection(Open):
    """The weight of one objective (objectives/) and its settings."""

    weight: Positive = 1.0


class TrainingSection(Section):
    """How the student is trained. What is left out is what its family recommends.

    `optimizer` is one of those of `teacher.fine_tune`; muon moved convolutions best at a learning_rate of 0.02 and a weight_decay of 0.05. `ema` is the decay
    per step of an exponential moving average of the weights; 0 is none. After each epoch the student is judged on the validation rows by its
    divergence from the teacher, and the best weights are kept.
    """

    epochs: Count | None = None
    batch_size: Count | None = None
    optimizer: Literal["adamw", "sgd", "muon"] | None = None
    learning_rate: Positive | None = None
    weight_decay: Share | None = None
    warmup_share: Share | None = None
    ema: Share | None = None


class GatesSection(Section):
    """Limits on the written student that the verdict does not speak of; a missed one makes exit code 3. None is no gate.

    retention: the least share of the teacher's accuracy that must be shown to be kept (its lower bound). bytes: of the bundle.
    latency_p50: per answer. Both with units or without, as in a budget. ece: expected calibration error after temperature scaling. flips: the largest share of rows
    with another answer than the teacher's. class_drop: the most that any class may be shown not to have lost in accuracy (its
    lower bound, adjusted by Holm over all classes); classes with too few rows are named and decide nothing.
    """

    retention: Positive | None = None
    bytes: Size | None = None
    latency_p50: Microseconds | None = None
    ece: Probability | None = None
    flips: Probability | None = None
    class_drop: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None


class VerifySection(Section):
    """What is asked of the written student, and beside what it is measured.

    margin: the most accuracy that may be lost. least_agreement: without labels, the share of rows on which the student must be shown
    to answer as the teacher does. cross_fit_below: with fewer labelled rows than this and no `data.test`, all of them are answered by
    students that were trained without them, in `folds` parts, `repeats` times, instead of holding some out (of several labels some are always held
    out). abstain_cost: with
    `data.out_of_scope`, the share of rows whose right answer may be held back by the threshold below which the student abstains, at 95 % and for
    rows other than those of validation; where these are too few to show it, no right answer of theirs is. control: train the same
    student without the teacher (without labels: on the teacher's answers alone, not its probabilities). baseline: a linear model of words.
    seeds: so many students are trained, from seeds of their own, and as many controls; the report gives means and ranges. 3 at least say
    something.
    levels: what parts the two levels of a label, as "/" does in card/lost; answers are then judged by the first level too.
    latency_queries: texts that are timed. cold_starts: new processes in which each model is loaded to measure memory and cold start.
    """

    margin: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.02
    least_agreement: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.9
    cross_fit_below: CountOrZero = 1000
    folds: Annotated[int, Field(ge=2)] = 5
    repeats: Count = 2
    abstain_cost: Share = 0.01
    control: bool = True
    baseline: bool = True
    levels: Annotated[str, Field(min_length=1)] | None = None
    latency_queries: Count = 200
    cold_starts: CountOrZero = 5
    seeds: Count = 1
    gates: GatesSection = GatesSection()


class ReportSection(Section):
    """What the page of the run may show. texts: the rows in which the student is surest and wrong, with their texts (e-mail addresses, numbers and
    the like replaced); else no text of the data stands on any page. No part of a run's identity.
    """

    texts: bool = False


class DoctorSection(Section):
    """The checks before a run; no part of its identity. force: go on in spite of a refusal; the report says so. price: of a million
    tokens that the teacher reads, in your currency; with it the costs are estimated."""

    force: bool = False
    price: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
