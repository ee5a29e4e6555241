"""`limbeck verify`: parses rows and prints what a bundle's answers to them are worth; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen
from limbeck.cli.screen import JsonFlag, print_json, show


def verify(
    bundle: Annotated[Path, typer.Argument(help="The folder bundle/ of a run, or its zip file.")],
    data: Annotated[Path, typer.Option(help="Rows that are new to it: jsonl, csv, tsv, parquet or Rasa NLU.")],
    teacher: Annotated[
        Path | None, typer.Option(help="The teacher as a bundle, teacher-onnx/ of the run: both answer.", show_default=False)
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="The column of the texts, or of what the bundle reads.", show_default="text")
    ] = None,
    label: Annotated[str, typer.Option(help="The column that holds the label; with a teacher it may be absent.")] = "label",
    margin: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="The most accuracy that may be lost to the teacher.")
    ] = 0.02,
    least_agreement: Annotated[
        float, typer.Option(min=0.0001, max=0.9999, help="Without labels: the least share of equal answers.")
    ] = 0.9,
    max_rejected_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The share of rows that may be set aside, as empty ones are.")
    ] = 0.05,
    slice_: Annotated[
        list[str] | None,
        typer.Option(
            "--slices",
            help="A column, or a function of the texts (package.module:callable): its values one by one; may be given several times.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[Path | None, typer.Option(help="A public key: the bundle must be signed by its owner.")] = None,
    label_separator: Annotated[
        str | None, typer.Option(help="What parts several labels that are written as one text.", show_default=False)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure a bundle again on new rows: accuracy (of several labels micro-F1), macro-F1, calibration, abstentions, classes. The base install is enough.

    With --teacher both answer, and there is a verdict as after `limbeck distill`, with its exit codes: 0 kept, 3 lost, 4 not shown.
    """
    from limbeck.bundle import Bundle
    from limbeck.catalog import find
    from limbeck.data.prepare import judging
    from limbeck.verify.again import against_teacher, remeasured
    from limbeck.verify.again_page import remeasured_page

    opened = Bundle.open(bundle, key)
    large = None if teacher is None else Bundle.open(teacher)
    slices = tuple(slice_ or ())
    records, aside = judging(
        data,
        slices,
        text=text,
        label=label,
        label_optional=large is not None,
        max_rejected_share=max_rejected_share,
        option=lambda name, value: f"--{name.replace('_', '-')} {value}",
        modality=find("modalities", opened.manifest.modality),
        no_labels="compare it with its teacher: --teacher FOLDER",
        several=getattr(find("tasks", opened.manifest.task), "several", False),
        separator=label_separator,
    )
    if aside:
        first = f"{aside[0].where}: {aside[0].reason}"
        screen.err.print(f"{len(aside):,} {'row' if len(aside) == 1 else 'rows'} set aside; the first: {first}", markup=False)
    if large is not None:
        report = against_teacher(
            opened, large, records, held_out=f"{data}", margin=margin, least_agreement=least_agreement, slices=slices
        )
        show(report, as_json)
        raise typer.Exit(report.exit_code)
    found = remeasured(opened, records, slices)
    if as_json:
        print_json(found.to_json())
    else:
        screen.out.print()
        screen.out.print(remeasured_page(found), soft_wrap=False)
