"""`limbeck report`: makes the pages of finished runs from their files; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, or their bundles; several are compared.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The HTML file to write.", show_default="evidence/ of the run; comparison.html for several"),
    ] = None,
) -> None:
    """Make the pages of a finished run again from its files, or one page that compares several runs. No torch is needed."""
    from limbeck.page.comparison import compared
    from limbeck.page.material import evidence_of, gather
    from limbeck.page.whole import whole
    from limbeck.page.written import HTML, write, write_page

    found = [gather(run) for run in runs]
    if len(found) > 1:
        path = out or Path("comparison.html")
        write_page(compared(found), path)
    elif out is not None:
        path = out
        write_page(whole(found[0]), path)
    else:
        path = evidence_of(runs[0]) / HTML
        write(found[0], path.parent)
    screen.out.print(f"{path}  {path.stat().st_size:,} bytes", markup=False)
