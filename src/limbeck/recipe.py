"""Everything a run needs, as data. Knows the sections, their defaults and every kind of mistake in them; runs nothing.

A recipe is strict: an unknown key is an error that names the nearest known one, and all problems come in one message. The
sections `teacher`, `student` and `objectives` name an entry of an open folder; their further keys are the settings of that
entry and are checked against its own dataclass, as those of `views` are against the modality's plan of views.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from limbeck import catalog, settings, yaml
from limbeck.errors import LimbeckError, RecipeError
from limbeck.problems import entry_problems, sentences
from limbeck.sections import (
    SEARCH,
    DataSection,
    DoctorSection,
    ObjectiveSection,
    ReportSection,
    SearchSection,
    Section,
    StudentSection,
    TeacherSection,
    TrainingSection,
    VerifySection,
    ViewsSection,
    family_of,
)
from limbeck.settings import Count, Positive
from limbeck.types import Json, TrainingPlan, digest

FILES = ("train", "test", "unlabelled", "valid", "out_of_scope")
"""The keys of the section `data` that name a source."""
SHORT = {
    "data": "data.train",
    "test": "data.test",
    "teacher": "teacher.model",
    "out": "out",
    "budget": "student.budget",
    "profile": "search.profile",
}
"""What the commands call some keys."""


class Recipe(Section):
    """A whole run. `out` is where it lies, `signals` where the teacher's answers lie (default OUT/signals; parallel runs may share
    a folder), `track` who else is told of the learning curves (tensorboard, mlflow, wandb), `checkpoint_seconds` the least time
    between two checkpoints of a training, `report` what its page may show, `doctor` how its checks are taken: no part of its identity.

    `precision` is that of the teacher's answers and of training: auto takes bfloat16 where a measurement finds it faster.

    Example:
        >>> Recipe(data={"train": "logs.jsonl"}).student.family
        'bag'
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, title="recipe")

    data: DataSection
    task: str = "text-classification"
    teacher: TeacherSection = TeacherSection()
    views: ViewsSection = ViewsSection()
    student: StudentSection = StudentSection()
    search: SearchSection = SearchSection()
    objectives: dict[str, ObjectiveSection] = Field(default_factory=dict)
    training: TrainingSection = TrainingSection()
    verify: VerifySection = VerifySection()
    report: ReportSection = ReportSection()
    doctor: DoctorSection = DoctorSection()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    threads: Count | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    track: Literal["tensorboard", "mlflow", "wandb", "trackio"] | None = None
    signals: str | None = None
    checkpoint_seconds: Positive = 20.0
    out: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_its_task(cls, content: Any) -> Any:
        """With the kind of teacher and the family of students that the task has where none is named."""
        if not isinstance(content, dict) or not isinstance(name := content.get("task"), str):
            return content
        try:
            task = catalog.find("tasks", name)
        except LimbeckError:  # which `entry_problems` says
            return content
        teacher, student = content.get("teacher", {}), content.get("student", {})
        if isinstance(teacher, dict):
            content = {**content, "teacher": {"kind": task.teacher, **teacher}}
        if isinstance(student, dict):
            content = {**content, "student": {**student, "family": family_of(student, task.student)}}
        return content

    @property
    def several(self) -> bool:
        """Whether several labels may apply to a payload, or none: the task says so."""
        return bool(getattr(self.entry("tasks"), "several", False))

    @property
    def searches(self) -> bool:
        """Whether the search chooses the student."""
        return self.student.family == SEARCH

    def naming(self, student: Mapping[str, Any]) -> Self:
        """This recipe with a student that is named: its family and settings in place of the search."""
        kept = self.student.model_dump(mode="json", include={"budget", "keep", "start"})
        return self.read(self, values={"student": {**kept, **student}})

    def complete(self) -> Json:
        """The recipe as JSON with every setting of every entry, those that were left to their defaults among them.

        What a student that is still to be found recommends for its training is left out.
        """
        plain = self.model_dump(mode="json", exclude={"teacher", "student", "views", "objectives"})
        for name, folder, section in (("teacher", "teachers", self.teacher), ("student", "students", self.student)):
            own = section.model_dump(mode="json", include=set(type(section).model_fields))
            searched = name == "student" and self.searches
            plain[name] = own if searched else {**own, **settings.complete(self.entry(folder).Settings, section.settings)}
        if (views := self.teacher.fine_tune.views) is not None:
            plain["teacher"]["fine_tune"]["views"] = settings.complete(self.entry("modalities").view_plan, views.settings)
        if not self.searches:
            plain["training"] = dataclasses.asdict(self.training_plan())
        plain["views"] = settings.complete(self.entry("modalities").view_plan, self.views.settings)
        plain["objectives"] = {
            name: {"weight": section.weight, **settings.complete(catalog.find("objectives", name), section.settings)}
            for name, section in self._objectives().items()
        }
        return plain

    def identity(self) -> Json:
        """Everything in a recipe that decides the result, as JSON: all of it but where the run and its data lie."""
        identity = self.complete()
        for key in ("out", "signals", "track", "checkpoint_seconds", "report", "doctor"):
            del identity[key]
        for key in FILES:
            del identity["data"][key]
        del identity["search"]["profile"]
        for key in getattr(self.entry("teachers"), "operating", ()):  # how a teacher is asked, and not what
            del identity["teacher"][key]
        return identity

    def fingerprint(self) -> str:
        """The sha256 of the identity."""
        return digest(self.identity())

    @classmethod
    def asked(
        cls, source: str | Path | Mapping[str, Any] | Recipe | None, overrides: Sequence[str] = (), **short: str | Path | None
    ) -> Self:
        """`read` with the short forms that the commands have: data, test, teacher, out, budget, profile; None says nothing."""
        return cls.read(source or {}, overrides, {SHORT[key]: str(value) for key, value in short.items() if value is not None})

    @classmethod
    def read(
        cls,
        source: str | Path | Mapping[str, Any] | Recipe,
        overrides: Sequence[str] = (),
        values: Mapping[str, Any] | None = None,
    ) -> Self:
        """A recipe from a YAML 1.2 file, a mapping or another recipe.

        Args:
            source: the recipe.
            overrides: `key=value` in dotted form, the value as YAML; they come last.
            values: further settings, by dotted key, taken as they are.

        Raises:
            InputFileError: the file is missing or unreadable.
            RecipeError: YAML or its content is wrong; the message lists every problem.
        """
        if isinstance(source, Recipe):
            content, where = source.model_dump(mode="json"), "recipe"
        elif isinstance(source, Mapping):
            content, where = yaml.plain(source), "recipe"
        else:
            content, where = yaml.mapping(yaml.file_text(Path(source)), str(source)), str(source)
        problems: list[str] = []
        for key, value in (values or {}).items():
            _assign(content, key.split("."), value, key, problems)
        for override in overrides:
            key, equals, value = override.partition("=")
            if not equals or not key.strip():
                problems.append(f"--set {override}: expected key=value, for example --set student.width=64")
                continue
            _assign(content, key.strip().split("."), yaml.value(value), f"--set {override}", problems)
        content = yaml.plain(content)
        recipe: Self | None = None
        try:
            recipe = cls.model_validate(content)
        except ValidationError as error:
            problems += sentences(cls, error, content)
        problems += entry_problems(content, cls.model_fields["task"].default)
        if problems or recipe is None:
            lines = "\n".join(f"  - {p}" for p in dict.fromkeys(problems))
            noun = "problem" if len(set(problems)) == 1 else "problems"
            raise RecipeError(f"{where}: {len(set(problems))} {noun}\n{lines}\nMend them and run the same command again.")
        return recipe

    def entry(self, folder: str) -> Any:
        """The class that this recipe names in an open folder: 'tasks', 'modalities', 'teachers' or 'students'."""
        if folder == "modalities":
            return catalog.find(folder, self.entry("tasks").modality)
        return catalog.find(
            folder, {"teachers": self.teacher.kind, "students": self.student.family, "tasks": self.task}[folder]
        )

    def settings(self, folder: str) -> Any:
        """The checked settings of the teacher or the student."""
        section = {"teachers": self.teacher, "students": self.student}[folder]
        return settings.made(self.entry(folder).Settings, section.settings)

    def training_plan(self) -> TrainingPlan:
        """How the student is trained: what the recipe says, and what its family recommends for the rest."""
        given = {key: value for key, value in self.training.model_dump().items() if value is not None}
        recommended: TrainingPlan = self.entry("students").plan
        return dataclasses.replace(recommended, **given)

    def view_plan(self) -> Any:
        """The modality's plan of views."""
        return settings.made(self.entry("modalities").view_plan, self.views.settings)

    def lesson_plan(self) -> Any:
        """The plan of the views that a teacher is fine-tuned on, of kinds alone that keep a row's label; None: it learns the rows alone."""
        if (views := self.teacher.fine_tune.views) is None:
            return None
        return settings.made(self.entry("modalities").view_plan, views.settings).keeping_labels()

    def label_plan(self) -> Any:
        """The plan of the views that whoever has labels alone learns from: those of the fine-tuned teacher where it has its own, since the student's
        may go beyond what keeps a label; else the student's, but for mixes."""
        return self.lesson_plan() or self.view_plan().keeping_labels()

    def terms(self) -> list[tuple[Any, float]]:
        """Each objective with its weight; the task's defaults where the recipe names none."""
        return [
            (settings.made(catalog.find("objectives", name), section.settings), section.weight)
            for name, section in self._objectives().items()
        ]

    def _objectives(self) -> dict[str, ObjectiveSection]:
        defaults = self.entry("tasks").objectives.items()
        return self.objectives or {name: ObjectiveSection(weight=weight) for name, weight in defaults}


def _assign(content: Json, path: list[str], value: Any, where: str, problems: list[str]) -> None:
    section: Any = content
    for part in path[:-1]:
        if section.get(part) is None:
            section[part] = {}
        section = section[part]
        if not isinstance(section, dict):
            problems.append(f"{where}: '{part}' is a value, not a section")
            return
    section[path[-1]] = value
