"""`limbeck distill`: parses and prints; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli.screen import BudgetOption, ForceFlag, JsonFlag, ProfileOption, Watch, show


def distill(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe (YAML). Not needed with --data.", show_default=False)] = None,
    data: Annotated[
        str | None, typer.Option(help="Training rows: jsonl, csv, tsv, parquet, Rasa NLU, or hf://OWNER/NAME.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="Held-out rows; without it a fifth of the data is held out.")] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="A Hugging Face id or folder; of another teacher.kind its source.", show_default="all-MiniLM-L6-v2"),
    ] = None,
    budget: BudgetOption = None,
    profile: ProfileOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/NAME-OF-DATA")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any recipe key, as in --set student.width=64.")] = None,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Distil a teacher into a student; OUT then holds bundle/, evidence/report.json and resolved.json.

    Exit codes: 0 kept, 3 lost (or a gate or the budget missed), 4 not shown, 2 something must be mended first.
    """
    if recipe is None and data is None:
        raise typer.BadParameter("give a recipe, or --data FILE", param_hint="RECIPE")
    with Watch() as watch:
        from limbeck.pipeline import distill as run

        report = run(
            recipe,
            data=data,
            test=test,
            teacher=teacher,
            out=out,
            budget=budget,
            profile=profile,
            overrides=[*(set_ or ()), *(["doctor.force=true"] if force else [])],
            progress=watch,
        )
    show(report, as_json)
    raise typer.Exit(report.exit_code)
