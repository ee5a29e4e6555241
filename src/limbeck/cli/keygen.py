"""`limbeck keygen`: a pair of keys; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen


def keygen(
    key: Annotated[Path, typer.Argument(help="Where the private key goes, as PEM; the public one lies beside it.")],
) -> None:
    """Make a pair of ed25519 keys: KEY.pem signs bundles and stays secret, KEY.public.pem checks them and may be shown."""
    from limbeck.signature import keygen as make

    public = key.with_name(f"{key.stem}.public.pem")
    make(key, public)
    screen.out.print(f"private key  {key}   keep it secret", markup=False)
    screen.out.print(f"public key   {public}   give it to those who load your bundles", markup=False)
