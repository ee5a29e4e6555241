"""`limbeck serve`: parses names and addresses; decides nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen
from limbeck.units import size

ASK = "Where the first bundle is not sure"
POLL = 100  # microseconds


def serve(
    bundles: Annotated[list[str], typer.Argument(metavar="[NAME=]BUNDLE...", help="Bundles, folders or zip files.")],
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    processes: Annotated[
        int | None, typer.Option(min=1, max=256, help="How many answer.", show_default="one for each core")
    ] = None,
    poll: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100_000,
            metavar="MICROSECONDS",
            help="How long each looks for the next request before it sleeps: a sleeping core wakes up late.",
            show_default="100 where each has a core, else 0",
        ),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where GET /metrics is answered.", show_default="nowhere")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="The file of API keys that limbeck key new writes.", show_default="no key is needed")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Listen at an address that others can reach, without keys.")] = False,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Another limit, as in body=2000000 or deadline_seconds=2.", show_default=False),
    ] = None,
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
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS", help="A proxy whose X-Forwarded-For says who asks the pages.", show_default="this machine's"
        ),
    ] = None,
    cascade: Annotated[
        Path | None,
        typer.Option(help="What limbeck cascade chose.", show_default="evidence/cascade.json of its run", rich_help_panel=ASK),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.01, help="Ask below this confidence.", show_default="the cascade's", rich_help_panel=ASK),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="A bundle, or the URL of an OpenAI-compatible endpoint.", rich_help_panel=ASK)
    ] = None,
    teacher_model: Annotated[str | None, typer.Option(help="Its name at the endpoint.", rich_help_panel=ASK)] = None,
    teacher_key_env: Annotated[
        str, typer.Option(help="The environment variable that holds the endpoint's key.", rich_help_panel=ASK)
    ] = "OPENAI_API_KEY",
    person: Annotated[
        str | None, typer.Option(help="The URL of a webhook, asked where the teacher does not know.", rich_help_panel=ASK)
    ] = None,
    person_key_env: Annotated[
        str | None, typer.Option(help="The environment variable that holds the webhook's key.", rich_help_panel=ASK)
    ] = None,
    sure: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="A teacher less sure than this leaves it to the person.", rich_help_panel=ASK),
    ] = 0.0,
    redact: Annotated[
        bool, typer.Option("--redact", help="What points to a person leaves as a placeholder.", rich_help_panel=ASK)
    ] = False,
    ask_seconds: Annotated[float, typer.Option(min=0.01, help="How long each of them may take.", rich_help_panel=ASK)] = 2.0,
    shadow: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The share of all texts that the teacher is asked too.", rich_help_panel=ASK)
    ] = 0.0,
    watch: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="The share of texts that is held against those of the run.", rich_help_panel=ASK),
    ] = 0.1,
    keep: Annotated[
        Path | None,
        typer.Option(help="A .jsonl file for what was asked, redacted; limbeck distill reads it.", rich_help_panel=ASK),
    ] = None,
    keep_days: Annotated[float, typer.Option(min=0.001, help="How long a row stays there.", rich_help_panel=ASK)] = 30.0,
    keep_size: Annotated[
        int, typer.Option(parser=size, metavar="SIZE", help="How large it may grow.", show_default="50MB", rich_help_panel=ASK)
    ] = 50_000_000,
) -> None:
    """Answer for texts, pictures or clips over HTTP, many users at once; needs the extra serve, and no torch. The chat page is at /, live figures are at /live."""
    from limbeck.serve import start
    from limbeck.serve.cores import cores
    from limbeck.serve.limits import limits
    from limbeck.serve.settings import HandOver, Settings

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    found = start.named(bundles)
    listener = start.listener(host, port)
    address = start.address_of(listener)
    measured = start.address(metrics) if metrics else None
    hand_over = HandOver(
        cascade=cascade,
        threshold=threshold,
        teacher=teacher,
        model=teacher_model,
        key_env=teacher_key_env,
        person=person,
        person_key_env=person_key_env,
        sure=sure,
        redact=redact,
        deadline=ask_seconds,
        shadow=shadow,
        watch=watch,
        keep=keep,
        keep_days=keep_days,
        keep_bytes=keep_size,
    )
    processes = processes or cores()
    if poll is None:
        poll = POLL if processes <= cores() else 0
    settings = Settings(
        found, address, processes, key, keys, open_, measured, poll=poll / 1e6,
        pages=pages if pages is not None else keys is None or bool(widget_origin),
        replies=replies, origins=tuple(widget_origin or ()), proxies=tuple(proxy or ()), limits=limits(limit or ()), hand_over=hand_over,
    )  # fmt: skip
    screen.out.print(f"http://{address}  {', '.join(found)}  processes: {settings.processes}", markup=False)
    raise typer.Exit(start.run(settings, listener))
