"""What a server is told. Knows names and numbers; does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from limbeck.serve.limits import Limits


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the processes of a server need to know.

    bundles: by the names of their models. address: where it answers.
    signed_by: a public key; the bundles must be signed by its owner.
    keys: the file of API keys; None: nobody needs one. open: that this is meant, where others than this machine can reach the address. metrics: where /metrics is; None: nowhere.
    pages: whether there are pages, which anybody may use. replies: what they say to each intent; None: of limbeck's own.
    origins: of foreign pages that may hold the widget.
    """

    bundles: Mapping[str, Path]
    address: Address = Address("127.0.0.1", 8000)
    processes: int = 1
    signed_by: Path | None = None
    keys: Path | None = None
    open: bool = False
    metrics: Address | None = None
    pages: bool = True
    replies: Path | None = None
    origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
