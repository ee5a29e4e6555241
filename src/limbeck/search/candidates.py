"""The candidates of a search: families x sizes x vocabularies x precisions. Knows settings and names; makes and measures none of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limbeck import catalog
from limbeck.sections import SearchSection
from limbeck.types import Json

PRECISIONS = ("precision", "network")
"""The settings of a family, where it has them, that a candidate's precision decides."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One student that a search may choose, as a recipe would name it.

    name: in files and tables, "bag-2-count4-int8". settings: of the family, its precision among them. twin: the name of the same
    student in the precision that is tried before; None: this is the first.
    """

    name: str
    family: str
    settings: Mapping[str, Any]
    min_count: int
    precision: str
    twin: str | None = None

    def section(self) -> Json:
        """The recipe's section `student` that names it."""
        return {"family": self.family, "min_count": self.min_count, **self.settings}

    @property
    def size(self) -> str:
        """The settings in words, without those of precision."""
        return ", ".join(f"{key} {value}" for key, value in self.settings.items() if key not in PRECISIONS)


def candidates(section: SearchSection, modality: str = "text") -> list[Candidate]:
    """All candidates of a search; each family's in the order of its ladder.

    Args:
        section: of the recipe. A family without a ladder has none.
        modality: what the families read.
    """
    found = []
    rare = catalog.find("modalities", modality).vocabulary  # without one there are no pieces that could be left out
    for family in section.families or catalog.names("students"):
        entry = catalog.find("students", family)
        if entry.modality != modality:
            continue
        sizes = [dataclasses.asdict(settings) for settings in entry.ladder()] if hasattr(entry, "ladder") else []
        told = {key for size in sizes for key in size if any(other[key] != size[key] for other in sizes)}
        dials = [key for key in PRECISIONS if sizes and key in sizes[0]]
        for place, size in enumerate(sizes, 1):
            for count in dict.fromkeys(section.min_counts if rare else (1,)):
                twin = None
                # float32 last: its twin comes from the same training, and is smaller.
                precisions = sorted(dict.fromkeys(section.precisions), key="float32".__eq__)
                for precision in precisions if dials else ("float32",):
                    if (
                        precision == "int4" and "precision" not in dials
                    ):  # only weights that a student writes itself have four bits
                        continue
                    # A table may have four bits; the products beside it have eight then.
                    dialled = {key: "int8" if precision == "int4" and key == "network" else precision for key in dials}
                    settings = {key: size[key] for key in size if key in told} | dialled
                    name = f"{family}-{place}-count{count}-{precision}" if rare else f"{family}-{place}-{precision}"
                    if precision == "int4":  # trained with rounded rows: no twin of anybody
                        found.append(Candidate(name, family, settings, count, precision))
                        continue
                    found.append(Candidate(name, family, settings, count, precision, twin))
                    twin = name
    return found
