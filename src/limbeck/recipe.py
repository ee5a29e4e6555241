"""Everything a run needs, as data. Knows the sections, their defaults and every kind of mistake in them; runs nothing.

A recipe is strict: an unknown key is an error that names the nearest known one, and all problems come in one message. The
sections `teacher`, `student` and `objectives` name an entry of an open folder; their further keys are the settings of that
entry and are checked against its own dataclass.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from limbeck import catalog
from limbeck.errors import InputFileError, LimbeckError, RecipeError, nearest
from limbeck.types import Budget, Json, digest

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Open(BaseModel):
    """A section whose further keys are the settings of an entry of an open folder."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @property
    def settings(self) -> Json:
        """The keys that belong to the entry."""
        return dict(self.model_extra or {})


class DataSection(_Section):
    """Where the records lie, and which share of them is held out by the hash of the record's key."""

    train: str
    test: str | None = None
    text: str = "text"
    label: str = "label"
    test_share: Share = 0.2
    valid_share: Share = 0.0


class FineTuneSection(_Section):
    """How a backbone without a head learns the labels. Shares are of all steps."""

    epochs: Count = 6
    batch_size: Count = 64
    learning_rate: Positive = 3e-4
    head_learning_rate: Positive = 1e-3
    weight_decay: Share = 0.01
    warmup_share: Share = 0.06
    frozen_layers: Annotated[int, Field(ge=0)] = 0


class TeacherSection(_Open):
    """The kind of teacher (teachers/), its settings, and how it is fine-tuned if it has no head."""

    kind: str = "huggingface"
    fine_tune: FineTuneSection = FineTuneSection()


class ViewsSection(_Section):
    """How many views of each record the teacher labels beside the record itself, and how they are made."""

    per_record: Annotated[int, Field(ge=0)] = 8
    drop_share: Share = 0.2
    splice_share: Share = 0.4
    typo_share: Share = 0.1


class BudgetSection(_Section):
    """Upper limits for the written student; see `limbeck.types.Budget`."""

    bytes: Count | None = None
    latency_p50_us: Positive | None = None
    memory_bytes: Count | None = None

    def budget(self) -> Budget:
        """The same limits as the noun."""
        return Budget(self.bytes, self.latency_p50_us, self.memory_bytes)


class StudentSection(_Open):
    """The family of the student (students/) and its settings."""

    family: str = "bag"
    budget: BudgetSection = BudgetSection()


class ObjectiveSection(_Open):
    """The weight of one objective (objectives/) and its settings."""

    weight: Positive = 1.0


class TrainingSection(_Section):
    """How the student is trained."""

    epochs: Count = 20
    batch_size: Count = 128
    learning_rate: Positive = 5e-3
    weight_decay: Share = 0.01
    warmup_share: Share = 0.05


class VerifySection(_Section):
    """What is asked of the written student."""

    margin: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.02
    latency_queries: Count = 200


