"""A data file and a recipe so small that a whole run takes a second."""

ROWS = [
    ("hello there", "greeting"), ("hi friend", "greeting"), ("good day", "greeting"), ("hey hey", "greeting"), ("hiya", "greeting"),
    ("where is it", "question"), ("what is that", "question"), ("who did it", "question"), ("why me", "question"), ("when", "question"),
    ("thank you", "thanks"), ("thanks a lot", "thanks"), ("cheers", "thanks"), ("much obliged", "thanks"), ("ta very much", "thanks"),
]  # fmt: skip

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
