"""`limbeck sign`: the signature of a bundle; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen


def sign(
    bundle: Annotated[Path, typer.Argument(help="The folder bundle/ of a run, or its zip file.")],
    key: Annotated[Path, typer.Option(help="The private key, as PEM (limbeck keygen makes one).")],
) -> None:
    """Sign a bundle: manifest.sig then says who sealed it, and limbeck.load(path, key=PUBLIC) refuses all others."""
    from limbeck.bundle import MANIFEST, Bundle
    from limbeck.signature import sign as make

    opened = Bundle.open(bundle)
    signed = opened.signed(make(opened.content[MANIFEST], key))
    screen.out.print(f"{signed.path}  signed; sha256 of its manifest {signed.sha256}", markup=False)