class Recipe(_Section):
    """A whole run. `out` is where it lies and is not part of its identity.

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
    objectives: dict[str, ObjectiveSection] = {}
    training: TrainingSection = TrainingSection()
    verify: VerifySection = VerifySection()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    threads: Count | None = None
    out: str | None = None

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.views.splice_share + self.views.typo_share > 1:
            raise ValueError("views.splice_share and views.typo_share add up to more than 1")
        return self

    def identity(self) -> Json:
        """Everything that decides the result, as JSON."""
        return self.model_dump(mode="json", exclude={"out"})

    def fingerprint(self) -> str:
        """The sha256 of the identity."""
        return digest(self.identity())

    @classmethod
    def read(cls, source: str | Path | Mapping[str, Any] | Recipe, overrides: Sequence[str] = ()) -> Self:
        """A recipe from a YAML 1.2 file, a mapping or another recipe, with `key=value` overrides in dotted form.

        Raises:
            InputFileError: the file is missing or unreadable.
            RecipeError: YAML or its content is wrong; the message lists every problem.
        """
        if isinstance(source, Recipe):
            content, where = source.model_dump(mode="json"), "recipe"
        elif isinstance(source, Mapping):
            content, where = _copied(source), "recipe"
        else:
            content, where = _yaml_mapping(_file_text(Path(source)), str(source)), str(source)
        problems: list[str] = []
        for override in overrides:
            key, equals, value = override.partition("=")
            if not equals or not key.strip():
                problems.append(f"--set {override}: expected key=value, for example --set student.width=64")
                continue
            _assign(content, key.strip().split("."), _yaml_value(value), f"--set {override}", problems)
        content = _plain(content)
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
        """The class that this recipe names in an open folder: 'teachers', 'students' or 'tasks'."""
        name = {"teachers": self.teacher.kind, "students": self.student.family, "tasks": self.task}[folder]
        return catalog.find(folder, name)

    def settings(self, folder: str) -> Any:
        """The checked settings of the teacher or the student."""
        section = {"teachers": self.teacher, "students": self.student}[folder]
        return TypeAdapter(self.entry(folder).Settings).validate_python(section.settings)

    def terms(self) -> list[tuple[Any, float]]:
        """Each objective with its weight; the task's defaults where the recipe names none."""
        sections = self.objectives or {
            name: ObjectiveSection(weight=weight) for name, weight in self.entry("tasks").objectives.items()
        }
        return [
            (TypeAdapter(catalog.find("objectives", name)).validate_python(section.settings), section.weight)
            for name, section in sections.items()
        ]


def _entry_problems(content: Json) -> list[str]:
    """What is wrong with names of entries and with their settings."""
    problems: list[str] = []

    def check(path: str, folder: str, name: object, settings: object, own: type[BaseModel] | None) -> None:
        if not isinstance(name, str):
            return  # pydantic has said so
        try:
            found = catalog.find(folder, name)
        except LimbeckError as error:
            problems.append(f"{path}: {error}")
            return
        if own is None or not isinstance(settings, Mapping):
            return
        declared: Any = found if dataclasses.is_dataclass(found) else found.Settings
        known = [f.name for f in dataclasses.fields(declared)]
        mine = {key: value for key, value in settings.items() if key not in own.model_fields}
        problems.extend(
            f"{path}.{key}: unknown key.{nearest(key, [*known, *own.model_fields])}" for key in mine if key not in known
        )
        try:
            TypeAdapter(declared).validate_python({k: v for k, v in mine.items() if k in known})
        except ValidationError as error:
            problems.extend(f"{path}.{_dotted(d['loc'])}: {_reason(d)}" for d in error.errors())

    check("task", "tasks", content.get("task", "text-classification"), None, None)
    for path, folder, key, own in (
        ("teacher", "teachers", "kind", TeacherSection),
        ("student", "students", "family", StudentSection),
    ):
        section = content.get(path, {})
        if isinstance(section, Mapping):
            default = own.model_fields[key].default
            check(path, folder, section.get(key, default), section, own)
    objectives = content.get("objectives", {})
    if isinstance(objectives, Mapping):
        for name, section in objectives.items():
            check(f"objectives.{name}", "objectives", name, section, ObjectiveSection)
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


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}). Save it as UTF-8.") from error
    except OSError as error:
        raise InputFileError(f"cannot read the recipe {path}: {error.strerror}. Check the path.") from error


def _yaml_mapping(text: str, where: str) -> Json:
    content = _parsed(text, where)
    if not isinstance(content, Mapping):
        raise RecipeError(
            f"{where}: a recipe is a mapping of sections such as 'data:'; this file holds {type(content).__name__}"
        )
    return _copied(content)


def _yaml_value(text: str) -> Any:
    try:
        return _parsed(text, "--set")
    except RecipeError:
        return text


def _parsed(text: str, where: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return _plain(YAML(typ="safe", pure=True).load(io.StringIO(text)))
    except YAMLError as error:
        raise RecipeError(f"{where}: not valid YAML\n{error}") from error


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


def _copied(value: Mapping[str, Any]) -> Json:
    copy: Json = _plain(value)
    return copy


def _plain(value: Any) -> Any:
    """The same content as plain dicts, lists and scalars; a path becomes text."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value
