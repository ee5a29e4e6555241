"""A figure for whoever watches a server. Knows its form; counts nothing."""

from __future__ import annotations

Figure = tuple[str, dict[str, str], float]
"""Its name, what it is about (labels by name), and its value; names that end with _total only grow, as in Prometheus."""
