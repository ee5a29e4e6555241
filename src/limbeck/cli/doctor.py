"""`limbeck doctor`: parses and prints what is wrong before a run; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen
from limbeck.cli.screen import BudgetOption, ForceFlag, JsonFlag, Watch, print_json
from limbeck.findings import Checkup, Severity

_STYLES = {Severity.REFUSAL: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold"}


def doctor(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe (YAML). Not needed with --data.", show_default=False)] = None,
    data: Annotated[str | None, typer.Option(help="Training rows, as for distill.")] = None,
    test: Annotated[str | None, typer.Option(help="Held-out rows.")] = None,
    teacher: Annotated[str | None, typer.Option(help="A Hugging Face id or folder.", show_default="all-MiniLM-L6-v2")] = None,
    budget: BudgetOption = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any recipe key, as in --set student.width=64.")] = None,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Look for what would make a run worth nothing, before it is paid for: rows, test size, teacher. Nothing is trained or kept.

    Exit codes: 0 nothing stands in the way of the run (or --force), 2 it would be refused. `limbeck distill` makes the same checks.
    """
    if recipe is None and data is None:
        raise typer.BadParameter("give a recipe, or --data FILE", param_hint="RECIPE")
    with Watch() as watch:
        from limbeck.pipeline import examine
        from limbeck.recipe import Recipe

        overrides = [*(set_ or ()), *(["doctor.force=true"] if force else [])]
        found = examine(Recipe.asked(recipe, overrides, data=data, test=test, teacher=teacher, budget=budget), watch)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    raise typer.Exit(2 if found.refusals and not found.forced else 0)


def _print(found: Checkup) -> None:
    for finding in found.findings:
        screen.out.print()
        screen.out.print(f"[{_STYLES[finding.severity]}]{finding.severity}[/] {finding.code}: ", end="")
        screen.out.print(finding.what, markup=False)
        screen.out.print(f"  {finding.evidence}", markup=False)
        screen.out.print(f"  → {finding.advice}", markup=False)
    screen.out.print(f"\n{found.summary()}", markup=False)
