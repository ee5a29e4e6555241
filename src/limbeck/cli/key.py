"""`limbeck key`: API keys of a server; decides nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen

key = typer.Typer(name="key", help="API keys of limbeck serve.", no_args_is_help=True)


@key.callback()
def _group() -> None:
    """API keys of limbeck serve."""


@key.command()
def new(
    name: Annotated[str, typer.Argument(help="Whose key it is, for people.")],
    file: Annotated[Path, typer.Option(help="The file of keys that limbeck serve --keys reads; it holds hashes alone.")],
    scope: Annotated[list[str] | None, typer.Option(help="answer or watch; may stand twice.", show_default="answer")] = None,
    expires: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day (UTC) on which it ends.")] = None,
    per_second: Annotated[float | None, typer.Option(help="Requests a second, on average.")] = None,
    burst: Annotated[int, typer.Option(min=1, help="Requests that may come at once.")] = 20,
) -> None:
    """Make a key and print it, once: only its hash is kept. A running server knows it after limbeck reload."""
    from limbeck.serve.keys import new as make

    screen.out.print(make(file, name, scope or ["answer"], expires, per_second, burst), markup=False)
