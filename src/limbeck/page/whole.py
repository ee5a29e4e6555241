"""The whole page of a run: its parts in their order, the verdict first. Knows which parts there are; says nothing itself."""

from __future__ import annotations

from limbeck._version import __version__
from limbeck.evidence import Report, Verdict
from limbeck.page import losses, models, origins
from limbeck.page.cascade import cascade
from limbeck.page.document import Document, Tone
from limbeck.page.material import Material
from limbeck.verify import sentences as said

TONES: dict[Verdict, Tone] = {Verdict.KEPT: "good", Verdict.LOST: "bad", Verdict.NOT_SHOWN: "unsure"}

MEANS = {
    Verdict.KEPT: "‘Kept’ means: with 95% certainty the student has lost no more than was allowed.",
    Verdict.LOST: "‘Lost’ means: with 95% certainty the student has lost more than was allowed.",
    Verdict.NOT_SHOWN: "‘Not shown’ means: these rows prove neither that the student kept enough nor that it lost too much.",
}


def whole(material: Material) -> Document:
    """The page of one run."""
    report = material.report
    parts = [
        models.quality(report),
        models.costs(report),
        models.asked(report),
        origins.front(material),
        losses.reliability(material),
        cascade(material),
        losses.classes(report),
        losses.slices(report),
        losses.flips(material),
        losses.confusions(material),
        losses.regressions(material),
        models.scope(report),
        origins.curves(material),
        origins.audit(material),
        origins.checkup(report),
        origins.lineage(material),
        origins.remarks(report),
    ]
    return Document(
        title=material.name,
        verdict=str(report.verdict),
        tone=tone(report),
        sentence=sentence(report),
        basis=(MEANS[report.verdict], *said.basis(report)),
        facts=models.facts(report),
        sections=tuple(part for part in parts if part is not None),
        footer=f"Written by limbeck {__version__} from the run’s evidence. This page loads nothing from anywhere.",
    )


def tone(report: Report) -> Tone:
    """The colour of a verdict; a missed gate or budget is no success."""
    return "bad" if report.exit_code == 3 else TONES[report.verdict]


def sentence(report: Report) -> str:
    """The verdict's sentence without its mark, which stands before it."""
    told = said.verdict(report).removeprefix(str(report.verdict)).removeprefix(": ")
    told = told[:1].upper() + told[1:]
    missed = len(report.budget_misses) + sum(g.passed is False for g in report.gates)
    told += " The doctor had refused this run; it was forced." if report.checkup.forced else ""
    return told + (f" {missed} further limit{' is' if missed == 1 else 's are'} missed (below)." if missed else "")
