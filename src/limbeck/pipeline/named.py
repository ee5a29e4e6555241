"""A teacher whose classes are called otherwise than the data's labels: by their names, as proposed or as clear. Knows recipes, encoders and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck import catalog
from limbeck.data.labels import loosely, matched_labels
from limbeck.data.names import Proposal, as_words, proposals
from limbeck.errors import TeacherLabelsError
from limbeck.run import Run
from limbeck.teachers._mapped import Mapped

_EMBEDDING = frozenset({"embedding_BD"})
_SAYS_NOTHING = 0.2
"""A cosine below which names such as LABEL_0 lie."""


def in_the_labels(run: Run, teacher: Any, labels: Sequence[str]) -> Any:
    """The teacher with its classes called as the data calls them.

    Raises:
        TeacherLabelsError: some labels have no class, and the names do not make it clear which is meant; the message holds a proposal.
    """
    section = run.recipe.teacher
    if section.map:
        teacher = Mapped(teacher, section.map)
    try:
        teacher.labels = matched_labels(teacher.labels, labels)
    except TeacherLabelsError as error:
        found = _by_names(run, teacher, labels)
        margin = section.map_margin
        if not found or max(p.cosine for p in found) < _SAYS_NOTHING:
            raise
        if margin is None or any(p.lead < margin for p in found):
            raise TeacherLabelsError(f"{error}\n{_proposed(found, margin)}") from error
        run.progress("map", 1, 1, "by their names: " + ", ".join(f"'{p.named}' is {p.label}" for p in found))
        teacher = Mapped(teacher, {p.named: p.label for p in found})
        teacher.labels = matched_labels(teacher.labels, labels)
    return teacher


def _by_names(run: Run, teacher: Any, labels: Sequence[str]) -> list[Proposal]:
    """For each label that no class is called as, the class whose name says it; nothing where no class is left over."""
    own, wanted = {loosely(c) for c in teacher.labels}, {loosely(label) for label in labels}
    lacking = [label for label in labels if loosely(label) not in own]
    left = [c for c in teacher.labels if loosely(c) not in wanted]
    if not left:
        return []
    vectors = _vectors(run, teacher, [as_words(name) for name in (*lacking, *left)])
    return proposals(lacking, left, vectors[: len(lacking)], vectors[len(lacking) :])


def _vectors(run: Run, teacher: Any, names: Sequence[str]) -> NDArray[Any]:
    """The embedding of each name, (N, D), by the encoder that the recipe names or the teacher is; without one by runs of letters."""
    model = run.recipe.student.start.model
    if model is not None:
        entry = catalog.find("teachers", "huggingface")
        encoder = entry.load(entry.Settings(model), run.device)
        if not encoder.has_head:
            encoder.add_head(["any", "other"], seed=0)  # the embedding lies before it
        if encoder.gives() >= _EMBEDDING:
            return np.asarray(encoder.answer(names, _EMBEDDING).embedding_BD)
    if teacher.gives() >= _EMBEDDING:
        return np.asarray(teacher.answer(names, _EMBEDDING).embedding_BD)
    from sklearn.feature_extraction.text import TfidfVectorizer

    return np.asarray(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True).fit_transform(names).toarray())


def _proposed(found: Sequence[Proposal], margin: float | None) -> str:
    """The proposal as lines of a recipe."""
    lines = [f"    {p.named}: {p.label}  # cosine {p.cosine:.2f}, {p.lead:+.2f} before the next" for p in found]
    why = "" if margin is None else f" Not all lead by teacher.map_margin ({margin:g})."
    return (
        "By their names these fit best; look at them, and write into the recipe what is right."
        + why
        + "\nteacher:\n  map:\n"
        + "\n".join(lines)
    )
