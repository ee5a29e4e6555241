"""`limbeck store`: looks after a signal store; parses and prints, and decides nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limbeck.cli.screen import JsonFlag, Watch, err, out, print_json
from limbeck.errors import SignalError

if TYPE_CHECKING:
    from limbeck.signals.store import SignalStore
    from limbeck.signals.upkeep import Removed

store = typer.Typer(name="store", help="Look after a signal store: what the teacher said.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a store, or of a run.", show_default=False)]


@store.command()
def ls(folder: Folder, as_json: JsonFlag = False) -> None:
    """Show whose answers a store holds, and how many."""
    from limbeck.signals.upkeep import contents, store_folder

    found = contents(store_folder(folder))
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    out.print(found.folder, markup=False)
    _lines("teacher", [f"{name} {value:.16}" for name, value in found.teacher.items()])
    _lines("entries", [f"{found.entries:,}"])
    _lines(
        "fields",
        [f"{n}  {f.rows:,} rows of {f.dtype} ({', '.join(map(str, f.shape))})" for n, f in found.fields.items()],
    )
    _lines("shards", [f"{found.shards:,}, {found.bytes:,} bytes, {found.bytes_per_entry:,.0f} an entry"])
    if found.set_aside:
        _lines("damaged", [f"{found.set_aside:,} set aside; `limbeck store gc` removes them"])
    for problem in found.problems:
        err.print(problem, markup=False)


@store.command()
def verify(folder: Folder, as_json: JsonFlag = False) -> None:
    """Read every file of a store and name those that are damaged (exit code 2)."""
    from limbeck.signals.upkeep import store_folder
    from limbeck.signals.upkeep import verify as check

    with Watch() as watch:
        found = check(store_folder(folder), watch)
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        for path in found.damaged:
            out.print(f"damaged  {path}", markup=False)
        if found.damaged:
            out.print("The next run that meets a damaged file sets it aside, and asks the teacher again for what it held.")
        else:
            out.print(f"all {found.files:,} files are what was written")
    if found.damaged:
        raise typer.Exit(2)


@store.command()
def gc(folder: Folder, as_json: JsonFlag = False) -> None:
    """Remove what nobody will read: unfinished drafts, damaged shards, entries that stand twice."""
    from limbeck.signals.upkeep import collect_garbage

    with Watch() as watch:
        removed = collect_garbage(_opened(folder), watch)
    _show(removed, as_json)


@store.command()
def forget(
    folder: Folder,
    key: Annotated[str | None, typer.Argument(help="The key of an entry, 64 hexadecimal digits.", show_default=False)] = None,
    text: Annotated[
        str | None,
        typer.Option(help="The text that was asked, instead of a key. Views made from a text have keys of their own."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Erase an entry: the shards that hold it are written again without it."""
    if (key is None) == (text is None):
        raise typer.BadParameter("give a key, or --text TEXT, and not both", param_hint="KEY")
    from limbeck.signals.upkeep import forget as erase

    opened = _opened(folder)
    with Watch() as watch:
        removed = erase(opened, opened.key(text) if text is not None else _key(str(key)), watch)
    _show(removed, as_json)


def _opened(folder: Path) -> SignalStore:
    from limbeck.signals.store import SignalStore
    from limbeck.signals.upkeep import store_folder

    return SignalStore.at(store_folder(folder), lambda message: err.print(message, markup=False))


def _key(digits: str) -> bytes:
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise SignalError(f"a key is 64 hexadecimal digits; got {digits!r:.80}. To erase by what was asked, give --text TEXT.")
    return key


def _show(removed: Removed, as_json: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(removed))
        return
    for what in ("entries", "drafts", "damaged", "bytes"):
        _lines(what, [f"{getattr(removed, what):,} removed"])


def _lines(title: str, lines: list[Any]) -> None:
    for line in lines:
        out.print(f"{title:<8}  {line}", markup=False)
        title = ""
