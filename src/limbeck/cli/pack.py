"""`limbeck pack`: one file of a bundle; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen


def pack(
    bundle: Annotated[Path, typer.Argument(help="The folder bundle/ of a run.")],
    out: Annotated[Path, typer.Option(help="The zip file to write.")],
    key: Annotated[Path | None, typer.Option(help="A public key: the bundle must be signed by its owner.")] = None,
) -> None:
    """Write a bundle as one zip file, which answers as it is; the same bundle gives the same bytes."""
    from limbeck.bundle import Bundle

    Bundle.open(bundle, key).pack(out)
    screen.out.print(f"{out}  {out.stat().st_size:,} bytes", markup=False)
