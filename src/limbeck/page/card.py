"""A model card for the Hugging Face hub: the README.md of a repository that holds the bundle. Knows the hub's metadata; measures nothing."""

from __future__ import annotations

import io
import re
from typing import Any

from ruamel.yaml import YAML

from limbeck import catalog
from limbeck.evidence import Basis
from limbeck.page.document import Document
from limbeck.page.material import Material
from limbeck.page.render import filled
from limbeck.types import Json
from limbeck.verify import wording as w

_SHOWN = 100
_ID = re.compile(r"[\w.-]+/[\w.-]+")


def card(material: Material, document: Document) -> str:
    """The text of README.md: the metadata that the hub reads, and what people want to know first."""
    noun = catalog.find("modalities", catalog.find("tasks", material.report.task).modality).noun
    told = material.details.lineage if material.details is not None else {}
    licences = told.get("licences", {})
    origins = (
        f"The licence of the teacher: {licences.get('teacher', 'not known')}. That of the data: {licences.get('data', 'not known')}. Choose the "
        "licence of this model accordingly and add it to the metadata above; limbeck does not choose it for you."
    )
    return filled(
        "card.md.j2",
        document=document,
        metadata=_yaml(metadata(material)),
        teacher=_teacher(material),
        labels=sorted(c.label for c in material.report.classes),
        shown=_SHOWN,
        noun=noun,
        example=_EXAMPLES.get(noun, f"a {noun}"),
        several=material.report.task == _OF_SEVERAL,
        origins=origins,
    )


def metadata(material: Material) -> Json:
    """What the hub reads: task, tags, the teacher where it has an id there, and the results as a model-index."""
    report = material.report
    found: Json = {"library_name": "limbeck", "tags": ["limbeck", "knowledge-distillation", "onnx", *_task(report.task)]}
    if (pipeline := _PIPELINES.get(report.task)) is not None:
        found["pipeline_tag"] = pipeline
    if _ID.fullmatch(_teacher(material)):
        found["base_model"] = _teacher(material)
    metrics = _metrics(material)
    if any(m["type"] == "accuracy" for m in metrics):
        found["metrics"] = ["accuracy", "f1"]
    data = w.clean(_data(material))
    result = {
        "task": {"type": _PIPELINES.get(report.task, report.task), "name": report.task.replace("-", " ").capitalize()},
        "dataset": {
            "type": re.sub(r"[^\w.-]+", "-", data.removeprefix("hf://")).strip("-") or "private",
            "name": data,
            "split": "test",
        },
        "metrics": metrics,
    }
    found["model-index"] = [{"name": w.clean(material.name), "results": [result]}]
    return found


_PIPELINES = {
    "text-classification": "text-classification",
    "multi-label-text-classification": "text-classification",
    "image-classification": "image-classification",
    "audio-classification": "audio-classification",
}
"""What the hub calls a task."""
_EXAMPLES = {"picture": "photo.png", "clip": "clip.wav"}
"""What such a model is given, as a file."""
_OF_SEVERAL = "multi-label-text-classification"


def _task(task: str) -> list[str]:
    return [pipeline] if (pipeline := _PIPELINES.get(task)) else []


def _metrics(material: Material) -> list[Json]:
    report = material.report
    how = ", cross-fitted" if report.basis is Basis.CROSS_FITTING else ""
    found: list[Json] = []

    def add(kind: str, name: str, value: float) -> None:
        found.append({"type": kind, "name": f"{name}{how}", "value": round(value, 4)})

    if (quality := report.student.quality) is not None:
        if quality.micro_f1 is not None:
            add("f1", "Micro-F1", quality.micro_f1.estimate)
        add("accuracy", "Accuracy" if quality.micro_f1 is None else "All labels of a row right", quality.accuracy.estimate)
        add("f1", "Macro-F1", quality.macro_f1.estimate)
        ece = quality.ece if quality.ece_scaled is None else quality.ece_scaled
        if ece is not None:
            add("ece", "Calibration error", ece)
    if (pair := report.against("teacher")) is not None:
        add("agreement", "Same answer as the teacher", pair.agreement.estimate)
    return found


def _teacher(material: Material) -> str:
    told = material.details.lineage.get("teacher", {}) if material.details is not None else {}
    return (
        str(told.get("model") or material.report.teacher.what).rstrip("/").rpartition("/")[2]
        if not told
        else str(told["model"])
    )


def _data(material: Material) -> str:
    """The file that judged, by its name."""
    told = material.details.lineage.get("data", {}) if material.details is not None else {}
    named = str(told.get("test") or told.get("train") or "held-out rows")
    return named.partition(", sha256 ")[0]


def _yaml(content: Any) -> str:
    writer, buffer = YAML(typ="safe", pure=True), io.StringIO()
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = 4096
    writer.dump(content, buffer)
    return buffer.getvalue()
