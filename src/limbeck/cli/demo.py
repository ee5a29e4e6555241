"""`limbeck demo`: distils the embedded example, and prints how to go on."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen
from limbeck.cli.screen import JsonFlag, Watch, show


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/shop"),
    as_json: JsonFlag = False,
) -> None:
    """Distil the embedded example, the customer service of a fictional online shop, and show how to talk to it."""
    from limbeck import shop

    with Watch() as watch:
        from limbeck.pipeline import distill as run

        report = run(shop.recipe(), out=out, progress=watch)
    show(report, as_json)
    if as_json:
        return
    from limbeck.runtime.predict import load

    predictor, replies = load(report.bundle), shop.replies()
    screen.out.print("\n[bold]A conversation[/bold]")
    for text, answer in zip(shop.CONVERSATION, predictor.predict(shop.CONVERSATION), strict=True):
        screen.out.print(f"  customer  {text}", markup=False)
        screen.out.print(f"  student   {answer.label} ({answer.probability:.2f}): {replies[answer.label]}", markup=False)
    screen.out.print("\n[bold]Talk to it[/bold]")
    screen.out.print(f'  {typed(sys.argv[0])} predict {report.bundle} "my parcel is still not here"', markup=False)
    screen.out.print(
        f'  {typed(sys.executable)} -c \'import limbeck; print(limbeck.load("{report.bundle}").predict(["can I pay with PayPal?"]))\'',
        markup=False,
    )


def typed(program: str) -> str:
    """A program as one types it here: its name where the shell finds it by that, else its path, from here if it lies below."""
    path = Path(program)
    if path.name == "__main__.py":
        return f"{typed(sys.executable)} -m limbeck"
    for name in (path.name, path.name.rstrip("0123456789.")):
        if (found := shutil.which(name)) and Path(found).absolute() == path.absolute():
            return name
    try:
        below = str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
    return below if "/" in below else f"./{below}"
