"""What a check found, for the person who can mend it. Knows how grave a finding is and how it is told; looks for nothing itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from limbeck.types import Json


class Severity(StrEnum):
    """REFUSAL: the run would be worth nothing, so it does not start (or goes on by --force). WARNING: it may be worth less than it seems.
    NOTE: good to know."""

    REFUSAL = "refusal"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, as sentences.

    code: its name, the same in every version. what: what is wrong. evidence: what was counted or measured. advice: what to do.
    """

    code: str
    severity: Severity
    what: str
    evidence: str
    advice: str

    def __str__(self) -> str:
        return f"{self.what} {self.evidence} {self.advice}"


@dataclass(frozen=True, slots=True)
class Checkup:
    """All findings of a run, the gravest first. forced: whether the run went on in spite of a refusal."""

    findings: tuple[Finding, ...] = ()
    forced: bool = False

    @classmethod
    def of(cls, findings: Iterable[Finding], forced: bool = False) -> Checkup:
        """Findings in the order of their severity, each once; only what was refused can be forced."""
        ranks = list(Severity)
        found = tuple(sorted(dict.fromkeys(findings), key=lambda f: ranks.index(f.severity)))
        return cls(found, forced and any(f.severity is Severity.REFUSAL for f in found))

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Those that stop a run."""
        return tuple(f for f in self.findings if f.severity is Severity.REFUSAL)

    def summary(self) -> str:
        """How many of each kind, in words.

        Example:
            >>> Checkup.of([Finding("leak", Severity.WARNING, "", "", "")]).summary()
            '1 warning'
        """
        counts = {kind: sum(f.severity is kind for f in self.findings) for kind in Severity}
        told = [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items() if count]
        return ", ".join(told) or "nothing found"

    def to_json(self) -> Json:
        """Plain JSON, as it lies in evidence/doctor.json."""
        return {"forced": self.forced, "findings": [asdict(f) for f in self.findings]}


def refusal(code: str, what: str, evidence: str, advice: str) -> Finding:
    """A finding that stops the run."""
    return Finding(code, Severity.REFUSAL, what, evidence, advice)


def warning(code: str, what: str, evidence: str, advice: str) -> Finding:
    """A finding that the run goes on with."""
    return Finding(code, Severity.WARNING, what, evidence, advice)


def note(code: str, what: str, evidence: str, advice: str) -> Finding:
    """A finding that is good to know."""
    return Finding(code, Severity.NOTE, what, evidence, advice)
