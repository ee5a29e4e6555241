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
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC

        try:
            return make_pipeline(cls.words(), LinearSVC(random_state=0)).fit(payloads, labels)
        except ValueError as error:
            if "empty vocabulary" in str(error):
                return None
            raise

    @classmethod
    def words(cls) -> Any:
        """What the trivial model sees of a text."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        # Single characters count as words: some scripts write no spaces, and short messages have few.
        return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|[^\w\s]")
