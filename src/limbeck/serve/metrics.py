"""/metrics, on a port of its own. Knows Prometheus' format and what the processes said; counts nothing.

Every series bears the number of its process, since a process that was killed begins again at zero, and Prometheus understands that of a series
but not of a sum.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from limbeck.errors import InputFileError
from limbeck.serve.board import Board

_HELP = {
    "limbeck_answers": "Texts that were answered, by model and by who answered.",
    "limbeck_abstentions": "Answers below the bundle's threshold.",
    "limbeck_replies": "Replies by path and HTTP status.",
    "limbeck_refusals": "Requests that were refused, by reason.",
    "limbeck_reloads": "Reloads of bundles and keys, by how they ended.",
    "limbeck_waiting": "Texts that wait or are being answered.",
    "limbeck_connections": "Open connections.",
    "limbeck_answer_seconds": "From the parsed request to its answers.",
}


class Said(Collector):
    """The figures on a board, as Prometheus' metrics."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterable[Metric]:
        """All metrics of all processes."""
        families: dict[str, Any] = {}
        histograms: dict[tuple[str, str], dict[str, Any]] = {}
        for process, said in enumerate(self._board.read()):
            for name, about, value in (said or {}).get("figures", ()):
                labels = {**about, "process": str(process)}
                base, _, kind = name.rpartition("_")
                if kind in ("bucket", "count", "sum") and base.endswith("_seconds"):
                    whole = histograms.setdefault((base, str(process)), {"bucket": []})
                    if kind == "bucket":
                        whole["bucket"].append((labels["le"], value))
                    else:
                        whole[kind] = value
                    continue
                if name not in families:
                    make, own = (CounterMetricFamily, base) if kind == "total" else (GaugeMetricFamily, name)
                    families[name] = make(own, _HELP.get(own, own.replace("_", " ")), labels=sorted(labels))
                families[name].add_metric([labels[key] for key in sorted(labels)], value)
        yield from families.values()
        yield from _histograms(histograms)


def _histograms(found: dict[tuple[str, str], dict[str, Any]]) -> Iterator[Metric]:
    families: dict[str, HistogramMetricFamily] = {}
    for (name, process), whole in found.items():
        if name not in families:
            families[name] = HistogramMetricFamily(name, _HELP.get(name, name), labels=["process"])
        families[name].add_metric([process], whole["bucket"], whole["sum"])
    yield from families.values()


def export(board: Board, host: str, port: int) -> None:
    """Answer GET /metrics until SIGTERM or SIGINT.

    Raises:
        InputFileError: the address cannot be had.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Said(board))
    signals = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the thread is there, which inherits it
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        raise InputFileError(f"cannot listen at {host}:{port} for /metrics: {error}. Choose another with --metrics") from error
    signal.sigwait(signals)
