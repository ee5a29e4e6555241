"""What a first lesson says of a student: can it learn one small batch by heart? Knows losses and gradients as numbers; trains nothing.

A student that cannot is not going to learn a file; and nothing says so, since a training that learns nothing ends like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite

from limbeck.errors import listing
from limbeck.findings import Finding, refusal, warning

FALL = 0.05
"""The share of the loss that must go, in as many steps as the lesson has."""
FEW_STEPS = 20
_RISE = 1.5
_SCALES = 300.0  # between the gradients of two objectives: the weaker one is a rounding error then
_NOISE = 1e-5
_SAYS_SOMETHING, _EVEN = 1.5, 1.1  # times the probability of an even guess


@dataclass(frozen=True, slots=True)
class Lesson:
    """One small batch, trained on again and again.

    losses: of each step, in nats. gradients: the norm over all weights of the first step, for each objective with its weight. trainable:
    how many weights may move. learning_rate: of the plan. asleep: modules that stay in evaluation mode in training. awake: modules that
    stay in training mode afterwards. noise: the largest difference of a logit between two answers in evaluation mode. apart: the
    largest difference of a logit between two texts. softened: for each objective with a temperature, the mean probability of the teacher's
    answer without it and with it, times the number of classes. complete: False where time was up before the last step.
    """

    losses: tuple[float, ...]
    gradients: Mapping[str, float]
    trainable: int
    learning_rate: float
    asleep: tuple[str, ...] = ()
    awake: tuple[str, ...] = ()
    noise: float = 0.0
    apart: float = 1.0
    softened: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    complete: bool = True


def lesson_findings(lesson: Lesson) -> Iterator[Finding]:
    """What is wrong with the student."""
    gradients = lesson.gradients
    if not lesson.trainable or all(norm == 0 for norm in gradients.values()):
        yield refusal(
            "student_dead",
            "Nothing of the student can be trained.",
            f"{lesson.trainable:,} of its weights may move; the gradients of {listing(list(gradients))} are 0.",
            "Its weights are frozen (requires_grad), or its forward is cut off from them (detach, no_grad).",
        )
        return
    if not all(map(isfinite, (*lesson.losses, *gradients.values()))):
        yield refusal(
            "student_diverges",
            "The student diverged on the first batch.",
            f"Its loss or a gradient is not a number within {len(lesson.losses)} steps at a learning rate of {lesson.learning_rate:g}.",
            "Lower training.learning_rate, or the weights of the objectives.",
        )
        return
    yield from _scales(gradients)
    yield from _softened(lesson.softened)
    yield from _modes(lesson)
    first, last = lesson.losses[0], min(lesson.losses[-3:])
    told = f"On one small batch its loss goes from {first:.3g} to {last:.3g} in {len(lesson.losses)} steps at a learning rate of {lesson.learning_rate:g}."
    if last > _RISE * first:
        yield warning(
            "student_diverges",
            "The student's loss rises on a batch that it sees again and again.",
            told,
            "Lower training.learning_rate.",
        )
    elif lesson.complete and last > (1 - FALL) * first:
        yield warning(
            "student_does_not_learn",
            "The student does not learn one small batch by heart.",
            told,
            "Raise training.learning_rate; if that does not help, its forward loses what it reads.",
        )
    elif lesson.apart == 0:
        yield warning(
            "student_constant",
            "The student answers the same to all texts.",
            "After a lesson of a few different texts its logits are equal for all of them.",
            "Its input does not reach its output: look at its forward, and at what its tokenizer gives.",
        )


def plan_findings(steps: int, epochs: int, batch_size: int, hears: bool) -> Iterator[Finding]:
    """What is wrong with a training before its first step.

    Args:
        steps, epochs, batch_size: of the whole training.
        hears: whether any objective reads what the teacher says.
    """
    if steps < FEW_STEPS:
        yield warning(
            "few_steps",
            "The student is hardly trained at all.",
            f"{epochs} {'epoch' if epochs == 1 else 'epochs'} in batches of {batch_size:,} make {steps} {'step' if steps == 1 else 'steps'}.",
            "Lower training.batch_size, raise training.epochs, or give more texts (data.unlabelled, views.per_record).",
        )
    if not hears:
        yield warning(
            "teacher_unused",
            "No objective listens to the teacher.",
            "The objectives of the recipe read labels alone, so the student is the same without a teacher.",
            "Name an objective that does, such as soft_targets; or leave `objectives` out.",
        )


def _scales(gradients: Mapping[str, float]) -> Iterator[Finding]:
    gradients = {name: norm for name, norm in gradients.items() if norm}  # hard labels say nothing where there are none
    if len(gradients) < 2:
        return
    strongest, weakest = max(gradients, key=gradients.__getitem__), min(gradients, key=gradients.__getitem__)
    ratio = gradients[strongest] / max(gradients[weakest], 1e-30)
    if ratio > _SCALES:
        yield warning(
            "loss_scales",
            f"The objective '{strongest}' drowns '{weakest}'.",
            f"Their gradients, weights counted, have the norms {gradients[strongest]:.3g} and {gradients[weakest]:.3g} on the first batch: a ratio of {ratio:,.0f}.",
            f"Bring them within a factor of 100 (objectives.{strongest}.weight, objectives.{weakest}.weight), or leave one out.",
        )


def _softened(softened: Mapping[str, tuple[float, float]]) -> Iterator[Finding]:
    for name, (before, then) in softened.items():
        if before > _SAYS_SOMETHING and then < _EVEN:
            yield warning(
                "temperature_too_high",
                f"At its temperature the objective '{name}' sees hardly anything of what the teacher says.",
                f"The teacher's answers have {before:.1f} times the probability of an even guess, and {then:.2f} times at that temperature.",
                f"Lower objectives.{name}.temperature (1 to 4 are usual), or take the temperature out of the teacher if it has one.",
            )


def _modes(lesson: Lesson) -> Iterator[Finding]:
    if lesson.asleep:
        yield warning(
            "student_in_eval_mode",
            "The student stays in evaluation mode while it is trained.",
            f"{len(lesson.asleep)} of its modules, such as {listing(lesson.asleep, 2)}: dropout does nothing, and running statistics never move.",
            "Let its `train(mode)` reach all modules.",
        )
    if lesson.awake or lesson.noise > _NOISE:
        what = (
            f"{listing(lesson.awake, 2)} stay in training mode."
            if lesson.awake
            else f"Two answers to one text differ by {lesson.noise:.3g}."
        )
        yield refusal(
            "dropout_left_on",
            "The student's dropout is on while it answers.",
            what,
            "Let its `eval()` reach all modules, and draw nothing outside of training.",
        )
