"""`limbeck label-sample`: parses and prints; decides nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def label_sample(
    data: Annotated[str, typer.Argument(help="Rows without labels: a file of any known format, or hf://OWNER/NAME.")],
    run: Annotated[
        Path | None, typer.Option(help="A run: its bundle says what it is unsure of, and its labelled rows are left out.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle, where there is no run.")] = None,
    labelled: Annotated[list[str] | None, typer.Option(help="Further files whose labelled rows are left out.")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many rows.")] = 200,
    out: Annotated[Path, typer.Option(help="Where they go, as CSV.")] = Path("to_label.csv"),
    column: Annotated[str, typer.Option(help="The column that holds the text.")] = "text",
    label: Annotated[str, typer.Option(help="The column that holds labels, where some rows have one.")] = "label",
    seed: Annotated[int, typer.Option(min=0, help="Decides which rows of a large file are looked at.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")] = False,
) -> None:
    """Choose the rows most worth labelling: typical ones, and those that the model is least sure of, never two alike."""
    from limbeck.data.label_sample import PARTING, texts_of_run
    from limbeck.data.label_sample import label_sample as choose
    from limbeck.data.read import read_records
    from limbeck.runtime.predict import load

    if run is not None and bundle is not None:
        raise typer.BadParameter("give a run or a bundle, not both", param_hint="--bundle")
    path = run / "bundle" if run is not None else bundle
    predictor = None if path is None else load(path)
    known = [] if run is None else texts_of_run(run)
    how: dict[str, Any] = {
        "text": column,
        "label": label,
        "several": predictor is not None and predictor.several,
        "separator": PARTING,
    }
    for source in labelled or ():
        known += [r.payload for r in read_records(source, **how) if r.label is not None]
    found = choose(data, n, predictor=predictor, known=known, text=column, label=label, seed=seed)
    found.write(out)
    if as_json:
        kinds = [s.why for s in found.suggestions]
        counts = {why: kinds.count(why) for why in ("typical", "unsure")}
        typer.echo(json.dumps({"out": str(out), "rows": found.rows, **counts, "unusable": len(found.rejected)}))
    else:
        typer.echo(f"{out}: {found.note()}")
