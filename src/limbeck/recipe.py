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

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from limbeck import catalog, settings, yaml
from limbeck.errors import LimbeckError, RecipeError, nearest
from limbeck.sections import (
    SEARCH,
    DataSection,
    ObjectiveSection,
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


class Recipe(Section):
    """A whole run. `out` is where it lies, `signals` where the teacher's answers lie (default OUT/signals; parallel runs may share
    a folder), `track` who else is told of the learning curves (tensorboard, mlflow, wandb), `checkpoint_seconds` the least time
    between two checkpoints of a training: no part of its identity.

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
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    threads: Count | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    track: Literal["tensorboard", "mlflow", "wandb", "trackio"] | None = None
    signals: str | None = None
    checkpoint_seconds: Positive = 20.0
    out: str | None = None

    @property
    def searches(self) -> bool:
        """Whether the search chooses the student."""
        return self.student.family == SEARCH

    def naming(self, student: Mapping[str, Any]) -> Self:
        """This recipe with a student that is named: its family and settings in place of the search."""
        kept = self.student.model_dump(mode="json", include={"budget", "keep"})
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
        for key in ("out", "signals", "track", "checkpoint_seconds"):
            del identity[key]
        for key in ("train", "test", "unlabelled"):
            del identity["data"][key]
        del identity["search"]["profile"]
        return identity

    def fingerprint(self) -> str:
        """The sha256 of the identity."""
        return digest(self.identity())

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
            problems += [_sentence(cls, details) for details in error.errors()]
        problems += _entry_problems(content)
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

    def terms(self) -> list[tuple[Any, float]]:
        """Each objective with its weight; the task's defaults where the recipe names none."""
        return [
            (settings.made(catalog.find("objectives", name), section.settings), section.weight)
            for name, section in self._objectives().items()
        ]

    def _objectives(self) -> dict[str, ObjectiveSection]:
        defaults = self.entry("tasks").objectives.items()
        return self.objectives or {name: ObjectiveSection(weight=weight) for name, weight in defaults}


def _entry_problems(content: Json) -> list[str]:
    """What is wrong with names of entries and with their settings."""
    problems: list[str] = []

    def found(path: str, folder: str, name: object) -> Any:
        if isinstance(name, str):  # else pydantic has said so
            try:
                return catalog.find(folder, name)
            except LimbeckError as error:
                problems.append(f"{path}: {error}")
        return None

    def check(path: str, declared: type, values: object, own: type[BaseModel]) -> None:
        if not isinstance(values, Mapping):
            return
        mine = {key: value for key, value in values.items() if key not in own.model_fields}
        known = [*(f.name for f in dataclasses.fields(declared)), *own.model_fields]
        try:
            settings.made(declared, mine)
        except ValidationError as error:
            for details in error.errors():
                unknown = details["type"] == "extra_forbidden"
                reason = f"unknown key.{nearest(str(details['loc'][-1]), known)}" if unknown else _reason(details)
                problems.append(f"{_dotted([path, *details['loc']])}: {reason}")
        except ValueError as error:  # what a dataclass itself refuses
            problems.append(f"{path}: {error}")

    default = Recipe.model_fields["task"].default
    task = found("task", "tasks", content.get("task", default)) or catalog.find("tasks", default)
    check("views", catalog.find("modalities", task.modality).view_plan, content.get("views", {}), ViewsSection)
    for path, folder, key, own in (
        ("teacher", "teachers", "kind", TeacherSection),
        ("student", "students", "family", StudentSection),
    ):
        section = content.get(path, {})
        if not isinstance(section, Mapping):
            continue
        name = family_of(section) if folder == "students" else section.get(key, own.model_fields[key].default)
        if name == SEARCH and folder == "students":
            problems += _search_problems(content, section)
        elif entry := found(path, folder, name):
            check(path, entry.Settings, section, own)
    families = search.get("families") if isinstance(search := content.get("search"), Mapping) else None
    for name in families if isinstance(families, list) else ():
        found("search.families", "students", name)
    objectives = content.get("objectives", {})
    if isinstance(objectives, Mapping):
        for name, section in objectives.items():
            if objective := found(f"objectives.{name}", "objectives", name):
                check(f"objectives.{name}", objective, section, ObjectiveSection)
    return problems


def _search_problems(content: Json, student: Mapping[str, Any]) -> list[str]:
    """What a recipe says that a search cannot do with."""
    known = StudentSection.model_fields
    problems = [
        f"student.{key}: the search chooses the student's settings; name a student.family to choose them.{nearest(key, known)}"
        for key in student
        if key not in known
    ]
    if "min_count" in student and student["min_count"] != known["min_count"].default:
        problems.append("student.min_count: the search chooses it among search.min_counts; set those, or name a student.family")
    data = content.get("data")
    if isinstance(data, Mapping) and data.get("valid_share") == 0:
        problems.append(
            "data.valid_share: is 0, but the search of a student judges on validation rows. Set it to 0.1, or name a student.family"
        )
    return problems


def _sentence(root: type[BaseModel], details: Any) -> str:
    path = _dotted(details["loc"])
    if details["type"] == "extra_forbidden":
        return f"{path}: unknown key.{nearest(str(details['loc'][-1]), _known_keys(root, details['loc'][:-1]))}"
    return f"{path}: {_reason(details)}" if path else _reason(details)


def _reason(details: Any) -> str:
    if details["type"] == "missing":
        return "is missing"
    reason = str(details["msg"]).removeprefix("Value error, ")
    value = details["input"]
    return f"{reason}; got {value!r}" if isinstance(value, str | int | float | bool | None) else reason


def _known_keys(root: type[BaseModel], path: Sequence[Any]) -> list[str]:
    model: Any = root
    for part in path:
        found = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        model = found.annotation if found else None
    return list(model.model_fields) if hasattr(model, "model_fields") else []


def _dotted(path: Sequence[Any]) -> str:
    return ".".join(str(part) for part in path)


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
