"""Answers that were paid for before a label was added: which of them the new label cannot change. Knows texts, labels and answers; asks nobody.

A question names all labels, so with a new one every question is another. An old answer is kept where its model was sure of it, and the text is no
nearer to the rows that bear the new label than other texts are: nearness is the cosine of TF-IDF words and runs of letters with the nearest such row, and the limit is the one
that nineteen of twenty of these rows keep to among themselves. Everything else is asked again, with all labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck.errors import TeacherError, listing, nearest
from limbeck.teachers._chat import Chat, Heard
from limbeck.teachers._paid_answers import PaidAnswers
from limbeck.types import Record, digest

_SURE = 0.9
"""The probability of an old answer below which it is asked again."""
_MISSED = 0.05
"""The share of the new label's own rows that would not be found near the others."""
_ALONE = 0.2
"""The limit of nearness where the new label has one row alone."""


class Renewed:
    """The answers under the previous labels that stand.

    Args:
        chat: as it is asked now, with all labels.
        previous: the labels of the old questions, in their order.
        store: the file of answers.

    Raises:
        TeacherError: the previous labels are not among those of now, or are all of them.
    """

    def __init__(self, chat: Chat, previous: Sequence[str], store: PaidAnswers) -> None:
        if unknown := sorted(set(previous) - set(chat.labels)):
            raise TeacherError(
                f"teacher.previous_labels names {listing(unknown)}, which is no label now.{nearest(unknown[0], chat.labels)} A label that was "
                "renamed or taken away changes every answer: leave previous_labels out."
            )
        self.new = tuple(label for label in chat.labels if label not in set(previous))
        if not self.new:
            raise TeacherError("teacher.previous_labels names all labels, so none is new. Leave it out.")
        # Of an endpoint that gives no log-probabilities the old answers lie under questions without them.
        self._chats = [replace(chat, labels=tuple(previous), logprobs=given) for given in dict.fromkeys((chat.logprobs, False))]
        self._store, self._limit = store, 1.0
        self._examples: list[str] = []
        self._features: Any = None
        self._examples_EF: Any = None

    def learn(self, rows: Sequence[Record]) -> None:
        """Find out what the new labels are about, by the rows that bear them.

        Raises:
            TeacherError: no row bears one of them, or nothing was answered under the previous labels.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        texts = list(dict.fromkeys(str(r.payload) for r in rows))
        if without := [label for label in self.new if not any(r.label == label for r in rows)]:
            raise TeacherError(
                f"teacher.previous_labels: no row bears the new label {listing(without)}, so nobody knows which texts it is about. "
                "Label some rows, or leave previous_labels out: then all is asked again."
            )
        if not any(self._old(texts).values()):
            raise TeacherError(
                f"teacher.previous_labels: no answer under these {len(self._chats[0].labels)} labels lies in {self._store.path}. Give them in the order in which "
                "they were asked, with the other settings as they were; or leave previous_labels out: then all is asked again."
            )
        self._examples = list(dict.fromkeys(str(r.payload) for r in rows if r.label in self.new))
        words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\w+|[^\w\s]")
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True)
        self._features = make_union(words, letters).fit(texts)
        self._examples_EF = self._features.transform(self._examples)
        among_EE = (
            np.asarray((self._examples_EF @ self._examples_EF.T).toarray()) / 2.0
        )  # two vectors of length 1, side by side
        np.fill_diagonal(among_EE, -1.0)
        self._limit = float(np.quantile(among_EE.max(axis=1), _MISSED)) if len(self._examples) > 1 else _ALONE

    def fingerprint(self) -> str:
        """What decides which old answers stand."""
        return digest([self._chats[0].labels, sorted(self._examples)])

    def heard(self, texts: Sequence[str]) -> dict[str, list[Heard]]:
        """For each text whose old answers stand, what its samples say."""
        sure = {text: heard for text, heard in self._old(texts).items() if heard and _is_sure(heard)}
        if not sure:
            return {}
        near = self._near(list(sure))
        return {text: heard for (text, heard), is_near in zip(sure.items(), near, strict=True) if not is_near}

    def _near(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        cosine_N = np.asarray((self._features.transform(texts) @ self._examples_EF.T).max(axis=1).toarray()).ravel() / 2.0
        return np.asarray(cosine_N >= self._limit)

    def _old(self, texts: Sequence[str]) -> dict[str, list[Heard]]:
        """For each text all samples of an old answer; none where one is missing or could not be used."""
        found: dict[str, list[Heard]] = {text: [] for text in texts}
        for chat in self._chats:
            keys = {
                text: [chat.call(text, sample, 0).key for sample in range(chat.samples)] for text in texts if not found[text]
            }
            answers = self._store.find(key for of in keys.values() for key in of)
            for text, of in keys.items():
                heard = [chat.heard(answers[key]) for key in of if key in answers]
                usable = [h for h in heard if h is not None]
                found[text] = usable if len(usable) == chat.samples else []
        return found


def _is_sure(heard: Sequence[Heard]) -> bool:
    """Whether all samples say the same, and say it with a probability that is high where there is one."""
    return len({h.label for h in heard}) == 1 and all(h.some is None or h.some[h.label] >= _SURE for h in heard)
