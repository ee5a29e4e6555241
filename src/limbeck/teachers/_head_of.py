"""What a classification head was trained for: one label among all, or a yes or no for each of several. Knows a config's word for it; knows no networks."""

from __future__ import annotations

from typing import Any

from limbeck.errors import TeacherError

SEVERAL = "multi_label_classification"
"""transformers' `problem_type` of a head that was trained with a binary cross-entropy."""


def check_head(several: bool, of: bool | None, model: str) -> None:
    """Whether a teacher's logits may be read as the task reads them.

    Args:
        several: whether several labels may apply to a text.
        of: whether its head is of several labels; None: it has none yet.
        model: for messages.

    Raises:
        TeacherError: its head is of the other kind.
    """
    if of is None or of == several:
        return
    if several:
        raise TeacherError(
            f"the head of the teacher {model} is of one label among all: its logits are read with a softmax, and where several labels may apply each "
            f'needs a sigmoid. Give one whose config.json says "problem_type": "{SEVERAL}" (write it there if it was trained with a binary '
            "cross-entropy), a backbone without a head (it is fine-tuned), or take the task text-classification."
        )
    raise TeacherError(
        f"the head of the teacher {model} is of several labels ({SEVERAL}): its logits are read with a sigmoid each. Take the task "
        "multi-label-text-classification (--set task=multi-label-text-classification), or give a teacher of one label among all."
    )


def problem_of(config: Any) -> bool:
    """Whether a classifier's config says that several labels may apply."""
    return bool(getattr(config, "problem_type", None) == SEVERAL)
