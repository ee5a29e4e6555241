"""A teacher's labels and the data's, brought together. Knows names; knows nothing of records or teachers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from limbeck.errors import TeacherLabelsError, listing

_BETWEEN_WORDS = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")


def matched_labels(teacher: Sequence[str], data: Sequence[str]) -> tuple[str, ...]:
    """The teacher's labels in its own order, spelled as the data spells them.

    A label is found by its exact spelling, or else without regard to case and to what parts its words ("Lost card", "lost_card",
    "lost-card"), where only one label of each side reads so. Signs stay: "+1" is not "-1".

    Raises:
        TeacherLabelsError: a label of the data is not among the teacher's.
    """
    own, wanted = set(teacher), set(data)
    readings = Counter(map(loosely, own)), Counter(map(loosely, wanted))
    loose = {loosely(label): label for label in wanted if all(count[loosely(label)] == 1 for count in readings)}
    names = {label: label if label in wanted else loose.get(loosely(label), label) for label in own}
    if unknown := sorted(wanted - set(names.values())):
        raise TeacherLabelsError(
            f"the teacher has no class for {len(unknown)} of the data's labels: {listing(unknown)}; it knows {listing(list(teacher))}. "
            "Give a teacher for these labels, a backbone without a head (it is fine-tuned), or say which of its classes are which labels (teacher.map); "
            "limbeck doctor says which class fits which label."
        )
    return tuple(names[label] for label in teacher)


def loosely(label: str) -> str:
    """A label without regard to case and to what parts its words.

    Example:
        >>> loosely("Lost card") == loosely("lost_card"), loosely("-1") == loosely("1")
        (True, False)
    """
    return _BETWEEN_WORDS.sub("", label.strip().casefold())
