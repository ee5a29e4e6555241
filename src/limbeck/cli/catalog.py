"""`limbeck list`: prints what the catalog holds."""

from __future__ import annotations

from typing import Annotated

import typer

from limbeck import catalog
from limbeck.cli.screen import JsonFlag, out, print_json


def list_(
    folder: Annotated[str | None, typer.Argument(help=f"One of {', '.join(catalog.FOLDERS)}.", show_default=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """List what limbeck can be told to use by name, plug-ins included."""
    found = {name: catalog.names(name) for name in ([folder] if folder else catalog.FOLDERS)}
    if as_json:
        print_json(found)
    else:
        for name, entries in found.items():
            out.print(f"[bold]{name}[/bold]  {', '.join(entries)}")
