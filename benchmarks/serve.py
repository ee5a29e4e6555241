"""What `limbeck serve` holds on two cores: its highest rate, against what one would write instead, its memory, its faults. Needs a bundle.

    python benchmarks/serve.py --part rate|peers|added|connections|soak|reload|fuzz|all --bundle FOLDER --json FILE [--teacher FOLDER]

Server and generator have a core each. Each server is started anew, takes turns with its peer, and is asked BANKING77's test texts where they are
there, else the shop's. `max_rate_p99_20ms`: requests/s of one process, by search. `ratio_fastapi`, `ratio_litserve`: that rate over the
peer's (peer_fastapi.py, peer_litserve.py: the same ONNX file, the same tokenizer code); `ratio_teacher_saturated`: answers/s of a closed
loop, over those of the teacher behind FastAPI (peer_teacher.py). `added_p50_ms`, `added_p99_ms`: latency at half the rate, less that of
the model in a process of its own on the server's core, asked at the same moments; `added_asked_*`: at 2,500/s, half of the rate that is asked of the server. `errors_1000_connections`: at --rate for --seconds, and the largest process.
`soak_*`: --requests of all kinds, bad ones among them. `reload_failed`: a new version under load; `kill_failed_beyond_in_flight`: one of
two processes killed under load. `fuzz_5xx`: of --cases (serve_fuzz.py). Figures are void where other work took more than a tenth
of the cores or the generator more than 70 % of its own. --anyway 1 goes on in company, to try the script.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from harness import arguments, write
from limbeck.bench import page
from limbeck.bench.added import Added
from limbeck.bench.added import added as by_turns
from limbeck.bench.alone import alone
from limbeck.bench.held import BOUND
from limbeck.bench.histogram import Histogram
from limbeck.bench.search import Found
from limbeck.bench.server import cores, pinned
from limbeck.bench.step import Step
from limbeck.runtime.predict import load
from limbeck.shop import TEST
from serve_faults import killed, reloaded
from serve_fuzz import cases, fuzz
from serve_fuzz import write as write_cases
from serve_places import HERE, Place
from serve_soak import mixed, slope

PAIRS = 2
ASKED = 5_000.0
"""Requests/s that one process is to hold."""
SATURATED_SECONDS = 5.0
PARTS = ("rate", "peers", "added", "connections", "soak", "reload", "fuzz")


@dataclass
class Figures:
    """Figures by name, and which of them are void."""

    found: dict[str, Any] = field(default_factory=dict)
    void: dict[str, str] = field(default_factory=dict)

    def add(self, figures: dict[str, Any], *steps: Step) -> None:
        """Figures that rest on these steps."""
        self.found |= figures
        for reason in (step.void for step in steps if step.void):
            self.void |= dict.fromkeys(figures, reason)


def shown(step: Step) -> Step:
    """A step, printed."""
    print(page.line(step), file=sys.stderr, flush=True)
    return step


def highest(place: Place, args: argparse.Namespace, peer: str | None = None) -> Found:
    """The highest rate of limbeck or of a peer, which is started for it."""
    print(f"{peer or 'limbeck'}\n{page.HEADER}", file=sys.stderr)
    with place.peer(peer) if peer else place.limbeck() as served:
        found = served.server.held(BOUND, args.seconds, shown, bool(args.anyway))
    print(page.highest(found, place.connections), file=sys.stderr)
    return found


def steps_of(found: Found) -> list[Step]:
    """What a figure of a search rests on: the step that confirmed it, or else the last one."""
    return [found.step or found.steps[-1]]


def rate(place: Place, args: argparse.Namespace, figures: Figures) -> None:
    """The highest rate, and how the server was there."""
    found = highest(place, args)
    step = found.step
    if step is None:
        figures.add({"max_rate_p99_20ms": 0.0}, *steps_of(found))
        return
    more = {
        "rate_p50_ms": 1e3 * step.latency.percentile(0.5),
        "rate_p99_ms": 1e3 * step.latency.percentile(0.99),
        "rate_generator_share": step.generator,
        "rate_limit": found.limit,
        "rate_rss_mb": step.memory / 1e6,
    }
    figures.add({"max_rate_p99_20ms": found.rate, **more}, step)


def peers(place: Place, args: argparse.Namespace, figures: Figures) -> None:
    """The rate against that of each peer, by turns."""
    for name in ("fastapi", "litserve"):
        pairs = [(highest(place, args), highest(place, args, name)) for _ in range(PAIRS)]
        steps = [step for pair in pairs for found in pair for step in steps_of(found)]
        rates = [[found.rate or 0.0 for found in pair] for pair in pairs]
        ratios = [ours / theirs for ours, theirs in rates if theirs]
        figures.add({f"ratio_{name}": median(ratios) if ratios else None, f"ratio_{name}_rates": rates}, *steps)
    pairs_of_steps = [(saturated(place, None), saturated(place, "teacher")) for _ in range(PAIRS)]
    ratio = median([ours.achieved / theirs.achieved for ours, theirs in pairs_of_steps])
    rates = [[ours.achieved, theirs.achieved] for ours, theirs in pairs_of_steps]
    # A generator at its limit makes our side smaller, so the ratio is then a lower bound; company makes it void.
    figures.add({"ratio_teacher_saturated": ratio, "ratio_teacher_saturated_rates": rates})
    crowded = [step.crowded for pair in pairs_of_steps for step in pair if step.crowded]
    figures.void |= dict.fromkeys(
        ("ratio_teacher_saturated", "ratio_teacher_saturated_rates") if crowded else (), "".join(crowded[:1])
    )


def saturated(place: Place, peer: str | None) -> Step:
    """A closed loop: each connection asks again as soon as it had its answer."""
    with place.peer(peer) if peer else place.limbeck() as served:
        return shown(served.server.offered(None, SATURATED_SECONDS))


def added(place: Place, args: argparse.Namespace, figures: Figures) -> None:
    """What the server adds to the model at half its rate."""
    most = figures.found.get("max_rate_p99_20ms") or highest(place, args).rate or 0.0
    if not most:
        figures.add({"added_p50_ms": None, "added_p99_ms": None})
        return
    for name, rate in (("added", most / 2), ("added_asked", ASKED / 2)):
        measured = added_at(place, rate, args.seconds)
        found: dict[str, Any] = {f"{name}_at_rate": rate}
        for percent, share in (("p50", 0.5), ("p99", 0.99)):
            found |= {
                f"{name}_{percent}_ms": 1e3 * measured.latency(share),
                f"{name}_model_{percent}_ms": 1e3 * measured.model(share),
            }
            found |= {f"{name}_{percent}_ms_by_turns": [round(1e3 * turn, 3) for turn in measured.by_turns(share)]}
        figures.add(found, *measured.steps)


def added_at(place: Place, rate: float, seconds: float) -> Added:
    """Server and model by turns at one rate."""
    predictor = load(place.bundle)

    def model() -> Histogram:
        with pinned(cores()[1]):
            return alone(predictor, place.texts, rate, seconds, place.seed)

    with place.limbeck() as served:
        return by_turns(lambda: shown(served.server.offered(rate, seconds)), model)


def connections(place: Place, args: argparse.Namespace, figures: Figures) -> None:
    """A thousand connections, all of them used."""
    with place.limbeck(connections=args.connections) as served:
        step = shown(served.server.offered(args.rate, args.hold))
    figures.add(
        {
            "errors_1000_connections": sum(step.errors.values()),
            "rss_mb_1000_connections": step.memory / 1e6,
            "connections": args.connections,
            "connections_reopened": step.reopened,
            "connections_answered": step.answered,
            "connections_p99_ms": 1e3 * step.latency.percentile(0.99),
        }
    )


def soak(place: Place, args: argparse.Namespace, figures: Figures) -> None:
    """Very many requests of all kinds; does the memory grow?"""
    samples: list[tuple[int, int]] = []
    private: list[tuple[int, int]] = []
    with place.limbeck() as served:
        asks, kinds = mixed(served.address, place.texts, place.bundle.resolve().parent.name)
        server = served.server.of(asks)

        def sampled(_: float, sent: int) -> None:
            assert server.behind is not None
            samples.append((sent, sum(server.behind.memory().values())))
            private.append((sent, sum(server.behind.private().values())))

        # The rate is an aim; the number of requests is what counts, so the time is given generously.
        step = shown(server.offered(args.soakrate, 4 * args.requests / args.soakrate + 10, most=args.requests, tick=sampled))
    figures.add(
        {
            "soak_requests": step.sent,
            "soak_errors": sum(step.errors.values()),
            "soak_errors_by_kind": dict(step.errors),
            "soak_kinds": kinds,
            "soak_rss_mb": [round(rss / 1e6, 2) for _, rss in samples[:: max(1, len(samples) // 50)]],
            "soak_private_mb": [round(rss / 1e6, 2) for _, rss in private[:: max(1, len(private) // 50)]],
            **slope(samples, "soak_rss"),
            **slope(private, "soak_private"),
        }
    )


def reload(place: Place, args: argparse.Namespace, figures: Figures) -> None:
    """A new version under load, and a process killed under load."""
    figures.add(reloaded(place, args.rate))
    figures.add(killed(place, args.rate))


def fuzzed(place: Place, args: argparse.Namespace, figures: Figures) -> None:
    """Requests that no client should send."""
    with place.limbeck() as served:
        behind = served.server.behind
        memory = [sum(behind.memory().values()) if behind else 0]

        def tick(_: int) -> None:
            memory.append(sum(behind.memory().values()) if behind else 0)

        found = fuzz(served.address, cases(served.address, args.cases, place.seed), tick)
        alive = served.process.poll() is None
        shown(served.server.offered(200.0, 1.0))
    write_cases(found, place.work / "fuzz.jsonl")
    figures.add(
        {
            "fuzz_5xx": found.failed,
            "fuzz_cases": found.cases,
            "fuzz_kinds": dict(found.kinds),
            "fuzz_statuses": {str(status): n for status, n in sorted(found.statuses.items())},
            "fuzz_unanswered": found.unanswered,
            "fuzz_hangs": found.hangs,
            "fuzz_alive": alive,
            "fuzz_rss_growth_mb": (memory[-1] - memory[len(memory) // 5]) / 1e6,
        }
    )


RUN: dict[str, Callable[[Place, argparse.Namespace, Figures], None]] = {
    "rate": rate,
    "peers": peers,
    "added": added,
    "connections": connections,
    "soak": soak,
    "reload": reload,
    "fuzz": fuzzed,
}


def texts_here() -> list[str]:
    """BANKING77's test texts, or the shop's."""
    from limbeck.data.read import rows

    banking = HERE.parent.parent / "shared" / "data" / "banking77" / "test.jsonl.gz"
    return [str(row["text"]) for _, row in rows(banking if banking.is_file() else TEST)]


def main() -> None:
    """Run a part, or all."""
    more = functools.partial(arguments, __doc__ or "", (*PARTS, "all"))
    args = more(
        bundle=Path(), teacher=Path(), seconds=3.0, rate=1000.0, hold=60.0, connections=1000, soakrate=3000.0,
        requests=1_000_000, cases=100_000, seed=0, anyway=0,
    )  # fmt: skip
    teacher = args.teacher if args.teacher != Path() else args.bundle.parent / "teacher"
    place = Place(args.bundle, teacher, args.work, texts_here(), seed=args.seed)
    figures = Figures()
    with pinned(cores()[0]):
        for part in PARTS if args.part == "all" else (args.part,):
            RUN[part](place, args, figures)
    write(args, figures.found, {"bundle": str(args.bundle)}, figures.void)


if __name__ == "__main__":
    main()
