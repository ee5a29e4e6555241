"""A teacher's labels and the data's, brought together. Knows names; knows nothing of records or teachers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from limbeck.errors import TeacherError, listing


def matched_labels(teacher: Sequence[str], data: Sequence[str]) -> tuple[str, ...]:
    """The teacher's labels in its own order, spelled as the data spells them.

    A label is found by its exact spelling, or else by its letters and digits alone where only one label of each side has these.

    Raises:
        TeacherError: a label of the data is not among the teacher's.
    """

    def plain(name: str) -> str:
        return "".join(c for c in name.casefold() if c.isalnum())

    own, wanted = set(teacher), set(data)
    free, open_ = Counter(plain(t) for t in own - wanted), Counter(plain(d) for d in wanted - own)
    loose = {plain(d): d for d in wanted - own if plain(d) and open_[plain(d)] == 1 == free[plain(d)]}
    if unknown := sorted(d for d in wanted - own if loose.get(plain(d)) != d):
        raise TeacherError(
            f"the teacher has no class for {len(unknown)} of the data's labels: {listing(unknown)}; it knows {listing(list(teacher))}. "
            "Give a teacher for these labels, a backbone without a head (it is fine-tuned), or rename the labels in the data."
        )
    return tuple(t if t in wanted else loose.get(plain(t), t) for t in teacher)
