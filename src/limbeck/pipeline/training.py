"""A training as a stage of a run: watched, written down, saved, and taken up again. Knows steps; knows nothing of what is trained."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from limbeck.curves import Pace
from limbeck.engine.checkpoint import Checkpoint
from limbeck.engine.device import chosen_precision, seconds_by_precision
from limbeck.engine.loop import Training
from limbeck.errors import TrainingError
from limbeck.run import Run
from limbeck.types import Json, digest


def precision(run: Run, name: str, work: Callable[[str], object]) -> str:
    """The recipe's precision, or, where that is 'auto', the faster one for `work(precision)`, measured once in a run."""
    if run.recipe.precision != "auto":
        return run.recipe.precision

    def measured() -> Json:
        seconds = seconds_by_precision(work)
        return {"precision": chosen_precision(seconds), "seconds": {k: round(s, 4) for k, s in seconds.items() if isfinite(s)}}

    return str(run.decided(f"{name}.precision", measured)["precision"])


def trained(run: Run, stage: str, name: str, training: Training, identity: Json, note: str) -> Checkpoint:
    """Train to the end, from the last checkpoint of this training if there is one.

    Args:
        run: whose folder holds checkpoint and curves, and whose progress is told.
        stage: what the progress calls it.
        name: what its files call it, alone in the run.
        training: from its start.
        identity: everything that decides the training.
        note: for the progress.

    Returns:
        The checkpoint, to be removed when what was trained is safe.

    Raises:
        TrainingError: the loss is not a number any more.
    """
    training.precision = precision(run, name, training.rehearse)
    identity = {**identity, "precision": training.precision, "environment": run.environment}
    checkpoint = Checkpoint(run.folder / f".{name}.checkpoint", digest(identity), run.recipe.checkpoint_seconds)
    if saved := checkpoint.load():
        training.restore(*saved)
    assert run.curves is not None, "a run is settled before anything is trained in it"
    run.curves.rewind(name, training.number)
    mean, pace, best = None, Pace(), ""
    for step in training.steps():
        if not isfinite(step.loss):
            raise TrainingError(
                f"training the {stage} diverged at step {step.number}: the loss is {step.loss}. Lower its learning rate."
            )
        mean = step.loss if mean is None else 0.98 * mean + 0.02 * step.loss
        last = step.number == step.total
        if pace.due() or step.judged or last:
            run.curves.note(name, step.number, {"loss": mean, "rate": step.rate, **step.judged})
            if training.best:
                figure, value = next(iter(training.best.items()))
                best = f", best {figure} {value:.4f} after epoch {training.best_epoch}"
            run.progress(stage, step.number, step.total, f"{note}, loss {mean:.3f}{best}")
        if not last:
            checkpoint.offer(training.state)
    return checkpoint
