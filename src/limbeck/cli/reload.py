"""`limbeck reload`: a signal to a server of this machine; decides nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from limbeck.cli import screen


def reload(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port at which the server answers.")] = 8000,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait until each of its processes has done it.")] = 60.0,
) -> None:
    """Let a running server load its bundles and keys again; no request fails, and where a bundle is broken the old one stays."""
    from limbeck.serve.running import reloaded

    for name, version in reloaded(port, wait).items():
        screen.out.print(f"{name}  {version[:12]}", markup=False)
