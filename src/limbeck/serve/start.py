"""From the command line's words to a server that answers. Knows names, addresses and what must be there; answers nothing."""

from __future__ import annotations

import functools
import importlib.util
import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from limbeck.bundle import Bundle
from limbeck.errors import InputFileError, missing_extra
from limbeck.serve.keys import Keys
from limbeck.serve.running import Running
from limbeck.serve.settings import Address, Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def named(bundles: Sequence[str]) -> dict[str, Path]:
    """Bundles by name, from words such as `shop=runs/shop/bundle`; a bundle without a name has that of its run.

    Raises:
        InputFileError: a name is none, or stands twice.

    Example:
        >>> named(["runs/shop/bundle", "faq=faq.zip"])
        {'shop': PosixPath('runs/shop/bundle'), 'faq': PosixPath('faq.zip')}
    """
    found: dict[str, Path] = {}
    for word in bundles:
        name, sign, place = word.rpartition("=")
        path = Path(place)
        if not sign:
            whole = path.resolve()
            name = whole.parent.name if whole.name == "bundle" else whole.stem
        if not _NAME.fullmatch(name):
            raise InputFileError(
                f"'{name}' is no name for a model: letters, digits, dot, dash and underscore. Write NAME={place}"
            )
        if name in found:
            raise InputFileError(f"two bundles are called '{name}': {found[name]} and {path}. Write NAME={path}")
        found[name] = path
    return found


def listener(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet, so that whoever connects too early is refused.

    Raises:
        InputFileError: the address cannot be had.
    """
    found = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        if found is not None:
            found.close()
        raise InputFileError(f"cannot listen at {host}:{port}: {error}. Choose another with --port") from error
    return found


def address(text: str) -> Address:
    """An address from HOST:PORT.

    Raises:
        InputFileError: it is none.

    Example:
        >>> address("127.0.0.1:9464")
        Address(host='127.0.0.1', port=9464)
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise InputFileError(f"'{text}' is no address; write HOST:PORT, as in 127.0.0.1:9464")
    return Address(host.strip("[]"), int(port))


def address_of(listener: socket.socket) -> Address:
    """Where a socket is bound."""
    return Address(*listener.getsockname()[:2])


def run(settings: Settings, listener: socket.socket) -> int:
    """Answer on a socket until told to end; the exit code.

    Raises:
        MissingExtraError: the packages that serve are not installed.
        LimbeckError: a bundle is not what its manifest says, or the file of keys is none.
    """
    if settings.keys is None and not settings.open and not loopback(settings.address.host):
        raise InputFileError(
            f"{settings.address} can be reached from elsewhere, and nobody would need a key. "
            "Make one with limbeck key new and give its file with --keys, or say --open"
        )
    # No library of a process may start threads of its own: there is a process for each core, and the supervisor forks.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"), TOKENIZERS_PARALLELISM="false")
    # What a person has to mend is said once, before there are processes.
    found = [Bundle.open(path, settings.signed_by) for path in settings.bundles.values()]
    try:
        from limbeck.serve.board import Board
        from limbeck.serve.live import Live
        from limbeck.serve.rates import Rates
        from limbeck.serve.shared import Shared
        from limbeck.serve.supervisor import Supervisor
        from limbeck.serve.visitors import Visitors
    except ImportError as error:
        raise missing_extra(error.name or "uvicorn", "serve", "limbeck serve") from error
    if any(importlib.util.find_spec(package) is None for package in ("uvicorn", "uvloop", "httptools", "starlette")):
        raise missing_extra("uvicorn", "serve", "limbeck serve")
    if settings.keys is not None:
        Keys.read(settings.keys)
    count = settings.processes
    board = Board(count)
    live = Live([label for bundle in found for label in bundle.manifest.labels], count)
    visitors = Visitors(settings.limits.page_rate, settings.limits.page_burst, settings.proxies)
    shared = Shared(board, Rates(), live, visitors)
    port = listener.getsockname()[1]

    def work(number: int) -> None:
        # What each process needs is imported in it: the supervisor stays small and has no threads.
        from limbeck.serve.worker import Worker

        Worker(number, settings, shared).run(listener)

    def export() -> None:
        from limbeck.serve.metrics import export

        assert settings.metrics is not None
        listener.close()
        export(board, settings.metrics.host, settings.metrics.port)

    told: list[Running] = []

    def tick() -> None:
        now = Running.of(os.getpid(), port, board.read())
        if told[-1:] != [now]:
            told[:] = [now]
            now.write()

    works = [functools.partial(work, number) for number in range(count)]
    supervisor = Supervisor(
        [*works, export] if settings.metrics else works,
        reloads=range(count),
        drain_seconds=settings.limits.drain_seconds,
        ended=lambda number: board.clear(number) if number < count else None,
        tick=tick,
    )
    try:
        return supervisor.run(stopping=listener.close)
    finally:
        Running(os.getpid(), port).remove()


def loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
