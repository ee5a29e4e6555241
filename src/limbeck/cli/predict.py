"""`limbeck predict`: parses rows and prints answers; decides nothing."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from limbeck.cli import screen
from limbeck.cli.screen import JsonFlag
from limbeck.errors import DataError

_ROWS_AT_ONCE = 4096
_STRUCTURED = {".json", ".ndjson", ".tab", ".arrow", ".xls", ".xlsx", ".ods", ".xml"}


def predict(
    bundle: Annotated[Path, typer.Argument(help="The folder bundle/ of a run, or its zip file.")],
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="Texts to answer, or files of what the bundle reads.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Rows to answer: jsonl, csv, tsv, parquet or Rasa NLU, or any text file with a text a line."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the answers go as JSON lines.", show_default="standard output")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The column of the texts, or of what the bundle reads.", show_default="text")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="A public key: the bundle must be signed by its owner.")] = None,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream", help="Listen through one sound of any length, or a wav on standard input (-), and print what is heard."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Answer texts with a bundle. A file gets one JSON line with label and probability for each row, in order; of a folder with each file's name.
    A picture or clip that cannot be read gets a line that says why, and the command ends with exit status 2 when all others are answered.

    Where the bundle has a threshold, each JSON line also says whether it abstains, and a printed abstention is marked. A bundle of several labels
    prints all that reach their thresholds, or that no label does.
    """
    if bool(texts) == (file is not None):
        raise typer.BadParameter("give texts, or --file FILE, and not both", param_hint="TEXT")
    from limbeck.runtime.predict import load

    predictor = load(bundle, key=key)
    if stream:
        _listen(predictor, texts or [], as_json)
        return
    threshold = predictor.calibration.threshold
    if file is not None:
        refused: list[DataError] = []
        _write_lines(_answered(predictor, named_payloads(file, column, predictor.modality), refused), out)
        if refused:
            raise DataError(f"rows with an error in place of a label: {len(refused)}. The first: {refused[0]}")
        return
    if not predictor.modality.vocabulary and (folders := [t for t in texts or [] if Path(t).is_dir()]):
        raise typer.BadParameter(
            f"{folders[0]} is a folder. Its {predictor.modality.noun}s are answered by --file {folders[0]}", param_hint="TEXT"
        )
    found = predictor.predict(texts or [])
    if as_json or out is not None:
        _write_lines((_line(a, threshold) for a in found), out)
        return
    for prediction in found:
        if predictor.several:
            pairs = zip(prediction.labels, prediction.probabilities, strict=True)
            told = "  ".join(f"{label} {probability:.3f}" for label, probability in pairs)
            screen.out.print(told or "no label", markup=False)
            continue
        doubt = f"  abstains: below {threshold:.3f}" if prediction.abstain else ""
        screen.out.print(f"{prediction.label}  {prediction.probability:.3f}{doubt}", markup=False)


def _listen(predictor: Any, sources: list[str], as_json: bool) -> None:
    """Print each event as soon as it is over."""
    from limbeck.runtime.listen import listen

    if len(sources) != 1:
        raise typer.BadParameter("give one sound, or - for a wav on standard input", param_hint="--stream")
    if not hasattr(predictor.modality, "stream"):
        raise DataError(
            f"{predictor.path} reads no clips, so it cannot listen. Give a bundle of the task audio-classification."
        )
    heard = predictor.modality.stream(sys.stdin.buffer if sources[0] == "-" else sources[0])
    for event in listen(predictor, heard.pieces, heard.rate):
        if as_json:
            line = {"start": round(event.start, 3), "end": round(event.end, 3), "label": event.label}
            sys.stdout.write(json.dumps({**line, "probability": round(event.probability, 6)}, ensure_ascii=False) + "\n")
        else:
            screen.out.print(f"{event.start:8.2f} to {event.end:.2f} s  {event.label}  {event.probability:.3f}", markup=False)
        sys.stdout.flush()


def payloads_of(file: Path, column: str | None, modality: Any) -> Iterator[Any]:
    """What a bundle reads in a file: a column of jsonl or csv rows, the lines of a text file, or of another modality all that it names.

    Raises:
        DataError: something cannot be read; the message says where and why.
    """
    for _, payload in named_payloads(file, column, modality):
        if isinstance(payload, DataError):
            raise payload
        yield payload


def named_payloads(file: Path, column: str | None, modality: Any) -> Iterator[tuple[dict[str, str], Any]]:
    """The same, each with its name where it has one: of a folder or a zip that of its file, under the column. In place of a picture or a clip
    that cannot be read stands the `DataError` that says why, so that one broken file among thousands does not end the command."""
    from limbeck.data.read import rows

    column = column or modality.column
    if modality.vocabulary:
        yield from (({}, text) for text in texts_of(file, column))
        return
    if file.suffix.lower() in modality.suffixes:
        raise DataError(
            f"{file} is one {modality.noun}, and --file takes rows. Leave out --file: limbeck predict BUNDLE {file}"
        )
    named = file.is_dir() or file.suffix.lower() == ".zip"
    known = False
    for where, row in rows(file, modality=modality):
        known = known or column in row  # a row may lack it, the first names all columns
        if not known:
            raise DataError(
                f"{where}: there is no column '{column}'; the columns are {', '.join(row)}. Name it with --column NAME"
            )
        payload: Any
        try:
            payload = modality.payload(row.get(column), file.parent)
        except ValueError as error:
            payload = DataError(f"{where}: column '{column}' {error or 'is empty'}")
        yield {column: where} if named else {}, payload


def texts_of(file: Path, column: str) -> Iterator[str]:
    """The texts of a file: a column of jsonl or csv rows, or the lines of a text file."""
    from limbeck.data.read import FORMATS, rows, text_lines

    suffix = Path(file.name.lower().removesuffix(".gz")).suffix
    if suffix in _STRUCTURED:
        raise DataError(
            f"{file}: a file named {suffix} does not hold a text a line, and limbeck reads rows from {', '.join(FORMATS)} only. "
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


def _answered(predictor: Any, named: Iterator[tuple[dict[str, str], Any]], refused: list[DataError]) -> Iterator[str]:
    """A JSON line for each row; those that cannot be read are added to `refused`."""
    threshold = predictor.calibration.threshold
    for rows in _chunks(named):
        answers = iter(predictor.predict([payload for _, payload in rows if not isinstance(payload, DataError)]))
        for name, payload in rows:
            if isinstance(payload, DataError):
                refused.append(payload)
                yield json.dumps({**name, "error": str(payload)}, ensure_ascii=False)
            else:
                yield _line(next(answers), threshold, name)


def _chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(itertools.islice(rows, _ROWS_AT_ONCE)):
        yield chunk


def _line(prediction: Any, threshold: float, name: dict[str, str] | None = None) -> str:
    if hasattr(prediction, "labels"):
        pairs = zip(prediction.labels, prediction.probabilities, strict=True)
        answers = [{"label": label, "probability": round(probability, 6)} for label, probability in pairs]
        return json.dumps({**(name or {}), "labels": answers}, ensure_ascii=False)
    answer = {**(name or {}), "label": prediction.label, "probability": round(prediction.probability, 6)}
    if threshold > 0:  # every line of a file has the same keys
        answer["abstain"] = prediction.abstain
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
