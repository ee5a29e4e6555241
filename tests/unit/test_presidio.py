"""What presidio finds leaves as a placeholder too; tested by its names, and with the real one where it is installed."""

import re
import sys
from types import SimpleNamespace

import pytest

from limbeck.errors import TeacherError
from limbeck.redact import pseudonymised
from limbeck.teachers import _presidio
from limbeck.teachers._presidio import without_persons


class _Engine:
    """What of presidio's SpacyNlpEngine is used."""

    def __init__(self, models=None) -> None:
        self.models, self.nlp = models, None

    def load(self) -> None:
        raise AssertionError("there is no model here, so none is loaded: presidio would download it")


class _Analyzer:
    """What of presidio's AnalyzerEngine is used: it finds every Bob, and a date."""

    def __init__(self, nlp_engine, supported_languages) -> None:
        assert nlp_engine.nlp == {"en": "blank en"}
        assert supported_languages == ["en"]
        self.removed: list[str] = []
        self.registry = SimpleNamespace(remove_recognizer=self.removed.append)

    def analyze(self, text, language):
        assert self.removed == ["EmailRecognizer"]  # it would ask the network

        def result(kind, start, end, score):
            return SimpleNamespace(entity_type=kind, start=start, end=end, score=score)

        found = [result("PERSON", m.start(), m.end(), 0.85) for m in re.finditer("Bob( Ray)?", text)]
        found += [result("PERSON", m.start(), m.start() + 3, 0.9) for m in re.finditer("Bob Ray", text)]  # within another
        found += [result("DATE_TIME", m.start(), m.end(), 0.9) for m in re.finditer("today", text)]
        return found + [result("US_BANK_NUMBER", m.start(), m.end(), 0.05) for m in re.finditer(r"\d+", text)]


@pytest.fixture
def presidio(monkeypatch):
    """Presidio by its names, and spaCy without a model."""
    parts = {
        "spacy": SimpleNamespace(util=SimpleNamespace(is_package=lambda name: False), blank=lambda code: f"blank {code}"),
        "presidio_analyzer": SimpleNamespace(AnalyzerEngine=_Analyzer),
        "presidio_analyzer.nlp_engine": SimpleNamespace(SpacyNlpEngine=_Engine),
    }
    for name, part in parts.items():
        monkeypatch.setitem(sys.modules, name, part)
    _presidio._analyzer.cache_clear()
    yield
    _presidio._analyzer.cache_clear()


def test_what_presidio_finds_is_replaced_too(presidio) -> None:
    text = "Bob Ray paid 12345 today, not bob@x.org or Bob; ask Bob Ray"
    assert pseudonymised(without_persons(text)) == "[PERSON 1] paid 12345 today, not [E-MAIL 1] or [PERSON 2]; ask [PERSON 1]"
    assert "Bob" in pseudonymised(text)
    assert not _presidio.finds_names()


def test_without_presidio_the_next_step_is_said(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer.nlp_engine", None)
    _presidio._analyzer.cache_clear()
    with pytest.raises(TeacherError, match="Run: pip install presidio-analyzer; or set teacher.redact: true"):
        without_persons("hello")


def test_the_real_presidio_finds_by_its_patterns() -> None:
    pytest.importorskip("presidio_analyzer", reason="presidio-analyzer is not installed")
    _presidio._analyzer.cache_clear()
    said = pseudonymised(without_persons("write to ann@example.com or pay to 4111 1111 1111 1111 today"))
    assert said == "write to [E-MAIL 1] or pay to [CREDIT CARD 1] today"
