"""A teacher that answers as a test tells it, and what is shared by the tests of whoever is asked."""

import threading
from dataclasses import replace

from limbeck.serve.answer import Answer
from limbeck.serve.stage import Asking, Stage

UNSURE = Answer("greeting", 0.4, True, (("greeting", 0.4), ("thanks", 0.3)))
SURE = replace(UNSURE, confidence=0.9, abstain=False)
BETTER = Answer("thanks", 0.95, False, (("thanks", 0.95),), "teacher")
PERSON = replace(UNSURE, answered_by="person")


class Teacher:
    """Answers as it is told: with an answer, None, an error, or ("hang") only when it is let go; the last one again and again."""

    def __init__(self, *says) -> None:
        self.says, self.texts, self.go = list(says) or [BETTER], [], threading.Event()

    def answer(self, text, student, until):
        self.texts.append(text)
        says = self.says[0] if len(self.says) == 1 else self.says.pop(0)
        if says == "hang":
            self.go.wait(5.0)
            return BETTER
        if isinstance(says, Exception):
            raise says
        return says

    def close(self) -> None:
        self.go.set()


def stage(teacher, breaker=None, **asking) -> Stage:
    return Stage("teacher", teacher, Asking(**{"deadline": 2.0, **asking}), breaker)


def figures(of) -> dict:
    """The figures of whoever counts, by name and what they are about."""
    return {(name, *about.values()): value for name, about, value in of.figures()}
