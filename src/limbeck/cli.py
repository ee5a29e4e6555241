"""The command line: parses and prints; decides nothing.

Exit codes: 0 done, 2 something must be mended by the caller (the message says what, where and the next step).
"""

from __future__ import annotations

import itertools
import json
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from limbeck import catalog
from limbeck._version import __version__
from limbeck.errors import DataError, LimbeckError

if TYPE_CHECKING:
    from limbeck.evidence import Report

app = typer.Typer(
    name="limbeck",
    help="Distil a large model into a small one that fits your budget, with proof of what it kept.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)
_ROWS_AT_ONCE = 4096
_STRUCTURED = {
    ".json",
    ".ndjson",
    ".tsv",
    ".tab",
    ".parquet",
    ".arrow",
    ".xls",
    ".xlsx",
    ".ods",
    ".yaml",
    ".yml",
    ".xml",
    ".zip",
}

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]


@app.command()
def distill(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe (YAML). Not needed with --data.", show_default=False)] = None,
    data: Annotated[Path | None, typer.Option(help="Training rows: .jsonl or .csv, perhaps with .gz behind.")] = None,
    test: Annotated[Path | None, typer.Option(help="Held-out rows; without it a fifth of the data is held out.")] = None,
    teacher: Annotated[str | None, typer.Option(help="A Hugging Face id or folder.", show_default="all-MiniLM-L6-v2")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/NAME-OF-DATA")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any recipe key, as in --set student.width=64.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Distil a teacher into a student; OUT then holds bundle/, evidence/report.json and resolved.json."""
    if recipe is None and data is None:
        raise typer.BadParameter("give a recipe, or --data FILE", param_hint="RECIPE")
    with Watch() as watch:
        from limbeck.pipeline import distill as run

        report = run(recipe, data=data, test=test, teacher=teacher, out=out, overrides=set_ or (), progress=watch)
    _show(report, as_json)


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="The folder bundle/ of a run.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts to answer.", show_default=False)] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Rows to answer: .jsonl or .csv, or any text file with a text a line; also .gz."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the answers go as JSON lines.", show_default="standard output")
    ] = None,
    column: Annotated[str, typer.Option(help="The column that holds the text.")] = "text",
    as_json: JsonFlag = False,
) -> None:
    """Answer texts with a bundle. A file gets one JSON line with label and probability for each row, in order."""
    if bool(texts) == (file is not None):
        raise typer.BadParameter("give texts, or --file FILE, and not both", param_hint="TEXT")
    from limbeck.runtime.predict import load

    predictor = load(bundle)
    if file is not None:
        answers = (_line(a) for rows in _chunks(_texts(file, column)) for a in predictor.predict(rows))
        _write_lines(answers, out)
        return
    found = predictor.predict(texts or [])
    if as_json or out is not None:
        _write_lines(map(_line, found), out)
        return
    for prediction in found:
        _out.print(f"{prediction.label}  {prediction.probability:.3f}", markup=False)


