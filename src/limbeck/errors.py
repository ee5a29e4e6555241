"""What went wrong, for the person who can mend it. Knows the kinds of mistakes users make; knows nothing of how they are found.

Every error of limbeck's own descends from `LimbeckError` and also from the builtin that it resembles, so both
`except LimbeckError` and `except ValueError` work. A message says what was expected, what came, where, and the next step.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar


class LimbeckError(Exception):
    """Root of all errors that limbeck raises for its users; the command line ends with exit code 2.

    code: what `limbeck doctor` calls it.
    """

    code: ClassVar[str] = "cannot_start"


class DataError(LimbeckError, ValueError):
    """A data file cannot be read as records, or holds too little to learn from."""

    code = "data_unusable"


class TooLargeError(DataError):
    """A payload is larger than it may be, packed or unpacked."""


class LeakError(DataError):
    """The rows that judge are those that train."""

    code = "leak"


class LabelsError(DataError):
    """The labels do not name classes."""

    code = "labels_are_no_classes"


class InputFileError(LimbeckError, OSError):
    """A file or folder is missing or cannot be opened."""


class RecipeError(LimbeckError, ValueError):
    """A recipe has problems; the message lists all of them."""


class BudgetError(LimbeckError, ValueError):
    """No student that can be chosen fits the budget, or what it was measured with does not belong to it."""


class TeacherError(LimbeckError, ValueError):
    """The teacher cannot be loaded, or cannot give what is asked of it."""

    code = "teacher_unusable"


class TeacherLabelsError(TeacherError):
    """A teacher has no class for some of the data's labels."""


class CheckupError(LimbeckError, ValueError):
    """The checks before a run found what would make it worth nothing."""


class SignalError(LimbeckError, ValueError):
    """A signal store is damaged, or belongs to another teacher."""


class BundleError(LimbeckError, ValueError):
    """A bundle is not what its manifest says."""


class SignatureError(BundleError):
    """A bundle is not signed by the owner of the key that was given, or a key is none."""


class ModelFileError(LimbeckError, ValueError):
    """A model file holds something that limbeck does not hand on to the library that runs it."""


class RepliesError(LimbeckError, ValueError):
    """A file of replies does not fit the bundle that it speaks for."""


class RunFolderError(LimbeckError, FileExistsError):
    """The output folder holds another run, or something that is not a run."""


class TrainingError(LimbeckError, ArithmeticError):
    """A training does not lead anywhere: its loss is not a number any more."""


class ParityError(LimbeckError, ArithmeticError):
    """The written file does not say what the trained student says."""


class ExportError(LimbeckError, ValueError):
    """A model cannot be written in a format."""


class AddressError(LimbeckError, ValueError):
    """A URL does not say where a server is."""


class ServerError(LimbeckError, ConnectionError):
    """A server does not start, cannot be reached, or does not answer as it must."""


class UnknownNameError(LimbeckError, KeyError):
    """A name is not in the catalog."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0])


class MissingExtraError(LimbeckError, ImportError):
    """A part of limbeck needs packages that the base install does not bring."""


_WITHOUT_TORCH = ("sign", "sklearn", "boosting", "api", "serve", "image", "audio")


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtraError:
    """The error to raise when `package`, which comes with an extra of limbeck, cannot be imported."""
    torch = " (on a machine without a GPU install the CPU build of torch first; PyTorch's own 'Get started' page says how)"
    return MissingExtraError(
        f"{purpose} needs the package '{package}', which is not installed. "
        f'Run: pip install "limbeck[{extra}]"{"" if extra in _WITHOUT_TORCH else torch}.'
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as " Did you mean 'text'?", or an empty string when nothing known is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{found[0]}'?" if found else ""


def listing(names: Sequence[str], most: int = 8) -> str:
    """Up to `most` names in quotes, and how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
