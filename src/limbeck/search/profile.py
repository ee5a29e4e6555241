"""What a ladder costs on some machine, as a file that travels. Knows its form; measures nothing.

{"profile": 1, "bundle_schema": 2, "made_from": {…}, "machine": {…}, "costs": {NAME: {"bytes": …, "latency_p50": …}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from limbeck.disk import read_whole, write_whole
from limbeck.errors import BudgetError, InputFileError, listing
from limbeck.manifest import SCHEMA_OF_ONE_LABEL as SCHEMA_VERSION
from limbeck.plain_json import canonical, parse
from limbeck.search.machine import Card, words
from limbeck.search.measure import Cost
from limbeck.types import Json

PROFILE_SCHEMA = 1
MOST = "most bytes"
"""What a ladder was made from holds the bytes up to which it has candidates, too; an empty text: all."""
_MOST_BYTES = 16 * 2**20
_KEYS = {"profile", "bundle_schema", "made_from", "machine", "costs"}


@dataclass(frozen=True, slots=True)
class Profile:
    """Costs of a ladder's candidates by name, the machine that they were measured on, and what the ladder was made from."""

    made_from: Mapping[str, str]
    machine: Card
    costs: dict[str, Cost]

    @property
    def words(self) -> str:
        """Where it was measured."""
        return words(self.machine)

    def write(self, path: Path) -> None:
        """Write it to a file.

        Raises:
            InputFileError: the file cannot be written.
        """
        content: Json = {
            "profile": PROFILE_SCHEMA,
            "bundle_schema": SCHEMA_VERSION,
            "made_from": dict(self.made_from),
            "machine": self.machine,
            "costs": {name: c.to_json() for name, c in self.costs.items()},
        }
        try:
            write_whole(path, [canonical(content)])
        except OSError as error:
            raise InputFileError(f"cannot write {path}: {error.strerror}") from error


def read(path: Path, made_from: Mapping[str, str], needed: int | None = None) -> Profile:
    """A profile of the ladder that was made from these.

    Args:
        path: the file.
        made_from: what decides the ladder here.
        needed: up to how many bytes candidates are looked for; None: of any size.

    Raises:
        InputFileError: the file cannot be read.
        BudgetError: it is no profile, of another bundle schema, or of another ladder; the message has both values.
    """
    try:
        content = parse(read_whole(path, _MOST_BYTES))
    except OSError as error:
        raise InputFileError(
            f"cannot read the profile {path}: {error.strerror}. Make it with: limbeck measure candidates.zip"
        ) from error
    except ValueError as error:
        raise BudgetError(f"{path} is no profile: {error}. Make it with: limbeck measure candidates.zip") from error
    if problem := _problem(content):
        raise BudgetError(f"{path} is no profile: {problem}. Make it with: limbeck measure candidates.zip")
    if content["bundle_schema"] != SCHEMA_VERSION:
        raise BudgetError(
            f"{path} was measured on bundles of schema {content['bundle_schema']}; this limbeck writes schema {SCHEMA_VERSION}. "
            "Write the ladder and measure it again, with the same version of limbeck on both machines."
        )
    differing = [
        f"{key}: {str(content['made_from'].get(key))[:16]} there, {value[:16]} here"
        for key, value in made_from.items()
        if content["made_from"].get(key) != value
    ]
    if differing:
        raise BudgetError(
            f"{path} was measured on another ladder than this recipe's; it differs in {'; '.join(differing)}. "
            "Write the ladder of this recipe (limbeck ladder) and measure that."
        )
    most = content["made_from"].get(MOST, "")
    if most and (needed is None or needed > int(most)):
        raise BudgetError(
            f"{path} was measured on candidates of up to {int(most):,} bytes, and this budget allows "
            f"{'any number' if needed is None else f'{needed:,}'}. Write the ladder of this budget (limbeck ladder) and measure that."
        )
    return Profile(content["made_from"], content["machine"], {name: Cost(**c) for name, c in content["costs"].items()})


def _problem(content: Any) -> str:
    """Why it is no profile; an empty text: it is one."""
    if not isinstance(content, dict) or set(content) != _KEYS:
        return f"it must hold {listing(sorted(_KEYS))} and nothing else"
    if content["profile"] != PROFILE_SCHEMA:
        return f"its form is {content['profile']!r:.40}; this limbeck reads {PROFILE_SCHEMA}"
    for key in ("made_from", "machine"):
        if not isinstance(content[key], dict) or not all(isinstance(v, str) for v in content[key].values()):
            return f"{key} must hold texts"
    if (most := content["made_from"].get(MOST, "")) and not (most.isascii() and most.isdigit() and len(most) < 20):
        return f"{MOST} is {most!r:.40}; a number is expected"
    if not isinstance(content["costs"], dict):
        return "costs must be an object"
    for name, cost in content["costs"].items():
        if not isinstance(cost, dict) or set(cost) != {f.name for f in fields(Cost)}:
            return f"costs of '{name:.60}' must hold {listing([f.name for f in fields(Cost)])}"
        for key, value in cost.items():
            needed = key in ("bytes", "company")
            if type(value) not in (int, float) and (needed or value is not None):
                return f"{key} of '{name:.60}' is {value!r:.40}; a number is expected"
            if value is not None and not (0 <= value < 2**63 and (value > 0 or key == "company")):
                return f"{key} of '{name:.60}' is {value!r:.40}; a number above 0 is expected"
    return ""
