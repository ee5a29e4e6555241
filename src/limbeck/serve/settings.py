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
class HandOver:
    """Who is asked where a student is not sure, and how.

    cascade: the file of `limbeck cascade`; None: evidence/cascade.json beside the bundle, if it is there. threshold: in place of the file's.
    teacher: a bundle, or the URL of an OpenAI-compatible endpoint, where `model` names it and the variable `key_env` holds a key. person: the URL of
    a webhook, with `person_key_env`; asked where the teacher has no answer, or one with a confidence below `sure`. redact: what points to a person
    leaves as a placeholder. deadline: seconds for each of them. shadow: share of all texts that the teacher is asked too. watch: share of the texts
    that is held against the reference. keep: a .jsonl file for escalations, for `keep_days`, up to `keep_bytes`.
    """

    cascade: Path | None = None
    threshold: float | None = None
    teacher: str | None = None
    model: str | None = None
    key_env: str = "OPENAI_API_KEY"
    person: str | None = None
    person_key_env: str | None = None
    sure: float = 0.0
    redact: bool = False
    deadline: float = 2.0
    shadow: float = 0.0
    watch: float = 0.1
    keep: Path | None = None
    keep_days: float = 30.0
    keep_bytes: int = 50_000_000

    @property
    def asked(self) -> bool:
        """Whether there is anything to do."""
        return (
            any(x is not None for x in (self.cascade, self.threshold, self.teacher, self.person, self.keep)) or self.shadow > 0
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the processes of a server need to know.

    bundles: by the names of their models. address: where it answers.
    poll: seconds that a process looks for the next request before it sleeps. signed_by: a public key; the bundles must be signed by its owner.
    keys: the file of API keys; None: nobody needs one. open: that this is meant, where others than this machine can reach the address. metrics: where /metrics is; None: nowhere.
    hand_over: who is asked where the first model is not sure.
    pages: whether there are pages, which anybody may use. replies: what they say to each intent; None: of limbeck's own.
    origins: of foreign pages that may hold the widget. proxies: addresses whose X-Forwarded-For is believed, beside this machine's.
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
    proxies: tuple[str, ...] = ()
    poll: float = 0.0
    limits: Limits = field(default_factory=Limits)
    hand_over: HandOver = field(default_factory=HandOver)
