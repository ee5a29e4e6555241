"""What is wrong with a recipe, in words. Knows sections and the settings of entries; knows no whole recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from limbeck import catalog, settings
from limbeck.errors import LimbeckError, nearest
from limbeck.sections import SEARCH, ObjectiveSection, StudentSection, TeacherSection, ViewsSection, family_of
from limbeck.types import Json


def entry_problems(content: Json, default_task: str) -> list[str]:
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
        try:
            settings.made(declared, mine)
        except ValidationError as error:
            problems.extend(sentences(settings.checker(declared), error, mine, path, list(own.model_fields)))
        except ValueError as error:  # what a dataclass itself refuses
            problems.append(f"{path}: {error}")

    task = found("task", "tasks", content.get("task", default_task)) or catalog.find("tasks", default_task)
    view_plan = catalog.find("modalities", task.modality).view_plan
    check("views", view_plan, content.get("views", {}), ViewsSection)
    for path, folder, key, own in (
        ("teacher", "teachers", "kind", TeacherSection),
        ("student", "students", "family", StudentSection),
    ):
        section = content.get(path, {})
        if not isinstance(section, Mapping):
            continue
        name = family_of(section, task.student) if folder == "students" else section.get(key, task.teacher)
        if name == SEARCH and folder == "students":
            problems += _search_problems(content, section)
        elif entry := found(path, folder, name):
            check(path, entry.Settings, section, own)
            if (reads := getattr(entry, "modality", task.modality)) != task.modality:
                problems.append(
                    f"{path}.{key}: '{name}' reads {reads}, and the task {content.get('task', default_task)} is of {task.modality}"
                )
    families = search.get("families") if isinstance(search := content.get("search"), Mapping) else None
    for name in families if isinstance(families, list) else ():
        family = found("search.families", "students", name)
        if family and family.modality != task.modality:
            problems.append(
                f"search.families: '{name}' reads {family.modality}, and the task {content.get('task', default_task)} is of {task.modality}"
            )
    objectives = content.get("objectives", {})
    if isinstance(objectives, Mapping):
        for name, section in objectives.items():
            if objective := found(f"objectives.{name}", "objectives", name):
                check(f"objectives.{name}", objective, section, ObjectiveSection)
                problems += _of_another_task(name, objective, task, content.get("task", default_task))
    tuning = teacher.get("fine_tune") if isinstance(teacher := content.get("teacher"), Mapping) else None
    if isinstance(tuning, Mapping):
        check("teacher.fine_tune.views", view_plan, tuning.get("views"), ViewsSection)
        if isinstance(lesson := tuning.get("views"), Mapping) and lesson.get("live"):
            problems.append("teacher.fine_tune.views.live: the teacher's own views are drawn once. Leave it out")
    if isinstance(tuning, Mapping) and tuning.get("words") is True and not hasattr(task, "linear"):
        problems.append(
            f"teacher.fine_tune.words: the task {content.get('task', default_task)} has no linear model of words. Leave it out"
        )
    return [*problems, *(_several_problems(content) if getattr(task, "several", False) else [])]


def _of_another_task(name: str, objective: Any, task: Any, called: Any) -> list[str]:
    """An objective whose answers are read otherwise than the task's: one label, or a yes or no for each of several."""
    of, asked = getattr(objective, "several", False), bool(getattr(task, "several", False))
    if of in (None, asked):
        return []
    what = "several labels, each with a yes or no of its own" if of else "one label among all"
    return [f"objectives.{name}: it is of {what}, and the task {called} is not. Its own are {', '.join(task.objectives)}"]


_OF_ONE_LABEL = {
    "data.out_of_scope": "a text that no label applies to is a row whose list of labels is empty. Give it among data.train and data.test",
    "teacher.map": "classes are not mapped where several apply. Call the teacher's labels as the data does",
    "teacher.map_margin": "classes are not mapped where several apply. Leave it out",
    "teacher.calls": "which texts are asked about is chosen for one label among all. Leave it out: all texts are asked",
    "teacher.filter": "an answer of several labels is not unsure or suspect as a whole. Leave it out",
    "teacher.gold": "a list of labels weighs beside the teacher's answer and does not override it. Leave it out",
    "teacher.prior": "the shares of several labels do not sum to 1. Leave it out",
    "teacher.fine_tune.seeds": "teachers of several labels are not averaged. Leave it out",
    "teacher.fine_tune.self_training": "rows without labels do not train a teacher of several labels. Leave it out",
    "verify.levels": "the first level of several labels is not judged by itself. Leave it out",
    "verify.seeds": "students of further seeds are not judged by micro-F1. Leave it out",
    "verify.gates.retention": "it is a share of the teacher's accuracy, and the verdict is on micro-F1. Leave it out: verify.margin says what may be lost",
    "verify.gates.class_drop": "its bounds are of accuracy. Leave it out: the report says of each label what was lost",
}
"""What a recipe for several labels cannot ask for, and what to do instead."""


