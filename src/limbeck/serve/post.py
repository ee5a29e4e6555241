"""One JSON question over HTTP, within a deadline and a size, to an address that an administrator has named. Knows status codes; asks once.

A teacher that labels a training set is asked until it answers (`limbeck.teachers._endpoint`). Here somebody waits, so nothing is tried twice: who
fails is left alone for a while (`breaker.py`).
"""

from __future__ import annotations

import json
import os
import time
from typing import Any
from urllib.parse import urlsplit

import httpx2

from limbeck.errors import TeacherError
from limbeck.teachers._endpoint import retry_after

_MOST_BYTES = 1_000_000
_ONLY_THIS = frozenset({400, 413, 422})
"""Statuses that may be this text's fault, not the address's: they say nothing of whether the next one will be answered."""


class UnavailableError(Exception):
    """There is no answer, and the next question would get none either. pause: seconds for which it asks to be left alone."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class Post:
    """An address that is asked. Several threads may ask at once.

    Args:
        url: http or https, without user, password or query.
        key_env: the environment variable that holds a key for the Authorization header; None: there is none.
        connections: at the same time.
        transport: in place of the network.
        option: what named the address, for messages.

    Raises:
        TeacherError: the address is none, or holds a secret.
    """

    def __init__(
        self,
        url: str,
        key_env: str | None = None,
        connections: int = 8,
        transport: httpx2.BaseTransport | None = None,
        option: str = "--teacher",
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TeacherError(f"{option} is '{url:.100}'; expected a URL such as https://HOST/v1")
        if parts.username or parts.password or parts.query:
            raise TeacherError(
                f"{option}: the address of {parts.hostname} holds a user, a password or a query, which logs would show. "
                "A key belongs into an environment variable."
            )
        self.url, self.host = url, parts.hostname
        key = os.environ.get(key_env) if key_env else None
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        # No redirect is followed and no proxy taken from the environment: the only place that hears a text is the one that was named.
        self._client = httpx2.Client(
            headers=headers, limits=limits, follow_redirects=False, trust_env=False, transport=transport
        )

    def __call__(self, body: Any, until: float) -> Any:
        """The parsed answer, {} where there is none that can be read; None where this one question is refused.

        Args:
            body: what is asked, as JSON.
            until: the moment of `time.monotonic()` behind which nobody waits.

        Raises:
            UnavailableError: there is no answer in time.
        """
        left = until - time.monotonic()
        if left <= 0:
            raise UnavailableError("no time left")
        content = bytearray()
        try:
            with self._client.stream("POST", self.url, json=body, timeout=httpx2.Timeout(left)) as response:
                status = response.status_code
                if status in _ONLY_THIS:
                    return None
                if not 200 <= status < 300:
                    raise UnavailableError(f"status {status}", retry_after(response.headers))
                for part in response.iter_bytes():
                    content += part
                    if len(content) > _MOST_BYTES:
                        raise UnavailableError(f"an answer of more than {_MOST_BYTES:,} bytes")
                    if time.monotonic() > until:  # a timeout is of each read, and a byte a second is an answer a day
                        raise UnavailableError("no whole answer in time")
        except httpx2.TimeoutException:
            raise UnavailableError("no answer in time") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise UnavailableError(type(error).__name__) from None
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            return {}
        return {} if found is None else found

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
