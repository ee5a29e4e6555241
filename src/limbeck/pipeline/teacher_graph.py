"""A transformer of BERT's kind under limbeck's own head as a graph, operator by operator. Knows teachers, students and modalities; writes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from limbeck import catalog
from limbeck.errors import TeacherError
from limbeck.graph import Graph
from limbeck.pipeline.untrained import modality_of
from limbeck.run import Run

_LONG = "x " * 10_000


def teacher_graph(teacher: Any) -> Graph | None:
    """The whole teacher as an encoder student that was never trained further; None where it cannot be taken apart, or is several."""
    if hasattr(teacher, "members"):
        return None
    pieces = len(teacher.token_embeddings())
    start = teacher.start(np.arange(pieces))
    if start.encoder is None or start.head is None:
        return None
    family = catalog.find("students", "encoder")
    settings = family.Settings(layers=len(start.encoder.layers), embedding_width=0, dropout=0.0, precision="float32")
    graph: Graph = family(settings, pieces=pieces, classes=len(teacher.labels), start=start).eval().graph()
    return graph


def read_alike(run: Run, teacher: Any) -> Any:
    """A modality that gives the ids which the teacher's own tokenizer gives.

    Raises:
        TeacherError: none does.
    """
    modality = modality_of(run, teacher).with_special_tokens()
    member = getattr(teacher, "members", (teacher,))[0]
    texts = [*modality.golden, _LONG]
    for text, theirs, ours in zip(texts, member.encode(texts), modality.encode(texts), strict=True):
        if not np.array_equal(theirs, ours):
            raise TeacherError(
                f"its tokenizer reads {text[:40]!r} as {theirs[:8].tolist()}, a bundle would as {ours[:8].tolist()}"
            )
    return modality
