"""`limbeck bench`: parses an address or a bundle and prints what was measured of its server; decides nothing."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limbeck.cli import screen
from limbeck.cli.predict import payloads_of, texts_of
from limbeck.cli.screen import ForceFlag, JsonFlag, print_json
from limbeck.errors import DataError

if TYPE_CHECKING:
    from limbeck.bench.held import Server
    from limbeck.bench.step import Step


def bench(
    target: Annotated[str, typer.Argument(metavar="URL|BUNDLE", help="A server, or a bundle that is served for as long.")],
    against: Annotated[
        str | None, typer.Option(help="A second URL or bundle: both take turns at --rate.", show_default=False)
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Requests a second.", show_default="the highest that holds --p99 is searched")
    ] = None,
    p99: Annotated[str, typer.Option(help="What 99 of 100 requests may take, from the moment they were due.")] = "20ms",
    seconds: Annotated[float, typer.Option(min=0.2, max=3600, help="Of each step.")] = 3.0,
    requests: Annotated[
        int | None, typer.Option(min=1, help="With --rate: end after so many, however early.", show_default=False)
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=20_000, help="Kept alive; all of them are used.")] = 64,
    texts: Annotated[
        Path | None,
        typer.Option(
            help="Texts that are asked, or what the bundle reads, as --file of predict.",
            show_default="1,018 of a fictional shop, or the bundle's golden pictures or clips",
        ),
    ] = None,
    column: Annotated[str | None, typer.Option(help="The column that holds them.", show_default="text")] = None,
    header: Annotated[list[str] | None, typer.Option(help="A header such as 'Authorization: Bearer KEY'.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Latencies by percentile as svg, png or pdf.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Of the arrivals and of the order of the texts.")] = 0,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure what a server holds: an open loop of Poisson arrivals, latency from the moment a request was due.

    A bundle is served by `limbeck serve` with one process on one core, and asked from another. Figures are void where the generator
    used more than 70 % of its core or other work more than 10 % of the machine, and each step says so.
    """
    from limbeck import units
    from limbeck.bench import page, server
    from limbeck.bench.added import added
    from limbeck.bench.alone import alone
    from limbeck.bench.histogram import Histogram
    from limbeck.bench.rounds import rounds
    from limbeck.search.machine import card, words

    try:
        bound = 1e-6 * units.microseconds(p99)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--p99") from error
    if against is not None and rate is None:
        raise typer.BadParameter("two servers are compared at one rate; give --rate", param_hint="--against")
    if requests is not None and rate is None:
        raise typer.BadParameter("a search ends by itself; give --rate with it", param_hint="--requests")
    asked = _asked(target, texts, column)
    headers = _headers(header or [])
    machine = card()
    found: dict[str, Any] = {"machine": machine, "target": target, "connections": connections, "seed": seed}
    drawn: dict[str, Histogram] = {}
    with contextlib.ExitStack() as stack:
        own_core, server_core = server.cores()
        places = [target, *([against] if against is not None else [])]
        servers = [_server(stack, place, asked, headers, connections, seed, server_core) for place in places]
        stack.enter_context(server.pinned(own_core))
        screen.err.print(f"{words(machine)}; {connections} connections", markup=False)
        screen.err.print(page.HEADER, markup=False)
        if against is not None and rate is not None:
            first, second = (functools.partial(_step, server, rate, seconds, requests) for server in servers)
            pairs = rounds(first, second, seed=seed)
            found["rounds"] = pairs.to_json()
            said = page.turns(pairs, (target, against))
            drawn = {
                place: sum((s.latency for s in of[1:]), of[0].latency)
                for place, of in zip(places, (pairs.first, pairs.second), strict=True)
            }
        elif rate is not None:
            step = _step(servers[0], rate, seconds, requests)
            found["step"], said, drawn = step.to_json(), page.single(step, bound), {target: step.latency}
        else:
            search = servers[0].held(bound, seconds, lambda step: screen.err.print(page.line(step), markup=False), force)
            found["search"], said = search.to_json(), page.highest(search, connections)
            if search.step is not None and search.rate is not None:
                drawn = {f"{search.rate:,.0f}/s": search.step.latency}
            if search.rate is not None and not _is_url(target):
                from limbeck.runtime.predict import load

                predictor, half = load(target), search.rate / 2

                def model() -> Histogram:
                    with server.pinned(server_core):
                        return alone(predictor, asked, half, seconds, seed)

                more = added(lambda: _step(servers[0], half, seconds, None), model)
                found["added"], said = more.to_json(), f"{said}\n{page.beside(more)}"
                drawn |= {f"{half:,.0f}/s": sum((s.latency for s in more.steps), Histogram())}
                drawn |= {"the model alone": sum(more.models, Histogram())}
    if plot is not None:
        from limbeck.bench.plot import draw

        draw(drawn, plot, bound)
    if as_json:
        print_json(found)
    else:
        screen.out.print(said, markup=False)


def _step(server: Server, rate: float, seconds: float, most: int | None) -> Step:
    from limbeck.bench.page import line

    step = server.offered(rate, seconds, most)
    screen.err.print(line(step), markup=False)
    return step


def _server(
    stack: contextlib.ExitStack,
    place: str,
    texts: list[str] | list[bytes],
    headers: dict[str, str],
    connections: int,
    seed: int,
    core: int | None,
) -> Server:
    """The server at a URL, or one that is started for a bundle."""
    from limbeck.bench import server
    from limbeck.bench.held import Server
    from limbeck.bench.http import Address, questions
    from limbeck.bundle import Bundle

    if _is_url(place):
        address = Address.of(place)
    else:
        bundle = Bundle.open(Path(place))  # so that a folder that is none is told before anything starts
        address = Address("127.0.0.1", server.free_port())
        stack.enter_context(server.serving(server.serve_command(bundle.path, address.port), address.port, core))
    spin = core is not None and not _is_url(place)  # else the server's processes may want this core
    return Server.at(address, questions(address, texts, headers), connections, seed, spin)


def _is_url(place: str) -> bool:
    return "://" in place


def _asked(target: str, file: Path | None, column: str | None) -> list[str] | list[bytes]:
    """Texts; of a bundle that reads pictures or clips the bytes of files."""
    from limbeck.bundle import Bundle
    from limbeck.catalog import find
    from limbeck.shop import TEST

    modality = None if _is_url(target) else find("modalities", Bundle.open(Path(target)).manifest.modality)
    if modality is not None and not modality.vocabulary:
        given = map(modality.from_json, modality.golden) if file is None else payloads_of(file, column, modality)
        return [modality.as_sent(payload) for payload in given]
    found = [text for text in texts_of(file or TEST, column or "text" if file else "text") if text.strip()]
    if not found:
        raise DataError(f"{file} holds no text. Give a file of texts that customers write with --texts FILE")
    return found


def _headers(given: list[str]) -> dict[str, str]:
    found = {}
    for header in given:
        name, colon, value = header.partition(":")
        if not colon or not name.strip() or any(c in header for c in "\r\n"):
            raise typer.BadParameter(f"expected 'NAME: VALUE', got '{header:.80}'", param_hint="--header")
        found[name.strip()] = value.strip()
    return found
