"""`limbeck serve`: parses names and addresses; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen


def serve(
    bundles: Annotated[list[str], typer.Argument(metavar="[NAME=]BUNDLE...", help="Bundles, folders or zip files.")],
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    key: Annotated[Path | None, typer.Option(help="A public key: the bundles must be signed by its owner.")] = None,
    replies: Annotated[Path | None, typer.Option(help="What the chat page says to each intent: a JSON file.")] = None,
    widget_origin: Annotated[
        list[str] | None,
        typer.Option(help="A site that may hold the chat widget, as in https://shop.example.", show_default=False),
    ] = None,
) -> None:
    """Answer over HTTP, many users at once; needs limbeck[serve], and no torch. The chat page is at /, live figures are at /live."""
    from limbeck.serve.start import listener, named, run

    found = named(bundles)
    with listener(host, port) as socket:
        address = socket.getsockname()
        screen.out.print(f"http://{address[0]}:{address[1]}  {', '.join(found)}", markup=False)
        run(found, socket, key, replies, widget_origin or ())
