"""Ask a teacher about views, once. Knows the plan of shards; knows nothing of how a teacher computes or a store keeps.

A shard is a fixed set of inputs with a fixed batch plan (the teacher's own, a function of the inputs alone), so asking the same
inputs again, in any run, gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from limbeck.errors import TeacherError
from limbeck.signals.store import SignalStore
from limbeck.types import Teacher, View

SHARD = 1024
"""Views in a shard: what a kill can cost at most. A teacher that is slow may ask for smaller ones (`shard`)."""


def teach(teacher: Teacher, store: SignalStore, views: Sequence[View], needs: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Commit the signals of all views that the store does not hold yet; yields (done, total) before and after each shard.

    Raises:
        TeacherError: the teacher cannot give a needed field, or does not.
    """
    check_gives(teacher, needs)
    wanted, shard = store.missing([v.payload for v in views], needs), int(getattr(teacher, "shard", SHARD))
    yield 0, len(wanted)
    for start in range(0, len(wanted), shard):
        # Another run may have asked for some of it by now, and entries may lack one field only.
        if payloads := store.missing(wanted[start : start + shard], needs):
            lacked = frozenset(name for name in needs if store.missing(payloads, frozenset({name})))
            signal = teacher.answer(payloads, lacked)
            if absent := lacked - signal.given().keys():
                raise TeacherError(
                    f"the teacher says that it gives {', '.join(sorted(absent))}, but its answer holds only "
                    f"{', '.join(signal.given()) or 'nothing'}. Mend its `answer`, or its `gives`."
                )
            store.commit(payloads, signal)
        yield min(start + shard, len(wanted)), len(wanted)


def check_gives(teacher: Teacher, needs: frozenset[str]) -> None:
    """Say what a teacher lacks, before it is asked anything.

    Raises:
        TeacherError: it cannot give a needed field.
    """
    if absent := needs - teacher.gives():
        raise TeacherError(
            f"the objectives need {', '.join(sorted(absent))}, but this teacher gives only "
            f"{', '.join(sorted(teacher.gives())) or 'nothing'}. Choose other objectives, or another teacher."
        )
