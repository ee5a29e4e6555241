"""Latencies by percentile as a picture. Knows histograms and matplotlib, which comes with the extra `train`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from limbeck.bench.histogram import Histogram
from limbeck.errors import missing_extra

_NINES = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
_POINTS = 400


def draw(histograms: Mapping[str, Histogram], path: Path, bound: float | None = None) -> None:
    """Write the picture; the file's suffix names the format (svg, png, pdf).

    Args:
        histograms: by the name that the legend shows.
        path: where it goes.
        bound: seconds; drawn as a line.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("matplotlib", "train", "drawing latencies") from error
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, found in histograms.items():
        # A percentile of which fewer than one request lies above says nothing.
        nines = [len(found) ** (i / _POINTS) for i in range(_POINTS + 1)]
        axes.plot(nines, [1e3 * found.percentile(1 - 1 / n) for n in nines], label=name, lw=1.6)
    if bound is not None:
        axes.axhline(1e3 * bound, color="#7d858e", lw=1, ls=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([1 / (1 - p) for p in _NINES], [f"{100 * p:g} %" for p in _NINES])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("share of requests")
    axes.set_ylabel("milliseconds since the request was due")
    axes.grid(alpha=0.25, lw=0.6)
    axes.legend(frameon=False)
    with matplotlib.rc_context({"svg.hashsalt": "limbeck"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
