"""A training as a stage of a run: watched, written down, saved, and taken up again. Knows steps; knows nothing of what is trained."""

from __future__ import annotations

from math import isfinite

from torch import nn

from limbeck.curves import Pace
from limbeck.engine.checkpoint import Checkpoint
from limbeck.engine.device import faster_precision, is_heavy
from limbeck.engine.loop import Training
from limbeck.errors import TrainingError
from limbeck.run import Run
from limbeck.types import Json, digest


def precision(run: Run, model: nn.Module) -> str:
    """The recipe's precision for a model; where that is 'auto', the faster one on this machine, measured once in a run."""
    if run.recipe.precision != "auto":
        return run.recipe.precision
    if not is_heavy(model):
        return "float32"
    return str(run.decided("precision", lambda: faster_precision(run.device))["precision"])


def trained(
    run: Run, stage: str, name: str, training: Training, identity: Json, note: str, goes_on: bool = False
) -> Checkpoint:
    """Train to the end, from the last checkpoint of this training if there is one.

    Args:
        run: whose folder holds checkpoint and curves, and whose progress is told.
        stage: what the progress calls it.
        name: what its files call it, alone in the run.
        training: from its start.
        identity: everything that decides the training.
        note: for the progress.
        goes_on: whether the end is saved too, for a training of more epochs, or until what follows is done.

    Returns:
        The checkpoint, to be removed when what was trained is safe.

    Raises:
        TrainingError: the loss is not a number any more.
    """
    training.precision = precision(run, training.model)
    identity = {**identity, "precision": training.precision, "environment": run.environment}
    checkpoint = Checkpoint(run.folder / f".{name}.checkpoint", digest(identity), run.recipe.checkpoint_seconds)
    if (saved := checkpoint.load()) and saved[0]["number"] <= training.total:  # else it went on already
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
        elif goes_on:
            checkpoint.save(*training.state())
    return checkpoint
