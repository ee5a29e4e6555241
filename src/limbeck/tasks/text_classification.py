"""One label for a text. Knows what an answer is, how it is judged, and what is trivial; knows nothing of how it is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from limbeck.tasks._one_label import OneLabel


class TextClassification(OneLabel):
    """The class with the highest probability of a text."""

    modality: ClassVar[str] = "text"
    teacher: ClassVar[str] = "huggingface"
    student: ClassVar[str] = "bag"
    trivial: ClassVar[str] = "TF-IDF of words and pairs of words, linear SVM"

    @classmethod
    def baseline(cls, payloads: Sequence[str], labels: Sequence[str]) -> Any | None:
        """The trivial model, fitted; None where the texts hold no word at all."""
        return _fitted(cls.words(), payloads, labels)

    @classmethod
    def linear(cls, payloads: Sequence[str], labels: Sequence[str]) -> Any | None:
        """A linear SVM on words, pairs of words and runs of two to five letters, fitted; None where the texts hold no word, or the rows one label."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
        return _fitted(make_union(cls.words(), letters), payloads, labels) if len(set(labels)) > 1 else None

    @classmethod
    def words(cls) -> Any:
        """What the trivial model sees of a text."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        # Single characters count as words: some scripts write no spaces, and short messages have few.
        return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|[^\w\s]")


def _fitted(features: Any, payloads: Sequence[str], labels: Sequence[str]) -> Any | None:
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    try:
        return make_pipeline(features, LinearSVC(random_state=0)).fit(payloads, labels)
    except ValueError as error:
        if "empty vocabulary" in str(error):
            return None
        raise
