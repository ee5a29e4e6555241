"""Texts without what Microsoft's presidio finds to point to a person. Knows its analyzer; downloads nothing, and knows no endpoint.

Its patterns need no model of a language. Names of people and places are found where one of spaCy's English models is installed beside it; left to itself presidio would
download one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from limbeck.errors import TeacherError

_MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
_LEAST = 0.5
"""Score of what counts as found."""
_NOBODY = frozenset({"DATE_TIME", "NRP", "URL"})
"""What points to no one person, and often to the intent."""


@dataclass(frozen=True, slots=True)
class Found:
    """A part of a text, and what it is."""

    start: int
    end: int
    kind: str


def found(text: str) -> list[Found]:
    """The parts of the text that point to a person, in order, none within another.

    Raises:
        TeacherError: presidio is not installed.
    """
    results = [r for r in _analyzer().analyze(text=text, language="en") if r.score >= _LEAST and r.entity_type not in _NOBODY]
    taken: list[Found] = []
    for result in sorted(results, key=lambda r: (r.start - r.end, -r.score, r.start, r.entity_type)):
        if all(result.end <= other.start or result.start >= other.end for other in taken):
            taken.append(Found(result.start, result.end, str(result.entity_type).replace("_", " ")))
    return sorted(taken, key=lambda part: part.start)


def without_persons(text: str) -> str:
    """The text with a placeholder for each such part; the same value has the same number within a text.

    Raises:
        TeacherError: presidio is not installed.
    """
    numbers: dict[tuple[str, str], int] = {}
    parts, end = [], 0
    for part in found(text):
        value = (part.kind, "".join(text[part.start : part.end].split()).casefold())
        number = numbers.setdefault(value, 1 + sum(kind == part.kind for kind, _ in numbers))
        parts += [text[end : part.start], f"[{part.kind} {number}]"]
        end = part.end
    return "".join([*parts, text[end:]])


def finds_names() -> bool:
    """Whether a model of English is there, without which names are found only where a word announces them."""
    return _model() is not None


def _model() -> str | None:
    spacy = _imported("spacy")
    return next((name for name in _MODELS if spacy.util.is_package(name)), None)


@cache
def _analyzer() -> Any:
    engine = _imported("presidio_analyzer.nlp_engine").SpacyNlpEngine
    model = _model()
    if model is not None:
        nlp = engine(models=[{"lang_code": "en", "model_name": model}])
        nlp.load()
    else:
        nlp = engine()
        nlp.nlp = {"en": _imported("spacy").blank("en")}
    analyzer = _imported("presidio_analyzer").AnalyzerEngine(nlp_engine=nlp, supported_languages=["en"])
    # This one asks the network for a list of suffixes; limbeck's own pattern finds e-mail addresses without.
    analyzer.registry.remove_recognizer("EmailRecognizer")
    return analyzer


def _imported(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise TeacherError(
            f"teacher.redact is presidio, but the package '{error.name or name}' is not installed. Run: pip install presidio-analyzer; or set "
            "teacher.redact: true for limbeck's own patterns."
        ) from error
