"""Rows of parquet files. Knows row groups and columns; knows nothing of what the columns mean. pyarrow is imported on first use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from limbeck.data.files import readable
from limbeck.data.lines import Row
from limbeck.data.rejected import Reject
from limbeck.errors import DataError, missing_extra

_ROWS_AT_ONCE = 4096


def parquet(file: Path, wanted: frozenset[str], _reject: Reject) -> Iterator[Row]:
    """The rows, a few thousand in memory at a time; where all wanted columns are there, no other is read.

    No row is rejected: a row of a parquet file is whole, or the file is broken.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("pyarrow", "train", f"reading {file}") from error
    with readable(file):
        try:
            with pq.ParquetFile(file) as opened:
                names = opened.schema_arrow.names
                if len(set(names)) < len(names):
                    raise DataError(f"{file}: a column name stands twice: {', '.join(names)}")
                columns = sorted(wanted, key=names.index) if wanted and wanted <= set(names) else None
                number = 0
                for batch in opened.iter_batches(_ROWS_AT_ONCE, columns=columns):
                    for row in batch.to_pylist():
                        number += 1
                        yield f"{file}, row {number}", row
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # Arrow's own errors resemble many builtins
            reason = str(error).splitlines()[0]
            raise DataError(f"{file}: cannot be read as a parquet file ({reason}). Copy or write it again.") from error
