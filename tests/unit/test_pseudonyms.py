"""What points to a person leaves as a placeholder; what only looks like it stays."""

import re
import sys
from types import SimpleNamespace

import pytest

from limbeck.errors import TeacherError
from limbeck.teachers import _presidio
from limbeck.teachers._pseudonyms import pseudonymised


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail ann.lee+shop@mail.example.co.uk!", "mail [E-MAIL 1]!"),
        ("a@x.org, b@x.org, A@X.org", "[E-MAIL 1], [E-MAIL 2], [E-MAIL 1]"),
        ("DE89 3704 0044 0532 0130 00 is mine", "[IBAN 1] is mine"),
        ("gb29nwbk60161331926819", "[IBAN 1]"),
        ("card 4111-1111-1111-1111", "card [CARD 1]"),
        ("call (020) 7946 0000 or +49 30 901820", "call [PHONE 1] or [PHONE 2]"),
        ("0049 30 901820", "[PHONE 1]"),
        ("Dear Mrs. O'Neil-Smith, hello", "Dear Mrs. [NAME 1], hello"),
        ("Mein Name ist Jörg von der Heide", "Mein Name ist [NAME 1]"),
    ],
)
def test_it_is_found(text: str, expected: str) -> None:
    assert pseudonymised(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "where is my order 123456789?",
        "card 4111-1111-1111-1112",  # a wrong check digit
        "XX00 3704 1044 2532 3130 40 is no account",
        "I paid 19.99 on 2026-11-28 at 10:30",
        "this is not what I ordered",
        "version 2.0.1 @ home",
        "",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert pseudonymised(text) == text


def test_a_long_text_takes_no_time() -> None:
    for part in ("1 ", "a@", "+1", "DE12 ", "this is A ", "0" * 40):
        pseudonymised(part * 5000)


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
    assert pseudonymised(text, True) == "[PERSON 1] paid 12345 today, not [E-MAIL 1] or [PERSON 2]; ask [PERSON 1]"
    assert "Bob" in pseudonymised(text)
    assert not _presidio.finds_names()


def test_without_presidio_the_next_step_is_said(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer.nlp_engine", None)
    _presidio._analyzer.cache_clear()
    with pytest.raises(TeacherError, match="Run: pip install presidio-analyzer; or set teacher.redact: true"):
        pseudonymised("hello", True)


def test_the_real_presidio_finds_by_its_patterns() -> None:
    pytest.importorskip("presidio_analyzer", reason="presidio-analyzer is not installed")
    _presidio._analyzer.cache_clear()
    said = pseudonymised("write to ann@example.com or pay to 4111 1111 1111 1111 today", True)
    assert said == "write to [E-MAIL 1] or pay to [CREDIT CARD 1] today"
