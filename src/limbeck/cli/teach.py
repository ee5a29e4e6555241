"""`limbeck teach`: asks the teacher alone, or says what that will take; parses and prints, and decides nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limbeck.cli.screen import JsonFlag, Watch, out, print_json

if TYPE_CHECKING:
    from limbeck.pipeline.teaching import Asked


def teach(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe (YAML). Not needed with --data.", show_default=False)] = None,
    data: Annotated[str | None, typer.Option(help="Training rows, as for distill.")] = None,
    test: Annotated[str | None, typer.Option(help="Held-out rows, as for distill.")] = None,
    teacher: Annotated[str | None, typer.Option(help="What teacher.model names.", show_default="all-MiniLM-L6-v2")] = None,
    out_: Annotated[Path | None, typer.Option("--out", help="Folder of the run.", show_default="runs/NAME-OF-DATA")] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Ask nothing; print calls, tokens and money.")] = False,
    max_cost: Annotated[
        float | None, typer.Option(help="Stop before a paid teacher has cost more (teacher.max_cost).", show_default=False)
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any recipe key, as in --set teacher.kind=openai.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask the teacher all that distill with the same recipe needs, and stop there; what was answered is never asked again.

    Exit codes: 0 all is answered, 2 something must be mended first, or the money is spent.
    """
    if recipe is None and data is None:
        raise typer.BadParameter("give a recipe, or --data FILE", param_hint="RECIPE")
    from limbeck.recipe import Recipe

    overrides = [*(set_ or ()), *([f"teacher.max_cost={max_cost}"] if max_cost is not None else [])]
    asked = Recipe.asked(recipe, overrides, data=data, test=test, teacher=teacher, out=out_)
    with Watch() as watch:
        from limbeck.pipeline import teaching

        found = (teaching.estimate if estimate else teaching.teach)(asked, watch)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    _show(found, "still to be made" if estimate else "made so far, in all runs", "about " if estimate else "")


def _show(found: Asked, which: str, about: str) -> None:
    out.print(f"teacher  {found.teacher}", markup=False)
    out.print(f"texts    {found.texts:,}")
    if found.calls is not None:
        out.print(f"calls    {found.calls:,} {which}")
        out.print(f"tokens   {about}{found.tokens_in:,} in, {found.tokens_out:,} out")
        if found.money is not None:
            out.print(f"money    {about}{found.money:,.4f}")
        else:
            out.print("money    unknown: set teacher.price_in and teacher.price_out, of a million tokens")
