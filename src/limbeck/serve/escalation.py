"""From the command line's words to who is asked where a student is not sure. Knows names, addresses and files; asks nobody.

The first of the served bundles is the student. Its threshold is the one that `limbeck cascade` chose for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from limbeck.bundle import Bundle
from limbeck.cascaded import CASCADE
from limbeck.cascaded import Cascade as Chosen
from limbeck.errors import InputFileError, MissingExtraError, missing_extra
from limbeck.runtime.pieces import Pieces
from limbeck.runtime.predict import Predictor, load
from limbeck.serve.cascade import Cascade, Watcher
from limbeck.serve.kept import Kept
from limbeck.serve.payload import TEXT
from limbeck.serve.service import Model
from limbeck.serve.settings import HandOver
from limbeck.serve.shadow import Shadow
from limbeck.serve.stage import Asking, Stage
from limbeck.serve.teacher import Asked, BundleTeacher
from limbeck.serve.watch import Watch

if TYPE_CHECKING:
    from limbeck.serve.outside import Conversations
    from limbeck.serve.post import Post


def escalation_of(student: Model, wanted: HandOver, key: Path | None = None) -> Cascade:
    """Who is asked for a student.

    Args:
        student: loaded.
        wanted: what was asked for.
        key: the public key that its bundle is signed by.

    Raises:
        LimbeckError: an address or a file is none, or nothing says below which confidence to ask.
    """
    _check_files(student, wanted)
    if student.predictor.several:
        raise InputFileError(
            f"{student.source} gives several labels to a text; what is handed over is chosen by the confidence of one. Leave out --teacher, --person, "
            "--keep, --threshold and --shadow."
        )
    bundle = Bundle.open(student.source, key)
    predictor, file = student.predictor, _chosen(student, wanted)
    stages = []
    asking = Asking(deadline=wanted.deadline)
    if wanted.teacher is not None:
        stages.append(Stage("teacher", _teacher(predictor, wanted), asking))
    if wanted.person is not None:
        stages.append(Stage("person", _person(student, wanted), asking))
    if not stages and (wanted.keep is not None or wanted.threshold is not None):
        raise InputFileError(
            "--keep and --threshold are about what is handed over: name who is asked with --teacher or --person"
        )
    threshold = _threshold(predictor, file, wanted) if stages else 0.0
    watchers: list[Watcher] = []
    if wanted.shadow:
        if wanted.teacher is None:
            raise InputFileError("--shadow asks the teacher: name one with --teacher")
        watchers.append(Shadow(stages[0], wanted.shadow, file.agreement if file else None))
    if wanted.watch:
        watchers.append(Watch(predictor.labels, Pieces.of(bundle), file.reference if file else None, wanted.watch))
    kept = None if wanted.keep is None else Kept(wanted.keep, wanted.keep_days, wanted.keep_bytes)
    return Cascade(threshold, stages, wanted.sure, watchers, kept)


def _check_files(student: Model, wanted: HandOver) -> None:
    """Refuse what is done with texts alone.

    Raises:
        InputFileError: it is asked for, and the student reads pictures or clips.
    """
    if student.reads == TEXT:
        return
    noun = f"{student.predictor.modality.noun}s"
    if "://" in str(wanted.teacher):
        raise InputFileError(
            f"an endpoint is asked about texts, and '{student.name}' reads {noun}. Give its teacher as a bundle"
        )
    for option, given in (("--redact", wanted.redact), ("--keep", wanted.keep is not None)):
        if given:
            raise InputFileError(f"{option} takes out of texts what points to a person; of {noun} nobody can. Leave it out")


def conversations_of(wanted: HandOver) -> Conversations | None:
    """Who is told of a conversation whose customer asks for a person; None: nobody.

    Raises:
        LimbeckError: the address is none.
    """
    if wanted.person is None:
        return None
    try:
        from limbeck.serve.outside import Conversations
    except ImportError as error:
        raise _without(error) from error
    return Conversations(_webhook(wanted), wanted.deadline, wanted.redact)


def _chosen(student: Model, wanted: HandOver) -> Chosen | None:
    beside = student.source.resolve().parent / "evidence" / CASCADE
    if wanted.cascade is None and not beside.is_file():
        return None
    return Chosen.read(wanted.cascade or beside, student.sha256)


def _threshold(predictor: Predictor, file: Chosen | None, wanted: HandOver) -> float:
    """The one that was given, else that of the file, else the one below which the student abstains."""
    if wanted.threshold is not None:
        return wanted.threshold
    if file is not None:
        return file.chosen.threshold
    if own := predictor.calibration.threshold:
        return own
    raise InputFileError(
        f"nothing says below which confidence {predictor.path} hands over: it abstains never, and there is no evidence/{CASCADE} beside it. "
        "Give --cascade FILE (limbeck cascade RUN writes it), or --threshold"
    )


def _teacher(predictor: Predictor, wanted: HandOver) -> Asked:
    named = str(wanted.teacher)
    if "://" not in named:
        return BundleTeacher(load(named), predictor)
    if not wanted.model:
        raise InputFileError(f"the teacher at {named} needs the name of its model: --teacher-model NAME")
    try:
        from limbeck.serve.outside import endpoint
    except ImportError as error:
        raise _without(error) from error
    return endpoint(named, wanted.model, predictor.labels, wanted.key_env, redact=wanted.redact)


def _person(student: Model, wanted: HandOver) -> Asked:
    try:
        from limbeck.serve.outside import Person
    except ImportError as error:
        raise _without(error) from error
    return Person(_webhook(wanted), student.predictor.labels, wanted.redact, student.reads)


def _webhook(wanted: HandOver) -> Post:
    from limbeck.serve.post import Post

    return Post(str(wanted.person), wanted.person_key_env, option="--person")


def _without(error: ImportError) -> MissingExtraError:
    return missing_extra(error.name or "httpx2", "api", "asking over HTTP")
