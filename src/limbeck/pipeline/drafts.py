"""Candidates of a search with untrained weights, as the bundles that they would ship. Knows students and files; measures and trains nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from limbeck import catalog
from limbeck.bundle import Bundle
from limbeck.data.split import Splits
from limbeck.errors import RecipeError
from limbeck.graph import Graph
from limbeck.manifest import Precision
from limbeck.pipeline.int8 import first_form
from limbeck.pipeline.int8_bench import Rows, spread
from limbeck.pipeline.untrained import fitted_modality, new_student, reading_of
from limbeck.pipeline.views import make_views
from limbeck.pipeline.written import sealed
from limbeck.plain_json import canonical
from limbeck.run import Run
from limbeck.runtime.golden import MOST_TOLERANCE
from limbeck.search.candidates import Candidate, candidates
from limbeck.types import Json, digest

_CALIBRATED = 64


class Students:
    """The students of candidates over what they would be trained on; each modality is fitted once."""

    def __init__(self, run: Run, teacher: Any, payloads: Sequence[Any], labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self._run, self._teacher, self._payloads = run, teacher, payloads
        self._fitted: dict[tuple[Any, int], tuple[Any, Any]] = {}

    def run(self, candidate: Candidate) -> Run:
        """The run with a recipe that names this candidate."""
        return replace(self._run, recipe=self._run.recipe.naming(candidate.section()))

    def fitted(self, candidate: Candidate) -> tuple[Any, Any]:
        """Its modality, and what it is made from."""
        run = self.run(candidate)
        key = (reading_of(run), candidate.min_count)
        if key not in self._fitted:
            self._fitted[key] = fitted_modality(run, self._teacher, self._payloads)
        return self._fitted[key]

    def new(self, candidate: Candidate) -> tuple[Any, Any]:
        """An untrained student, and its modality.

        Raises:
            RecipeError: the teacher cannot start it.
        """
        run, read = self.run(candidate), self.fitted(candidate)
        return new_student(run, self._teacher, self._payloads, self.labels, fitted=read)


class Drafts:
    """Every candidate of a run's search that its teacher can start, untrained, over the views that the teacher as it came makes.

    The fine-tuned teacher may find a few other near words, which moves bytes and times by less than a search keeps in reserve.
    """

    def __init__(self, run: Run, teacher: Any, splits: Splits) -> None:
        self._run = run
        self._texts = [r.payload for r in splits.train]
        payloads = [v.payload for v in make_views(run, teacher, splits)]
        self._students = Students(run, teacher, payloads, teacher.labels if teacher.has_head else splits.labels)
        self._teacher = dict(teacher.fingerprint())
        self.candidates = candidates(run.recipe.search, run.recipe.entry("tasks").modality)

    def made_from(self) -> dict[str, str]:
        """What decides the ladder, by name: equal for a ladder that was written elsewhere from the same recipe, data and teacher."""
        vocabularies = {}
        for c in self.candidates:
            modality, read = self._students.fitted(c)
            vocabularies[c.name] = [digest(modality.spec()), read.identity]
        return {
            "candidates": digest([[c.name, c.section()] for c in self.candidates]),
            "labels": digest(self._students.labels),
            "teacher": digest(self._teacher),
            "vocabulary": digest(vocabularies),
        }

    def queries(self, most: int) -> list[Any]:
        """Training payloads to be timed with, as users send them, evenly spread."""
        return [self._run.recipe.entry("modalities").as_sent(payload) for payload in spread(self._texts, most)]

    def stand_ins(self, most: int) -> Iterator[str]:
        """The same for another machine, as JSON texts: of the same lengths and sizes, and nothing of the training payloads in them. Each is made when it is asked
        for, and in no order: the first few are of the whole data too."""
        modality, some = self._run.recipe.entry("modalities"), spread(self._texts, most)
        for place in np.random.default_rng(0).permutation(len(some)).tolist():
            yield modality.to_json(modality.stand_in(some[place], place))

    def draft(self, candidate: Candidate) -> Draft | None:
        """One candidate, untrained; nothing is written yet. None: it takes more layers than the teacher has."""
        self._students.fitted(candidate)  # what is wrong with the recipe is said here
        try:
            student, modality = self._students.new(candidate)
        except RecipeError:
            return None
        return Draft(self._run, candidate, student.cpu().eval(), modality, self._students.labels, self._texts)


class Draft:
    """One untrained candidate."""

    def __init__(
        self, run: Run, candidate: Candidate, student: Any, modality: Any, labels: Sequence[str], texts: Sequence[Any]
    ) -> None:
        self.candidate = candidate
        self._run, self._student, self._modality, self._labels, self._texts = run, student, modality, labels, texts
        self._graph: Graph = student.graph()

    def structure(self) -> Json:
        """All that decides what it costs, but for the machine and the queries."""
        network = getattr(self._student.settings, "network", "float32")
        form = {
            "nodes": [[n.op, n.inputs, n.output, dict(n.attributes)] for n in self._graph.nodes],
            "constants": {name: [str(c.dtype), c.shape] for name, c in self._graph.constants.items()},
            "network": network,
        }
        spec = hashlib.sha256(canonical(self._modality.spec())).hexdigest()
        return {"graph": digest(form), "spec": spec, "labels": digest(list(self._labels))}

    def write(self, folder: Path) -> Bundle:
        """Its bundle, int8 where its settings say so, by the first scheme."""
        target = catalog.find("targets", "onnx")()
        folder.mkdir(parents=True, exist_ok=True)
        model = folder / target.filename
        graph = self._graph
        precision: Precision = "float32"
        encoded = [ids for ids in self._modality.encode(spread(self._texts, _CALIBRATED)) if len(ids)]
        if getattr(self._student.settings, "network", "float32") == "int8" and encoded:
            graph, precision = first_form(graph, target, Rows(encoded, [], self._modality.collate), folder), "int8"
        target.write(graph, model)
        tolerance = MOST_TOLERANCE[precision]
        bundle = sealed(self._run, folder / "bundle", self._labels, self._modality, model, tolerance, precision)
        model.unlink()
        return bundle
