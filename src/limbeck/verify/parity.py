"""Whether each form of a student says what the form before it says. Knows callables, ids and logits; knows nothing of how they are made.

The ladder: pieces of the pruned tokenizer = pieces of the full one; trained student = float32 file; int8 file ~ float32 file; and a
record alone = the same record in a batch, for every file. A step that does not hold is an error, never a warning.

Letters: N rows, B a batch, T places, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import ParityError
from limbeck.metrics.probabilities import kl
from limbeck.types import Json

Ids = NDArray[np.int64]
Collate = Callable[[Sequence[Ids]], Mapping[str, NDArray[Any]]]
Network = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]
Pieces = Sequence[str] | None
BATCHES = (1, 2, 7, 32)
_OURS = "This is a fault of limbeck: please report it with resolved.json."


def check_pieces(smaller: Sequence[Pieces], full: Sequence[Pieces], texts: Sequence[str]) -> None:
    """The pruned tokenizer reads the texts that it was pruned for as the full one does, piece by piece.

    Args:
        smaller, full: the pieces of each text; None where the tokenizer cannot read all of it, which says nothing if the full one
            cannot.
        texts: which these are.

    Raises:
        ParityError: it does not.
    """
    for ours, whole, text in zip(smaller, full, texts, strict=True):
        if whole is not None and (ours is None or list(ours) != list(whole)):
            raise ParityError(
                f"the student's tokenizer reads the text {text!r:.80} as {ours!r:.120}, the teacher's as {whole!r:.120}. {_OURS}"
            )


def check_parity(
    trained: Network, written: Network, sweep: Mapping[str, Sequence[NDArray[Any]]], collate: Collate, tolerance: float
) -> float:
    """The largest difference of a logit between the trained student and its float32 file.

    Rows of each shape in batches of 1, 2, 7 and 32; and each record alone, by the file, against itself in its batch.

    Args:
        trained, written: from a batch of arrays to logits (B, C).
        sweep: encoded records by what they are, 32 of each: the shapes that the student may be given.
        collate: makes a batch of them.
        tolerance: of a logit.

    Raises:
        ParityError: the difference exceeds the tolerance, or the student's logits are not finite.
    """
    worst = 0.0
    for kind, rows in sweep.items():
        alone_BC = np.concatenate([written(collate([row])) for row in rows])
        for size in BATCHES:
            batch = collate(rows[:size])
            trained_BC, together_BC = trained(batch), written(batch)
            if not np.isfinite(trained_BC).all():
                raise ParityError(
                    "the trained student's logits are not finite: its training diverged. Lower training.learning_rate."
                )
            for name, other_BC in (("the trained student", trained_BC), ("itself one record at a time", alone_BC[:size])):
                difference = float(np.abs(other_BC - together_BC).max())
                if not difference <= tolerance:
                    raise ParityError(
                        f"the written file differs from {name} by {difference:.2g} in a logit, {size} records of {kind}; at most "
                        f"{tolerance:.0e} is allowed. {_OURS}"
                    )
                worst = max(worst, difference)
    return worst


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near a file in whole numbers is to the float32 file on the same rows, and to itself in batches.

    rows: how many. agreement: share of equal labels. kl: mean KL(float32 || int8) in nats. largest: difference of a logit.
    batch_flips: rows whose label alone is not that in a batch. batch_difference: of a logit, alone and in a batch.
    """

    rows: int
    agreement: float
    kl: float
    largest: float
    batch_flips: int
    batch_difference: float

    def to_json(self) -> Json:
        """Its fields, figures to six digits."""
        return {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in asdict(self).items()}


def nearness(float_NC: NDArray[np.float32], alone_NC: NDArray[np.float32], batched_NC: NDArray[np.float32]) -> Nearness:
    """Compare logits of the float32 file with those of the int8 file, each record alone and in a batch."""
    top_N = alone_NC.argmax(axis=1)
    return Nearness(
        rows=len(float_NC),
        agreement=float((float_NC.argmax(axis=1) == top_N).mean()),
        kl=float(kl(float_NC, alone_NC).mean()),
        largest=float(np.abs(float_NC - alone_NC).max()),
        batch_flips=int((batched_NC.argmax(axis=1) != top_N).sum()),
        batch_difference=float(np.abs(batched_NC - alone_NC).max()),
    )


def check_int8(found: Nearness, least_agreement: float) -> None:
    """The int8 file gives the float32 file's labels, and the same label alone and in a batch.

    Raises:
        ParityError: it does not.
    """
    if not found.agreement >= least_agreement:
        raise ParityError(
            f"the int8 file gives the float32 file's label on {found.agreement:.2%} of {found.rows:,} training rows; at least "
            f"{least_agreement:.2%} is asked. Set student.network to float32. {_OURS}"
        )
    if found.batch_flips:
        raise ParityError(
            f"{found.batch_flips} of {found.rows:,} training rows have another label in a batch than alone in the int8 file "
            f"(logits move by up to {found.batch_difference:.2g}). Set student.network to float32. {_OURS}"
        )


def check_alone(
    answer: Callable[[Sequence[Any]], NDArray[np.float32]], payloads: Sequence[Any], tolerance: float = 1e-4
) -> int:
    """How many payloads have another label alone than in a batch; none is the only right answer.

    A label may differ only where two classes are as likely as each other, to the rounding of a float32 logit.

    Raises:
        ParityError: a label differs.
    """
    together_NC = answer(payloads)
    alone_NC = np.concatenate([answer([p]) for p in payloads])
    other_N = together_NC.argmax(axis=1) != alone_NC.argmax(axis=1)
    top_N2 = np.sort(together_NC, axis=1)[:, -2:]
    flips = int((other_N & (top_N2[:, 1] - top_N2[:, 0] > tolerance)).sum())
    if flips:
        raise ParityError(
            f"{flips:,} of {len(payloads):,} held-out rows have another label in a batch than alone (logits move by up to "
            f"{np.abs(together_NC - alone_NC).max():.2g}). {_OURS}"
        )
    return flips
