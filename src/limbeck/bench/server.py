"""A server of our own on a free port, on a core of its own, that ends with us. Knows commands and processes; knows no protocol."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from limbeck.errors import ServerError

_STARTS = 120.0
_STOPS = 10.0
READY = "/health/ready"


def free_port() -> int:
    """A port of the loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@functools.cache  # once the generator is pinned it sees one core only, and the server would share it
def cores() -> tuple[int | None, int | None]:
    """One core for the generator, another for the server; None where the system pins nothing or has only one."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """This process on one core for a while."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def serve_command(bundle: Path, port: int, *more: str) -> list[str]:
    """`limbeck serve` as this Python has it, with one process."""
    return [sys.executable, "-m", "limbeck", "serve", str(bundle), "--port", str(port), "--processes", "1", *more]


@contextlib.contextmanager
def serving(
    command: Sequence[str], port: int, core: int | None = None, ready: str = READY, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers on a port of the loopback, ended with SIGTERM (and SIGKILL where that is not enough).

    Args:
        command: what starts it.
        port: where it will listen.
        core: the only one that it and its children may use; None: any.
        ready: the path that answers with 200 as soon as it is ready.
        environment: further variables.

    Raises:
        ServerError: it ended, or was not ready in two minutes; the message has its last words.
    """
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})},
            process_group=0,
        )  # fmt: skip
        try:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})  # its threads and children come later and inherit it
            until = time.monotonic() + _STARTS
            while not _ready(port, ready):
                if process.poll() is not None or time.monotonic() > until:
                    words.seek(0)
                    said = words.read()[-2000:].decode(errors="replace").strip()
                    how = "is not ready in two minutes" if process.poll() is None else f"ended with {process.returncode}"
                    raise ServerError(f"the server {how}: {' '.join(command)}\n{said}")
                time.sleep(0.05)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOPS)
            with contextlib.suppress(ProcessLookupError):  # children that it has left behind
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ready(port: int, path: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as asked:
        asked.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        said = b""
        while data := asked.recv(4096):  # to the end, or it would meet a closed connection
            said += data
        return said.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
    return False
