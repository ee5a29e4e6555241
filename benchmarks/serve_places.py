"""Where servers of a benchmark run: environments of their own, a core of their own. Knows pip and processes; measures nothing."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import limbeck
from limbeck.bench.held import Server
from limbeck.bench.http import Address, Ask, questions
from limbeck.bench.server import READY, cores, free_port, serving

HERE = Path(__file__).parent
SOURCE = Path(limbeck.__file__).parents[1]
HTTP = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "orjson", "prometheus-client")
"""limbeck serve and its FastAPI peer share one environment, so that both have the same versions of all that they share."""
LITSERVE = ("litserve",)


def environment(work: Path, name: str, packages: Sequence[str]) -> Path:
    """The python of an environment with these packages, in the versions that we have, and behind them all that we have.

    It lies below `work` and is used again. Its own packages come first on the path, so a conflict of versions stays inside.
    """
    wanted = [f"{package}=={found}" if (found := _installed(package)) else package for package in packages]
    folder = (work / "environments" / name).resolve()
    state = hashlib.sha256("\n".join([*wanted, str(SOURCE), sys.executable]).encode()).hexdigest()
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != state:
        print(f"installing {', '.join(wanted)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
        own = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True
        ).stdout.strip()
        # In this order: what pip saw installed it would not have installed again.
        (Path(own) / "limbeck.pth").write_text(f"{SOURCE}\n{sysconfig.get_path('purelib')}\n", encoding="utf-8")
        stamp.write_text(state, encoding="ascii")
    return python


def _installed(package: str) -> str | None:
    with contextlib.suppress(PackageNotFoundError):
        return version(package)
    return None


@dataclass(frozen=True)
class Place:
    """What all parts share: the bundle and its teacher, texts, where environments lie, how steps are made."""

    bundle: Path
    teacher: Path
    work: Path
    texts: Sequence[str]
    connections: int = 64
    seed: int = 0

    @contextlib.contextmanager
    def limbeck(
        self, processes: int = 1, connections: int | None = None, bundle: Path | None = None, pinned: bool = True
    ) -> Iterator[Served]:
        """`limbeck serve` on the server's core."""
        more = ["--processes", str(processes)]
        with self._served(
            ["-m", "limbeck", "serve", str(bundle or self.bundle)], "http", HTTP, connections, more, pinned
        ) as served:
            yield served

    @contextlib.contextmanager
    def peer(self, name: str) -> Iterator[Served]:
        """The peer whose source is peer_NAME.py."""
        packages = {"fastapi": ("http", HTTP), "litserve": ("litserve", LITSERVE), "teacher": ("http", HTTP)}[name]
        model = self.teacher if name == "teacher" else self.bundle
        ready = "/health" if name == "litserve" else READY
        with self._served([str(HERE / f"peer_{name}.py"), str(model)], *packages, None, None, True, ready) as served:
            yield served

    @contextlib.contextmanager
    def _served(
        self,
        command: Sequence[str],
        name: str,
        packages: Sequence[str],
        connections: int | None,
        more: Sequence[str] | None,
        pinned: bool,
        ready: str = READY,
    ) -> Iterator[Served]:
        python, port = environment(self.work, name, packages), free_port()
        behind = ["--port", str(port), *more] if more is not None else [str(port)]
        # Worktrees and checkouts: the tree that measures is the tree that is measured.
        surroundings = {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
        with serving([str(python), *command, *behind], port, cores()[1] if pinned else None, ready, surroundings) as process:
            address = Address("127.0.0.1", port)
            asks = questions(address, self.texts)
            spin = pinned and cores()[1] is not None
            yield Served(Server.at(address, asks, connections or self.connections, self.seed, spin), process, address, asks)


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    server: Server
    process: subprocess.Popen[bytes]
    address: Address
    asks: Sequence[Ask]
