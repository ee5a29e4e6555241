"""The whole way from a recipe to a bundle. Knows all stages and the order of a run; each stage's work is in its own room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from limbeck.errors import missing_extra
from limbeck.evidence import Report
from limbeck.recipe import Recipe
from limbeck.types import Progress, silent

try:
    from limbeck.pipeline.admission import admitted, goes_on
    from limbeck.pipeline.asked import asked_about, judging
    from limbeck.pipeline.cleaned import lessons
    from limbeck.pipeline.data import read_data
    from limbeck.pipeline.doctor import examine as examine
    from limbeck.pipeline.field import field_of
    from limbeck.pipeline.fine_tuning import fine_tuned
    from limbeck.pipeline.given import as_teacher
    from limbeck.pipeline.pages import pages_lie_there, write_pages
    from limbeck.pipeline.proof import prove
    from limbeck.pipeline.searching import ladder as ladder
    from limbeck.pipeline.searching import search as search
    from limbeck.pipeline.searching import searched
    from limbeck.pipeline.student import distilled
    from limbeck.pipeline.teacher import ask_teacher, load_teacher
    from limbeck.pipeline.untrained import new_student
    from limbeck.pipeline.views import make_views
    from limbeck.run import finished, open_run
except ImportError as error:
    raise missing_extra(error.name or "torch", "train", "distilling") from error


def distill(
    recipe: str | Path | Mapping[str, Any] | Recipe | None = None,
    *,
    data: str | Path | None = None,
    test: str | Path | None = None,
    teacher: Any = None,
    out: str | Path | None = None,
    budget: str | None = None,
    profile: str | Path | None = None,
    overrides: Sequence[str] = (),
    progress: Progress = silent,
) -> Report:
    """Distil a teacher into a student, and write a bundle with the proof of what it kept.

    Args:
        recipe: a YAML file, a mapping or a `Recipe`; None takes the defaults, then `data` is needed.
        data, test, teacher, out: short forms of data.train, data.test, teacher.model and out. teacher may also be an object: a teacher
            of `limbeck.find("teachers", kind)`, an estimator fitted on texts, or a callable.
        budget, profile: short forms of student.budget ("2MB,100us") and search.profile.
        overrides: further settings as "key=value" with dotted keys.
        progress: called as progress(stage, done, total, note).

    Returns:
        The report. `out` then holds bundle/, evidence/report.json and resolved.json.

    Raises:
        LimbeckError: with what was wrong, where, and the next step.

    Example:
        >>> report = limbeck.distill(data="train.jsonl.gz", out="runs/bank")  # doctest: +SKIP
        >>> limbeck.load(report.bundle).predict(["I lost my card"])  # doctest: +SKIP
    """
    ready = None
    if teacher is not None and not isinstance(teacher, str | Path):
        ready, kind = as_teacher(teacher)
        overrides, teacher = [*overrides, f"teacher.kind={kind}"], None
    wanted = Recipe.asked(recipe, overrides, data=data, test=test, teacher=teacher, out=out, budget=budget, profile=profile)
    with open_run(wanted, progress) as run:
        run.ready = ready
        prepared = read_data(run)
        splits = prepared.splits
        the_teacher = load_teacher(run, splits)
        prepared.write(run.folder)
        if done := finished(run):
            if not pages_lie_there(run):
                write_pages(run, done, splits)
            return done
        checkup = admitted(run, the_teacher, prepared)
        field = field_of(run, the_teacher, splits) if run.recipe.searches else None
        the_teacher = fine_tuned(run, the_teacher, splits)
        asked = asked_about(run, the_teacher, splits)
        views = make_views(run, the_teacher, asked)
        if field is not None:
            store = ask_teacher(run, the_teacher, views, asked)
            checkup = goes_on(run, the_teacher, replace(prepared, splits=asked), store, checkup)
            taught = lessons(run, the_teacher, store, views, asked)
            run = searched(run, the_teacher, taught.store, taught.views, asked, field).run
        untrained = new_student(run, the_teacher, [v.payload for v in views], the_teacher.labels)
        store = ask_teacher(run, the_teacher, views, asked)
        if field is None:
            checkup = goes_on(run, the_teacher, replace(prepared, splits=asked), store, checkup)
        taught = lessons(run, the_teacher, store, views, asked)
        bundle, student = distilled(run, the_teacher, untrained, taught.store, taught.views, asked)
        report = prove(run, the_teacher, student, bundle, taught.store, taught.views, judging(splits, asked), checkup)
        write_pages(run, report, splits)
        return report
