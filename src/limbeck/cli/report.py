"""`limbeck report`: makes the pages of finished runs from their files; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="The folder of a run, or its bundle; several are compared.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The HTML file to write.", show_default="RUN/evidence/report.html; comparison.html for several"),
    ] = None,
) -> None:
    """Make the page of a finished run again from its evidence, or one page that compares several runs."""
    from limbeck.page.material import EVIDENCE, gather
    from limbeck.page.written import write, write_text

    found = [gather(run) for run in runs]
    from limbeck.page.render import html
    from limbeck.page.whole import whole

    path = out or runs[0] / EVIDENCE / "report.html"
    write_text(path, html(whole(found[0])))
    del write
    screen.out.print(f"{path}  {path.stat().st_size:,} bytes", markup=False)
