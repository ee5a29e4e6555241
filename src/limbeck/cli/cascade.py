"""`limbeck cascade`: parses how much may go to the teacher and prints what was chosen; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limbeck.cli import screen
from limbeck.cli.screen import JsonFlag, print_json

if TYPE_CHECKING:
    from limbeck.cascaded import Cascade


def cascade(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    margin: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="The most accuracy that the cascade may have less than its teacher.")
    ] = 0.01,
    share: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Send at most this share to the teacher instead.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Rows that are new to both, labelled or not, in place of the run's validation rows.", show_default=False
        ),
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="The teacher as a bundle.", show_default="teacher-onnx/ of the run")
    ] = None,
    text: Annotated[str, typer.Option(help="The column that holds the text.")] = "text",
    label: Annotated[str, typer.Option(help="The column that holds the label; it may be absent.")] = "label",
    out: Annotated[Path | None, typer.Option(help="The file to write.", show_default="evidence/cascade.json")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Choose below which confidence a student hands over to its teacher, for `limbeck serve --cascade`.

    Validation rows choose, never the test rows: the least share for the teacher whose accuracy is shown, with 95 % confidence, to be less than
    the margin below the teacher's. Without labels it is the share of answers that are the teacher's. No torch is needed.
    """
    from limbeck.bundle import Bundle
    from limbeck.cascaded import CASCADE
    from limbeck.catalog import find
    from limbeck.data.prepare import judging
    from limbeck.verify.hand_over import from_rows, from_run, teacher_of

    if data is None:
        found = from_run(run, margin, share)
    else:
        student = Bundle.open(run / "bundle")
        records, aside = judging(
            data,
            text=text,
            label=label,
            label_optional=True,
            option=lambda name, value: f"--{name.replace('_', '-')} {value}",
            modality=find("modalities", student.manifest.modality),
        )
        if aside:
            screen.err.print(f"{len(aside):,} rows set aside; the first: {aside[0].where}: {aside[0].reason}", markup=False)
        found = from_rows(student, teacher_of(run, teacher), records, margin, share)
    path = out or run / "evidence" / CASCADE
    found.write(path)
    if as_json:
        print_json(found.to_json())
    else:
        _show(found, path)


def _show(found: Cascade, path: Path) -> None:
    from rich.table import Table

    from limbeck.verify.hand_over import told

    of = "accuracy" if found.against == "labels" else "agreement with the teacher"
    table = Table("below", "to the teacher", of, "cascade - teacher", "at least", box=None, header_style="dim", pad_edge=False)
    every = max(1, len(found.points) // 10)
    shown = {*found.points[::every], found.points[-1], found.chosen}
    for point in sorted(shown, key=lambda p: -p.threshold):
        here = point.threshold == found.chosen.threshold
        table.add_row(
            f"{min(point.threshold, 1.0):.3f}",
            f"{point.share.estimate:.1%}",
            f"{point.accuracy.estimate:.1%}",
            f"{point.difference.estimate:+.2%}",
            f"{point.difference.low:+.2%}",
            style="bold" if here else None,
        )
    screen.out.print()
    screen.out.print(table)
    screen.out.print()
    for line in told(found):
        screen.out.print(line, markup=False)
    screen.out.print(f"{path}", markup=False)
