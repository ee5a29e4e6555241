"""`limbeck measure`: what candidates cost on this machine, without torch; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limbeck.cli import screen
from limbeck.cli.screen import Watch


def measure(
    candidates: Annotated[Path, typer.Argument(help="The file that limbeck ladder wrote.")],
    out: Annotated[Path, typer.Option(help="The profile to write.")] = Path("profile.json"),
) -> None:
    """Measure the candidates of a search on this machine: bytes, latency, memory. The base install is enough; for pictures limbeck\\[image], for compressed clips limbeck\\[audio]."""
    from limbeck.search import ladder

    found = ladder.read(candidates)
    with Watch() as watch:
        profile = found.measured(watch)
    profile.write(out)
    screen.out.print(f"{out}  {len(profile.costs)} candidates on {profile.words}", markup=False)
