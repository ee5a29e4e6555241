"""`limbeck serve`: parses names and addresses; decides nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen


def serve(
    bundles: Annotated[list[str], typer.Argument(metavar="[NAME=]BUNDLE...", help="Bundles, folders or zip files.")],
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    processes: Annotated[
        int | None, typer.Option(min=1, max=256, help="How many answer.", show_default="one for each core")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where GET /metrics is answered.", show_default="nowhere")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="The file of API keys that limbeck key new writes.", show_default="no key is needed")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Listen at an address that others can reach, without keys.")] = False,
    key: Annotated[Path | None, typer.Option(help="A public key: the bundles must be signed by its owner.")] = None,
    pages: Annotated[
        bool | None,
        typer.Option(
            help="The chat page at / and figures at /live.", show_default="where no keys are, or a widget may be held"
        ),
    ] = None,
    replies: Annotated[Path | None, typer.Option(help="What the chat page says to each intent: a JSON file.")] = None,
    widget_origin: Annotated[
        list[str] | None,
        typer.Option(help="A site that may hold the chat widget, as in https://shop.example.", show_default=False),
    ] = None,
) -> None:
    """Answer over HTTP, many users at once; needs the extra serve, and no torch. The chat page is at /, live figures are at /live."""
    from limbeck.serve import start
    from limbeck.serve.cores import cores
    from limbeck.serve.settings import Settings

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    found = start.named(bundles)
    listener = start.listener(host, port)
    address = start.address_of(listener)
    measured = start.address(metrics) if metrics else None
    settings = Settings(
        found, address, processes or cores(), key, keys, open_, measured,
        pages=pages if pages is not None else keys is None or bool(widget_origin),
        replies=replies, origins=tuple(widget_origin or ()),
    )  # fmt: skip
    screen.out.print(f"http://{address}  {', '.join(found)}  processes: {settings.processes}", markup=False)
    raise typer.Exit(start.run(settings, listener))
