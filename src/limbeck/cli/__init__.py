"""The command line: one file for each command; each parses and prints, and decides nothing.

Exit codes: 0 done, 2 something must be mended by the caller (the message says what, where and the next step); of `distill`
and `verify` also 3 lost and 4 not shown, of `search` 3 where nothing within the budget keeps enough.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from limbeck._version import __version__
from limbeck.cli.bench import bench
from limbeck.cli.cascade import cascade
from limbeck.cli.catalog import list_
from limbeck.cli.demo import demo
from limbeck.cli.distill import distill
from limbeck.cli.doctor import doctor
from limbeck.cli.key import key
from limbeck.cli.keygen import keygen
from limbeck.cli.label_sample import label_sample
from limbeck.cli.ladder import ladder
from limbeck.cli.measure import measure
from limbeck.cli.pack import pack
from limbeck.cli.predict import predict
from limbeck.cli.reload import reload
from limbeck.cli.report import report
from limbeck.cli.screen import Watch as Watch
from limbeck.cli.screen import err, out
from limbeck.cli.search import search
from limbeck.cli.serve import serve
from limbeck.cli.sign import sign
from limbeck.cli.store import store
from limbeck.cli.teach import teach
from limbeck.cli.verify import verify
from limbeck.errors import LimbeckError

app = typer.Typer(
    name="limbeck",
    help="Distil a large model into a small one that fits your budget, with proof of what it kept.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# A new command is a file beside this one, and its function (or its group) in one of these lines.
for command in (
    doctor,
    teach,
    distill,
    search,
    ladder,
    measure,
    predict,
    serve,
    reload,
    verify,
    cascade,
    report,
    bench,
    pack,
    sign,
    keygen,
    label_sample,
    list_,
    demo,
):
    app.command(command.__name__.strip("_").replace("_", "-"))(command)
for group in (store, key):
    app.add_typer(group)


def _version(value: bool) -> None:
    if value:
        out.print(f"limbeck {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line; an error of ours becomes one message and exit code 2."""
    try:
        app()
    except LimbeckError as error:
        err.print("[bold red]error:[/bold red] ", end="")
        err.print(str(error), markup=False)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        sys.exit(1)
