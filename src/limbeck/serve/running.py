"""Which servers run on this machine: a small file for each, by its port. Knows where it lies; knows nothing of what they serve.

It lies in the user's runtime folder, which nobody else can write to, so `limbeck reload` sends no signal on a stranger's word.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from limbeck.disk import write_whole
from limbeck.errors import BundleError, InputFileError


@dataclass(frozen=True, slots=True)
class Running:
    """One server. processes: that are ready. reloads: how often each of them has tried to reload. versions: sha256 of each model's manifest, by name.

    failed: why the last reload changed nothing; empty where it did not fail.
    """

    pid: int
    port: int
    processes: int = 0
    reloads: int = 0
    failed: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, pid: int, port: int, said: Sequence[Any]) -> Running:
        """From what the processes said on the board: a version is that of all of them, or of none."""
        here = [s for s in said if s]
        names = here[0]["versions"] if here else {}
        versions = {n: sha for n, sha in names.items() if all(s["versions"].get(n) == sha for s in here)}
        failed = next((s["failed"] for s in here if s["failed"]), "")
        return cls(pid, port, sum(s["ready"] for s in here), min((s["reloads"] for s in here), default=0), failed, versions)

    def write(self) -> None:
        """Write its file; where that cannot be done nobody finds the server by its port, which is no reason not to answer."""
        with contextlib.suppress(OSError, InputFileError):
            write_whole(_path(self.port), [json.dumps(asdict(self)).encode()])

    def remove(self) -> None:
        """Remove its file."""
        with contextlib.suppress(OSError, InputFileError):
            _path(self.port).unlink()

    @classmethod
    def read(cls, port: int) -> Running:
        """The server at a port.

        Raises:
            InputFileError: there is none that this user started.
        """
        path = _path(port)
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
            os.kill(found.pid, 0)
        except FileNotFoundError:
            raise InputFileError(
                f"no server of this user runs at port {port}. Start one: limbeck serve BUNDLE --port {port}"
            ) from None
        except (OSError, ValueError, TypeError) as error:
            raise InputFileError(f"the server that {path} speaks of does not run any more ({error}). Start it again") from None
        return found


def reloaded(port: int, wait: float) -> Mapping[str, str]:
    """Tell the server at a port to load its bundles again; the versions that answer then.

    Args:
        port: of the server.
        wait: seconds until each process must have done it.

    Raises:
        InputFileError: there is no such server, or it is not done in time.
        BundleError: a bundle cannot be loaded; the ones of before go on answering.
    """
    until = time.monotonic() + wait
    while not (before := Running.read(port)).versions and time.monotonic() < until:
        time.sleep(0.1)  # it has just been started
    os.kill(before.pid, signal.SIGHUP)
    while time.monotonic() < until:
        time.sleep(0.1)
        now = Running.read(port)
        if now.reloads > before.reloads and set(now.versions) == set(before.versions):
            if now.failed:
                raise BundleError(f"the server goes on with the bundles of before: {now.failed}")
            return now.versions
    raise InputFileError(f"the server (process {before.pid}) did not reload within {wait:g} s; its log says why")


def _path(port: int) -> Path:
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"limbeck-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise InputFileError(f"{folder} is not a folder of this user's alone. Remove it, or set XDG_RUNTIME_DIR")
    return folder / f"{port}.json"
