"""Any estimator of scikit-learn's kind over texts. Knows predict_proba, decision_function and skops' files; opens no pickle.

The estimator takes raw texts: a pipeline that begins with a vectoriser. Scores of a decision function are no probabilities: they are
multiplied by the factor under which labelled rows are likeliest, found once by `discover`.

Where several labels may apply, its probabilities are those of each label by itself, as a OneVsRestClassifier's are that was fitted on an array of ones
and zeros (teacher.labels names its columns), and its scores are read with a sigmoid.

Source of that factor: Guo et al. (2017), On Calibration of Modern Neural Networks, section 4.2.

Letters: B texts, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import TeacherError, listing, missing_extra
from limbeck.label_sets import aims, as_questions, names_of
from limbeck.metrics.probabilities import log_softmax
from limbeck.teachers._content import content_of
from limbeck.teachers._labels import Labels, labels_of
from limbeck.teachers._said import Says, of_probabilities, of_scores
from limbeck.teachers._said_of_several import of_yes
from limbeck.types import Fingerprint, Record, Signal, digest

_FACTORS = np.geomspace(0.1, 100.0, 61)
_BATCH = 1024


class Sklearn:
    """An estimator, fitted on texts.

    Args:
        estimator: with `predict_proba`, or else `decision_function`, and `classes_`.
        labels: other names for its classes, in its order.
        factor: of the scores of a decision function; None: to be found.

    Raises:
        TeacherError: it has neither, or is not fitted.

    Example:
        >>> from sklearn.feature_extraction.text import CountVectorizer
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(["good day", "where to"], ["hello", "question"])
        >>> Sklearn(model).labels
        ('hello', 'question')
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: a file that `skops.io.dump` wrote. `trusted`: types in it beyond those that skops knows for harmless. `labels`: other
        names for its classes."""

        model: str = ""
        trusted: Labels = ()
        labels: Labels = ()

    modality: ClassVar[str] = "text"
    tolerance: ClassVar[float] = 1e-5
    has_head: ClassVar[bool] = True
    says: ClassVar[Says] = "probabilities"
    form: ClassVar[str] = "scikit-learn"

    def __init__(self, estimator: Any, labels: Sequence[str] = (), name: str = "", factor: float | None = None) -> None:
        if not hasattr(estimator, "predict_proba") and not hasattr(estimator, "decision_function"):
            raise TeacherError(
                f"teacher: expected an estimator with predict_proba or decision_function; {type(estimator).__name__} has neither. "
                "Give its answers instead (teacher.kind: function or recorded)."
            )
        if not hasattr(estimator, "classes_"):
            raise TeacherError(
                f"teacher: {type(estimator).__name__} has no classes_, so it is not fitted yet. Fit it, then hand it over."
            )
        self._estimator = estimator
        self.labels = labels_of(labels, [str(c) for c in estimator.classes_], "sklearn")
        self._own = self.labels
        self._factor = factor
        self._several = False
        self._content = content_of(estimator)
        self.name = name or _called(estimator)
        self.parameters, self.bytes = self._content.numbers, self._content.bytes

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> Sklearn:
        """Read the file; nothing in it is run that is neither known to skops nor named in `trusted`.

        Raises:
            TeacherError: it is none, or holds types that nobody trusts.
            MissingExtraError: skops is not installed.
        """
        del device
        return cls(opened(settings.model, settings.trusted, "sklearn"), settings.labels, Path(settings.model).name)

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> Sklearn:
        """A logistic regression over counts of letters."""
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        del folder
        texts = ["hello", "hi there", "where is it", "what is this?", "thanks", f"thank you {'u' * seed}"]
        labels = ["greeting", "greeting", "question", "question", "thanks", "thanks"]
        return cls(make_pipeline(CountVectorizer(analyzer="char"), LogisticRegression()).fit(texts, labels))

    def discover(self, rows: Sequence[Record], labels: Sequence[str]) -> None:
        """Find the factor of a decision function's scores, on up to 2,000 rows with a label that it knows."""
        del labels
        if self._factor is not None or hasattr(self._estimator, "predict_proba"):
            return
        known = [r for r in rows if r.label is not None and set(names_of(r.label)) <= set(self._own)][:2000]
        self._factor = 1.0
        if known:
            scores_NC = self._scores([r.payload for r in known])
            aims_N = aims((r.label for r in known), self._own, self._several).astype(np.int64)
            if self._several:  # each label is a question of two classes
                scores_NC, aims_N = as_questions(scores_NC).reshape(-1, 2), aims_N.reshape(-1)
            likely = [float(log_softmax(f * scores_NC)[np.arange(len(aims_N)), aims_N].mean()) for f in _FACTORS]
            self._factor = round(float(_FACTORS[int(np.argmax(likely))]), 6)

    def answers_with(self, several: bool) -> None:
        """Whether several labels may apply to a text."""
        self._several = several

    def gives(self) -> frozenset[str]:
        """Logits."""
        return frozenset({"logits_BC"})

    def fingerprint(self) -> Fingerprint:
        """All that the fitted estimator holds, its labels, and the factor of its scores."""
        sums = {"weights": self._content.sha256, "labels": digest(self._own)}
        several = {"labels of a text": "several"} if self._several else {}
        return {"kind": "sklearn", **sums, "factor": f"{self._factor}", **several}

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """Log-probabilities, or scores times the factor."""
        parts = [self._logits([str(p) for p in payloads[i : i + _BATCH]]) for i in range(0, len(payloads), _BATCH)]
        return Signal(logits_BC=np.concatenate(parts)) if "logits_BC" in needs else Signal()

    def _logits(self, texts: list[str]) -> NDArray[np.float32]:
        where = f"teacher {self.name}"
        if hasattr(self._estimator, "predict_proba"):
            given_BC = self._estimator.predict_proba(texts)
            return (of_yes if self._several else of_probabilities)(given_BC, len(self._own), where).logits_BC
        return of_scores((self._factor or 1.0) * self._scores(texts), len(self._own), where).logits_BC

    def _scores(self, texts: list[str]) -> NDArray[np.float64]:
        scores = np.asarray(self._estimator.decision_function(texts), np.float64)
        return np.stack([-scores, scores], axis=1) / 2.0 if scores.ndim == 1 else scores  # two classes have one score


def opened(model: str, trusted: Sequence[str], kind: str) -> Any:
    """The object in a skops file.

    Raises:
        TeacherError: it is none, or holds types that nobody trusts.
        MissingExtraError: skops is not installed.
    """
    try:
        from skops import io
    except ImportError as error:
        raise missing_extra("skops", "sklearn", f"a teacher of kind {kind} from a file") from error
    try:
        if not Path(model).is_file():
            raise FileNotFoundError("there is no such file")
        unknown = [name for name in io.get_untrusted_types(file=model) if name not in trusted]
    except Exception as error:  # a stranger's zip and JSON
        raise TeacherError(
            f"cannot load the teacher '{model:.200}': {type(error).__name__}: {error!s:.300}. "
            "It has to be a file that skops.io.dump wrote; a pickle is never opened. From Python: limbeck.distill(teacher=estimator)."
        ) from error
    if unknown:
        raise TeacherError(
            f"{model} holds types that skops does not know for harmless: {listing(unknown)}. If you trust whoever wrote the file, "
            "name them in teacher.trusted."
        )
    try:
        return io.load(model, trusted=list(trusted))
    except Exception as error:
        raise TeacherError(f"cannot load the teacher '{model:.200}': {type(error).__name__}: {error!s:.300}.") from error


def _called(estimator: Any) -> str:
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return type(last).__name__
