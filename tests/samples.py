"""A data file and a recipe so small that a whole run takes a second."""

ROWS = [
    ("hello there", "greeting"), ("hi friend", "greeting"), ("good day", "greeting"), ("hey hey", "greeting"), ("hiya", "greeting"),
    ("where is it", "question"), ("what is that", "question"), ("who did it", "question"), ("why me", "question"), ("when", "question"),
    ("thank you", "thanks"), ("thanks a lot", "thanks"), ("cheers", "thanks"), ("much obliged", "thanks"), ("ta very much", "thanks"),
]  # fmt: skip

_PARTS = {
    "greeting": ["hello", "hi", "good day"],
    "question": ["where is it", "what is that", "who did it"],
    "thanks": ["thank you", "cheers", "much obliged"],
}
SEVERAL = [
    *((" and ".join(parts[i] for parts in _PARTS.values()), sorted(_PARTS)) for i in range(3)),
    *((f"{a}, {b}", ["greeting", "question"]) for a in _PARTS["greeting"] for b in _PARTS["question"]),
    *((f"{a}. {b}!", ["question", "thanks"]) for a in _PARTS["question"] for b in _PARTS["thanks"]),
    *((text, [label]) for label, texts in _PARTS.items() for text in texts),
    *((text, []) for text in ("it rains", "a red book", "seven", "the door", "wood")),
]  # fmt: skip
"""Texts with all labels that apply, which perhaps none does."""


def several(texts: list[str]) -> list[list[str]]:
    """What a teacher says who knows the words."""
    return [[label for label, parts in _PARTS.items() if any(part in text for part in parts)] for text in texts]


TINY = {
    "data": {"train": "set by the test", "test_share": 0.3},
    "views": {"per_record": 2},
    "training": {"epochs": 2},
    # In place of what takes new processes and further trainings, which tests of their own look at.
    "verify": {"latency_queries": 5, "cold_starts": 0, "cross_fit_below": 0, "control": False, "baseline": False},
    "doctor": {
        "force": True
    },  # a teacher of random weights is worth nothing, and where rows are many enough the doctor sees it
    "threads": 1,
}
