"""What a server's clients see of a new version and of a killed process. Knows signals and bundles; knows nothing of protocols."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from limbeck.bench import page
from limbeck.bench.http import answer, as_json
from limbeck.bench.processes import children
from limbeck.bench.step import Step
from limbeck.bundle import MANIFEST, Bundle, replace_folder
from serve_places import Place, Served

SECONDS = 20.0
_AT = (4.0, 9.0, 14.0)
"""Seconds after the start at which something happens."""


def reloaded(place: Place, rate: float) -> dict[str, Any]:
    """The bundle's folder is replaced by another version three times while clients ask, and the server is told by SIGHUP."""
    folder = place.work / "reload" / place.bundle.parent.name / "bundle"
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(place.bundle, folder)
    temperatures = [2.0, 0.5, 1.5]
    with place.limbeck(processes=2, bundle=folder, pinned=False) as served:
        before, times = said(served), iter(_AT)
        due = next(times)

        def tick(since: float, _: int) -> None:
            nonlocal due
            if since >= due:
                due = next(times, float("inf"))
                version(place.bundle, folder, temperatures.pop())
                served.process.send_signal(signal.SIGHUP)

        step = shown(served, rate, tick)
        after = said(served)
    return {
        "reload_failed": sum(step.errors.values()),
        "reload_errors": dict(step.errors),
        "reload_answered": len(step.latency),
        "reload_took_effect": before != after,
        "reload_connections_reopened": step.reopened,
        "reload_p99_ms": 1e3 * step.latency.percentile(0.99),
    }


def killed(place: Place, rate: float) -> dict[str, Any]:
    """One of two processes is killed while clients ask. Those whose question it held are lost; nobody else may notice."""
    gone: list[int] = []
    with place.limbeck(processes=2, pinned=False) as served:

        def tick(since: float, _: int) -> None:
            if since >= _AT[0] and not gone:
                workers = sorted(children(served.process.pid))
                gone.append(workers[0])
                os.kill(workers[0], signal.SIGKILL)

        step = shown(served, rate, tick)
        workers = len(children(served.process.pid))
    # A connection carries one request at a time: whatever else went wrong was in no process's hands.
    in_flight = min(step.errors.get("closed", 0), place.connections)
    return {
        "kill_failed": sum(step.errors.values()),
        "kill_in_flight": in_flight,
        "kill_failed_beyond_in_flight": sum(step.errors.values()) - in_flight,
        "kill_errors": dict(step.errors),
        "kill_processes_after": workers,
        "kill_connections_reopened": step.reopened,
        "kill_p99_ms": 1e3 * step.latency.percentile(0.99),
    }


def version(source: Path, folder: Path, temperature: float) -> None:
    """Put a version with another temperature, and so with other probabilities, in the place of `folder`."""
    manifest = Bundle.open(source).manifest
    draft = folder.with_name("draft")
    shutil.copytree(source, draft)
    calibration = dataclasses.replace(manifest.calibration, temperature=temperature)
    (draft / MANIFEST).write_bytes(dataclasses.replace(manifest, calibration=calibration).to_bytes())
    replace_folder(draft, folder)


def said(served: Served) -> bytes:
    """The body of one answer, without what differs from answer to answer."""
    got = b""
    with socket.create_connection((served.address.host, served.address.port), timeout=10) as opened:
        opened.sendall(served.asks[0].wire)
        while answer(got) is None:
            got += opened.recv(65_536)
    found = json.loads(got.partition(b"\r\n\r\n")[2])
    return as_json(found["results"])


def shown(served: Served, rate: float, tick: Any) -> Step:
    """The load, printed."""
    step = served.server.offered(rate, SECONDS, tick=tick)
    print(page.line(step), file=sys.stderr, flush=True)
    return step
