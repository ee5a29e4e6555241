"""`limbeck search`: the front of what fits a budget; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen
from limbeck.cli.screen import BudgetOption, JsonFlag, ProfileOption, Watch


def search(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe (YAML). Not needed with --data.", show_default=False)] = None,
    data: Annotated[str | None, typer.Option(help="Training rows, as for distill.")] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="A Hugging Face id or folder; of another teacher.kind its source.", show_default="all-MiniLM-L6-v2"),
    ] = None,
    budget: BudgetOption = None,
    profile: ProfileOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/NAME-OF-DATA")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any recipe key, as in --set student.keep=0.98.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find the smallest student within a budget that keeps enough; OUT/search then holds front.json and front.svg.

    The same recipe given to distill goes on from here. Exit codes: 0 found, 3 nothing within the budget keeps enough, 2 something must
    be mended first.
    """
    if recipe is None and data is None:
        raise typer.BadParameter("give a recipe, or --data FILE", param_hint="RECIPE")
    from limbeck.recipe import Recipe

    asked = Recipe.asked(recipe, set_ or (), data=data, teacher=teacher, budget=budget, profile=profile, out=out)
    with Watch() as watch:
        from limbeck.pipeline import search as run

        found = run(asked, watch)
    if as_json:
        screen.print_json(found.to_json())
    else:
        from limbeck.search.front import page

        for part in page(found):
            screen.out.print(part)
    raise typer.Exit(0 if found.kept else 3)
