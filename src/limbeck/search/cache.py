"""Measurements that were made on this machine before. Knows a file and keys; knows nothing of what was measured.

    $LIMBECK_CACHE/measurements/KEY.json      ($XDG_CACHE_HOME/limbeck, else ~/.cache/limbeck, where LIMBECK_CACHE is not set)

One file for each measurement, written whole, so that searches beside each other never wait. A file that is damaged is no measurement.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from limbeck.disk import write_whole
from limbeck.plain_json import parse
from limbeck.search.machine import card
from limbeck.search.measure import Cost
from limbeck.types import Json, digest


def folder() -> Path:
    """Where measurements are kept."""
    if own := os.environ.get("LIMBECK_CACHE"):
        return Path(own) / "measurements"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "limbeck" / "measurements"


def cached(what: Json, measure: Callable[[], Cost]) -> Cost:
    """What was measured under this description on this machine; it is measured where that was never done, or in company.

    Args:
        what: everything beside the machine that decides the measurement.
        measure: measures it. What it finds in company is returned and not kept.
    """
    machine = card()
    path = folder() / f"{digest({'machine': machine, 'what': what})}.json"
    try:
        return Cost.from_json(parse(path.read_bytes())["cost"])
    except (OSError, ValueError, KeyError, TypeError):  # damaged, or not there
        pass
    found = measure()
    if not found.void:
        content = json.dumps({"machine": machine, "what": what, "cost": found.to_json()}, indent=1).encode()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, [content])
        except OSError:  # a machine without such a folder measures again
            pass
    return found
