"""`limbeck ladder`: candidates for another machine to measure; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen
from limbeck.cli.screen import BudgetOption, Watch


def ladder(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe (YAML). Not needed with --data.", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("candidates.zip"),
    data: Annotated[str | None, typer.Option(help="Training rows, as for distill.")] = None,
    teacher: Annotated[str | None, typer.Option(help="A Hugging Face id or folder.", show_default="all-MiniLM-L6-v2")] = None,
    budget: BudgetOption = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any recipe key.")] = None,
) -> None:
    """Write the untrained candidates of a search to one file, which limbeck measure measures on the machine that will run the student."""
    if recipe is None and data is None:
        raise typer.BadParameter("give a recipe, or --data FILE", param_hint="RECIPE")
    from limbeck.recipe import Recipe

    asked = Recipe.asked(recipe, set_ or (), data=data, teacher=teacher, budget=budget)
    with Watch() as watch:
        from limbeck.pipeline import ladder as run

        many = run(asked, out, watch)
    screen.out.print(f"{out}  {many} candidates, {out.stat().st_size:,} bytes", markup=False)
    screen.out.print(f"there:  limbeck measure {out.name} --out profile.json", markup=False)
    screen.out.print("here:   limbeck distill … --profile profile.json", markup=False)