@app.command("list")
def list_(
    folder: Annotated[str | None, typer.Argument(help=f"One of {', '.join(catalog.FOLDERS)}.", show_default=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """List what limbeck can be told to use by name, plug-ins included."""
    found = {name: catalog.names(name) for name in ([folder] if folder else catalog.FOLDERS)}
    if as_json:
        _print_json(found)
    else:
        for name, entries in found.items():
            _out.print(f"[bold]{name}[/bold]  {', '.join(entries)}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/shop"),
    as_json: JsonFlag = False,
) -> None:
    """Distil the embedded example, the customer service of a fictional online shop, and show how to talk to it."""
    from limbeck import shop

    with Watch() as watch:
        from limbeck.pipeline import distill as run

        report = run(shop.recipe(), out=out, progress=watch)
    _show(report, as_json)
    if as_json:
        return
    from limbeck.runtime.predict import load

    predictor, replies = load(report.bundle), shop.replies()
    _out.print("\n[bold]A conversation[/bold]")
    for text, answer in zip(shop.CONVERSATION, predictor.predict(shop.CONVERSATION), strict=True):
        _out.print(f"  customer  {text}", markup=False)
        _out.print(f"  student   {answer.label} ({answer.probability:.2f}): {replies[answer.label]}", markup=False)
    _out.print("\n[bold]Talk to it[/bold]")
    _out.print(f'  {_typed(sys.argv[0])} predict {report.bundle} "my parcel is still not here"', markup=False)
    _out.print(
        f'  {_typed(sys.executable)} -c \'import limbeck; print(limbeck.load("{report.bundle}").predict(["can I pay with PayPal?"]))\'',
        markup=False,
    )


def _typed(program: str) -> str:
    """A program as one types it here: its name where the shell finds it by that, else its path, from here if it lies below."""
    path = Path(program)
    if path.name == "__main__.py":
        return f"{_typed(sys.executable)} -m limbeck"
    for name in (path.name, path.name.rstrip("0123456789.")):
        if (found := shutil.which(name)) and Path(found).absolute() == path.absolute():
            return name
    try:
        below = str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
    return below if "/" in below else f"./{below}"


def _version(value: bool) -> None:
    if value:
        _out.print(f"limbeck {__version__}")
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
        _err.print("[bold red]error:[/bold red] ", end="")
        _err.print(str(error), markup=False)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        sys.exit(1)


class Watch:
    """Progress on standard error: a bar with the time left on a terminal, one line for each finished stage elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._last = time.perf_counter()

    def __enter__(self) -> Watch:
        if _err.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description:<8}"), BarColumn(24), TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False),
                console=_err, transient=True,
            )  # fmt: skip
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is KeyboardInterrupt:
            _err.print("interrupted; the same command takes up where it stopped")

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        if self._bar is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bar.add_task(stage, total=total, note=note)
            self._bar.update(self._tasks[stage], completed=done, total=total, note=note)
        if done == total:
            now = time.perf_counter()
            _err.print(f"{stage:<8} {now - self._last:6.1f} s  {note}", markup=False)
            self._last = now
            if self._bar is not None:
                self._bar.remove_task(self._tasks.pop(stage))


def _show(report: Report, as_json: bool) -> None:
    if as_json:
        _print_json(report.to_json())
        return
    from limbeck.verify.report import page

    _out.print()
    _out.print(page(report))
    _out.print(f"\nbundle: {report.bundle}", markup=False)


def _texts(file: Path, column: str) -> Iterator[str]:
    """The texts of a file: a column of jsonl or csv rows, or the lines of a text file."""
    from limbeck.data.read import FORMATS, rows, text_lines

    suffix = Path(file.name.lower().removesuffix(".gz")).suffix
    if suffix in _STRUCTURED:
        raise DataError(
            f"{file}: a file named {suffix} does not hold a text a line, and limbeck reads rows from {' and '.join(FORMATS)} only. "
            "Convert it, or name it .txt if each line is a text."
        )
    if suffix not in FORMATS:
        yield from text_lines(file)
        return
    for where, row in rows(file):
        value = row.get(column)
        if column not in row or not isinstance(value, str | None):
            raise DataError(
                f"{where}: there is no text in column '{column}'; the columns are {', '.join(row)}. Name it with --column NAME"
            )
        yield value or ""


def _chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(itertools.islice(texts, _ROWS_AT_ONCE)):
        yield chunk


def _line(prediction: Any) -> str:
    answer = {"label": prediction.label, "probability": round(prediction.probability, 6)}
    return json.dumps(answer, ensure_ascii=False)


def _write_lines(lines: Iterable[str], out: Path | None) -> None:
    if out is None:
        for line in lines:
            sys.stdout.write(f"{line}\n")
        return
    from limbeck.data.read import write_whole

    with write_whole(out) as handle:
        for line in lines:
            handle.write(f"{line}\n")


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
