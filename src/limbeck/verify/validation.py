"""What student and teacher answered to the validation rows: evidence/validation.npz. Knows answers and classes; holds no text and judges nothing.

These rows trained neither of them, and chose the student. No report rests on them, so a cascade may be chosen by them. Letters: N rows, C classes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from limbeck.disk import read_whole, write_whole
from limbeck.errors import InputFileError

VALIDATION = "validation.npz"
_MOST_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Validation:
    """keys_N: of the rows, the same for copies of a text. student_NC, teacher_NC: logits, the student's by the written file, the classes in the
    order of its labels. true_N: classes; None where too few rows have a label. bundle: sha256 of the student's manifest."""

    keys_N: Sequence[str]
    student_NC: NDArray[Any]
    teacher_NC: NDArray[Any]
    true_N: NDArray[np.int64] | None
    bundle: str

    def write(self, path: Path) -> None:
        """Write it to a file."""
        arrays: dict[str, Any] = {"keys": np.array(self.keys_N), "student": self.student_NC, "teacher": self.teacher_NC}
        if self.true_N is not None:
            arrays["true"] = self.true_N
        buffer = io.BytesIO()
        np.savez_compressed(buffer, bundle=np.array(self.bundle), **arrays)
        write_whole(path, [buffer.getvalue()])

    @classmethod
    def read(cls, path: Path, bundle: str) -> Self:
        """It back from its file.

        Raises:
            InputFileError: it is not there, damaged, or about another bundle than the one of this sha256.
        """
        try:
            with np.load(io.BytesIO(read_whole(path, _MOST_BYTES)), allow_pickle=False) as content:
                found = cls(
                    content["keys"].tolist(),
                    content["student"],
                    content["teacher"],
                    content["true"] if "true" in content.files else None,
                    str(content["bundle"]),
                )
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise InputFileError(
                f"there are no answers to validation rows at {path}: the run had fewer than 50 of them, or was made by an older limbeck. Give rows that "
                "are new to student and teacher: limbeck cascade RUN --data FILE"
            ) from error
        if found.bundle != bundle:
            raise InputFileError(
                f"{path} holds the answers of another student than this run's bundle. Give rows with --data FILE."
            )
        return found