def _several_problems(content: Json) -> list[str]:
    """What a recipe asks that is made for one label among all."""
    idle: tuple[Any, ...] = (None, {}, "weigh", 0)  # what these keys hold where nothing is asked
    problems = []
    for path, why in _OF_ONE_LABEL.items():
        value: Any = content
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if path == "teacher.filter" and isinstance(value, Mapping):
            value = {k: v for k, v in value.items() if v not in (0.0, None, "off")}
        if value not in idle and not (value == 1 and path.endswith("seeds")):
            problems.append(f"{path}: {why}")
    student = content.get("student")
    if isinstance(student, Mapping) and family_of(student, "") == SEARCH:
        problems.append(
            "student.family: the search judges by one label. Name a family, such as bag; its size is judged against the budget"
        )
    kind = teacher.get("kind") if isinstance(teacher := content.get("teacher"), Mapping) else None
    try:
        entry = catalog.find("teachers", kind) if isinstance(kind, str) else None
    except LimbeckError:  # said before
        entry = None
    if entry is not None and not hasattr(entry, "answers_with"):
        able = "function, huggingface, openai, recorded, sklearn"
        problems.append(
            f"teacher.kind: '{kind}' gives one label of all; with several labels to a text a teacher may be of kind {able}"
        )
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


def sentences(
    root: type[BaseModel], error: ValidationError, content: Any, under: str = "", known: Sequence[str] = ()
) -> list[str]:
    """What pydantic found, in words: what the branches of a union want as one, an unknown key with the nearest known one.

    Args:
        root: the model that was validated.
        error: what it raised.
        content: what it was given.
        under: the path of the content.
        known: further keys that may stand beside those of `root`.
    """
    found = [(_place(root, details, content), details) for details in error.errors()]
    said: dict[tuple[Any, ...], list[str]] = {}
    got: dict[tuple[Any, ...], str] = {}
    for place, details in found:
        # What lies in a value is wrong: then the value itself is not to be another one, or longer.
        if any(len(other) > len(place) and other[: len(place)] == place for other, _ in found):
            continue
        if details["type"] == "extra_forbidden":
            beside = [*_known_keys(root, place[:-1]), *(known if len(place) == 1 else ())]
            reason = f"unknown key.{nearest(str(place[-1]), beside)}"
        elif details["type"] == "model_type":
            keys = ", ".join(_known_keys(root, place))
            reason = "must hold keys with their values" + (f", such as {keys}" if keys else "")
        else:
            reason = _reason(details)
        said.setdefault(place, []).append(reason)
        got[place] = _got(details)
    paths = {place: ".".join(map(str, (under, *place) if under else place)) for place in said}
    return [f"{paths[place]}: {_either(said[place])}{got[place]}".removeprefix(": ") for place in said]


def _place(root: type[BaseModel], details: Any, content: Any) -> tuple[Any, ...]:
    """Where a value lies, without what pydantic calls the branches of a union. The content may be a text that a section reads as its keys."""
    found: list[Any] = []
    for part in details["loc"]:
        if (isinstance(content, Mapping) and part in content) or (
            isinstance(content, Sequence) and not isinstance(content, str) and isinstance(part, int) and part < len(content)
        ):
            content = content[part]
        elif part in _known_keys(root, found) or (details["type"] == "extra_forbidden" and part == details["loc"][-1]):
            content = None
        else:
            continue
        found.append(part)
    return tuple(found)


def _either(reasons: Sequence[str]) -> str:
    """What several branches want of one value."""
    first, *others = dict.fromkeys(reasons)
    return " or ".join([first, *(other.removeprefix("Input should be ") for other in others)])


def _reason(details: Any) -> str:
    if details["type"] == "missing":
        return "is missing"
    if details["type"] == "too_short":
        return f"must hold {details['ctx']['min_length']} at least, and holds {details['ctx']['actual_length']}"
    return str(details["msg"]).removeprefix("Value error, ")


def _got(details: Any) -> str:
    value = details["input"]
    shown = isinstance(value, str | int | float | bool | None) and details["type"] not in ("missing", "extra_forbidden")
    return f"; got {value!r}" if shown else ""


def _known_keys(root: type[BaseModel], path: Sequence[Any]) -> list[str]:
    model: Any = root
    for part in path:
        found = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        model = found.annotation if found else None
    return list(model.model_fields) if hasattr(model, "model_fields") else []
