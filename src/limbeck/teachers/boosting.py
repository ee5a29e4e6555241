"""Gradient boosting over the features of a vectoriser. Knows the native files of LightGBM, CatBoost and XGBoost; opens no pickle.

    teacher.txt | teacher.cbm | teacher.ubj (or .json)     the trees, as LightGBM, CatBoost or XGBoost write them
    features.skops                                         the vectoriser, texts to a sparse matrix
    labels.json                                            the class names in order

A wrapper such as LGBMClassifier inside a pipeline is a teacher of kind sklearn as it is.

Letters: B texts, C classes.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import TeacherError, missing_extra
from limbeck.teachers._content import content_of
from limbeck.teachers._labels import Labels, beside, labels_of
from limbeck.teachers._said import Says, of_probabilities
from limbeck.teachers.sklearn import opened
from limbeck.types import Fingerprint, Signal, digest

_ENDS = {".txt": "lightgbm", ".cbm": "catboost", ".ubj": "xgboost", ".json": "xgboost"}
_BATCH = 2048


class Boosting:
    """Trees over a vectoriser.

    Args:
        trees: a Booster of LightGBM or XGBoost whose objective gives probabilities, or a CatBoostClassifier.
        features: a fitted vectoriser, with `transform`.
        labels: class names in the order of the probabilities; empty: those that the trees know.
        name: in reports.
    """

    @dataclass(frozen=True, slots=True)
    class Settings:
        """`model`: the file of the trees. `features`: the skops file of the vectoriser; None: features.skops beside it. `trusted`: types
        in it beyond those that skops knows for harmless. `labels`: None of them: labels.json beside it."""

        model: str = ""
        features: str | None = None
        trusted: Labels = ()
        labels: Labels = ()

    modality: ClassVar[str] = "text"
    tolerance: ClassVar[float] = 1e-5
    has_head: ClassVar[bool] = True
    says: ClassVar[Says] = "probabilities"

    def __init__(self, trees: Any, features: Any, labels: Sequence[str] = (), name: str = "") -> None:
        self.form = _library(trees)
        self._trees, self._features = trees, features
        own = [str(c) for c in trees.classes_] if self.form == "catboost" else None
        self.labels = labels_of(labels, own, "boosting")
        self._own = self.labels
        held, written = content_of(features), _written(trees, self.form)
        self._sums = {"weights": hashlib.sha256(written).hexdigest(), "preprocessing": held.sha256, "labels": digest(self._own)}
        self.name = name or self.form
        self.parameters, self.bytes = held.numbers + len(written) // 8, held.bytes + len(written)

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> Boosting:
        """Read trees, vectoriser and labels.

        Raises:
            TeacherError: a file is missing or is not what its name says.
            MissingExtraError: the library is not installed.
        """
        del device
        path = Path(settings.model)
        if path.suffix not in _ENDS or not path.is_file():
            raise TeacherError(
                f"cannot load the teacher '{settings.model:.200}': expected a file of trees that ends in {', '.join(_ENDS)} "
                "(LightGBM, CatBoost, XGBoost)."
            )
        try:
            trees = _READ[_ENDS[path.suffix]](path)
        except ImportError as error:
            raise missing_extra(_ENDS[path.suffix], "boosting", "a teacher of kind boosting") from error
        except Exception as error:  # three libraries, three kinds of errors
            raise TeacherError(f"cannot load the teacher '{settings.model}': {type(error).__name__}: {error!s:.300}") from error
        features = opened(settings.features or str(path.with_name("features.skops")), settings.trusted, "boosting")
        return cls(trees, features, settings.labels or beside(path.parent) or (), path.name)

    @classmethod
    def tiny(cls, folder: Path, seed: int = 0) -> Boosting:
        """A few trees of LightGBM over counts of letters."""
        try:
            import lightgbm
        except ImportError as error:
            raise missing_extra("lightgbm", "boosting", "a teacher of kind boosting") from error
        from sklearn.feature_extraction.text import CountVectorizer

        del folder
        texts = ["hello", "hi there", "where is it", "what is this?", "thanks", "thank you x"] * 4
        features = CountVectorizer(analyzer="char", dtype=np.float32).fit(texts)
        settings = {
            "objective": "multiclass",
            "num_class": 3,
            "min_data_in_leaf": 1,
            "num_threads": 1,
            "seed": seed,
            "verbose": -1,
        }
        rows = lightgbm.Dataset(
            features.transform(texts).toarray(), [0, 0, 1, 1, 2, 2] * 4, params={"min_data_in_bin": 1, "verbose": -1}
        )
        return cls(lightgbm.train(settings, rows, num_boost_round=3 + seed), features, ["greeting", "question", "thanks"])

    def save(self, folder: Path) -> Path:
        """Write trees, vectoriser and labels, as `load` reads them; returns the file of the trees.

        Raises:
            MissingExtraError: skops is not installed.
        """
        try:
            from skops import io
        except ImportError as error:
            raise missing_extra("skops", "sklearn", "writing a vectoriser") from error
        ends = {library: end for end, library in reversed(_ENDS.items())}
        path = folder / f"teacher{ends[self.form]}"
        path.write_bytes(_written(self._trees, self.form))
        io.dump(self._features, folder / "features.skops")
        (folder / "labels.json").write_text(json.dumps(list(self._own), ensure_ascii=False), encoding="utf-8")
        return path

    def gives(self) -> frozenset[str]:
        """Logits."""
        return frozenset({"logits_BC"})

    def fingerprint(self) -> Fingerprint:
        """The trees as they are written, all that the vectoriser holds, and the labels."""
        return {"kind": "boosting", "library": self.form, **self._sums}

    def answer(self, payloads: Sequence[Any], needs: frozenset[str]) -> Signal:
        """Log-probabilities."""
        parts = []
        for start in range(0, len(payloads), _BATCH):
            given = _PREDICT[self.form](
                self._trees, self._features.transform([str(p) for p in payloads[start : start + _BATCH]])
            )
            p_BC = np.stack([1.0 - given, given], axis=1) if given.ndim == 1 else given  # two classes have one probability
            parts.append(of_probabilities(p_BC, len(self._own), f"teacher {self.name}").logits_BC)
        return Signal(logits_BC=np.concatenate(parts)) if "logits_BC" in needs else Signal()


def _library(trees: Any) -> str:
    library = type(trees).__module__.split(".")[0]
    if library not in _PREDICT:
        raise TeacherError(
            f"teacher: expected trees of LightGBM, XGBoost (a Booster) or CatBoost (a CatBoostClassifier); got {type(trees).__name__}. "
            "A pipeline with a wrapper of scikit-learn's kind is a teacher of kind sklearn."
        )
    return library


def _written(trees: Any, library: str) -> bytes:
    """The trees in their native form."""
    if library == "lightgbm":
        return bytes(trees.model_to_string().encode())
    if library == "xgboost":
        return bytes(trees.save_raw("ubj"))
    with tempfile.TemporaryDirectory() as folder:
        trees.save_model(str(Path(folder) / "teacher.cbm"))
        return (Path(folder) / "teacher.cbm").read_bytes()


def _read_lightgbm(path: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=str(path))


def _read_catboost(path: Path) -> Any:
    import catboost

    return catboost.CatBoostClassifier().load_model(str(path))


def _read_xgboost(path: Path) -> Any:
    import xgboost

    return xgboost.Booster(model_file=str(path))


def _predict_xgboost(trees: Any, rows: Any) -> NDArray[Any]:
    import xgboost

    return np.asarray(
        trees.predict(xgboost.DMatrix(rows))
    )  # what a sparse row does not hold counts as missing, in training too


_READ: dict[str, Callable[[Path], Any]] = {"lightgbm": _read_lightgbm, "catboost": _read_catboost, "xgboost": _read_xgboost}
_PREDICT: dict[str, Callable[[Any, Any], NDArray[Any]]] = {
    "lightgbm": lambda trees, rows: np.asarray(trees.predict(rows.astype(np.float32))),
    "catboost": lambda trees, rows: np.asarray(trees.predict_proba(rows.astype(np.float32))),
    "xgboost": _predict_xgboost,
}
