"""Calls to an HTTP endpoint that is slow, busy, broken or paid for. Knows status codes, waiting and giving up; knows no prompt and no store.

A call is tried until it succeeds: what may pass (429, 5xx, a broken or slow connection, half an answer) waits and tries again with the same
idempotency key; what will not (a wrong key, an unknown model) stops all. The key is never in a message.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from limbeck.errors import TeacherError
from limbeck.types import Json

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
"""Seconds before the second try, doubled each time and drawn at random below that."""
_MOST_WAITS = 100  # for a server that is busy (429), beside the tries
_TRIPPED = 24
"""So many failures in a row, of all calls together, and the endpoint counts as down."""


class RefusedError(TeacherError):
    """The endpoint does not accept what is asked (400, 422): `why` holds its words."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class _StoppedError(Exception):
    """A call that another one's failure has ended."""


@dataclass(frozen=True, slots=True)
class _Missed:
    """A try without an answer: why, for how many seconds the server asks to be left alone, and whether it is only busy."""

    reason: str
    pause: float | None = None
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One question: a key that is its identity, and the request's body."""

    key: str
    body: Json


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back for a call: the parsed body."""

    call: Call
    body: Json


class Endpoint:
    """An HTTP endpoint.

    Args:
        url: of the API, without the path of a call.
        key: for the Authorization header; None: there is none.
        key_name: the environment variable that holds it, for messages.
        timeout: seconds without a byte.
        tries: of one call, the first one included.
        concurrency: calls at the same time.
        per_minute: calls that may begin in a minute; None: as many as it takes.
        transport: in place of the network.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        key_name: str,
        timeout: float = 60.0,
        tries: int = 8,
        concurrency: int = 8,
        per_minute: int | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.url, self._key, self._key_name = url.rstrip("/"), key, key_name
        self._tries, self._concurrency = tries, concurrency
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        self._client = httpx2.Client(
            headers=headers, timeout=httpx2.Timeout(timeout), limits=limits, follow_redirects=False, transport=transport
        )
        self._gate, self._not_before = threading.Lock(), 0.0
        self._every, self._next = (60.0 / per_minute if per_minute else 0.0), 0.0
        self._failures, self._stopped = 0, threading.Event()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def answers(self, path: str, calls: Sequence[Call], may_go_on: Callable[[int], bool] | None = None) -> Iterator[Returned]:
        """What comes back, as it comes; at most `concurrency` calls are in flight.

        Args:
            path: of the call, "/chat/completions".
            calls: each with a key of its own.
            may_go_on: asked before each new call, with the number in flight; once it says no, only these are still awaited.

        Raises:
            TeacherError: the endpoint is down or refuses; all that came back, from the calls then in flight too, was yielded before.
        """
        self._stopped.clear()
        self._failures = 0
        left = iter(calls)
        flying: set[Future[Returned]] = set()
        failed: BaseException | None = None
        with ThreadPoolExecutor(self._concurrency) as pool:
            try:
                while True:
                    while failed is None and len(flying) < self._concurrency and (may_go_on is None or may_go_on(len(flying))):
                        if (call := next(left, None)) is None:
                            break
                        flying.add(pool.submit(self._one, path, call))
                    if not flying:
                        break
                    done, flying = wait(flying, return_when=FIRST_COMPLETED)
                    for future in done:
                        if (error := future.exception()) is None:
                            yield future.result()
                        elif failed is None or isinstance(failed, _StoppedError):
                            failed = error
                            self._stopped.set()  # those that wait to try again need not; those in flight are paid for
            finally:
                self._stopped.set()
        if failed is not None:
            raise failed

    def _one(self, path: str, call: Call) -> Returned:
        failed = waited = 0
        while not self._stopped.is_set():
            self._wait_for_turn()
            found = self._once(path, call)
            if isinstance(found, Returned):
                with self._gate:
                    self._failures = 0
                return found
            if found.pause is not None:
                with self._gate:  # all calls wait: the limit is on all of them
                    self._not_before = max(self._not_before, time.monotonic() + found.pause)
            if found.busy and waited < _MOST_WAITS:  # a server that is busy is not down
                waited += 1
            else:
                failed += 1
                self._failed(found.reason, failed)
            self._stopped.wait(random.uniform(0.0, min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** max(failed, min(waited, 6)))))
        raise _StoppedError

    def _once(self, path: str, call: Call) -> Returned | _Missed:
        """One try.

        Raises:
            TeacherError: trying again would not help.
        """
        try:
            response = self._client.post(self.url + path, json=call.body, headers={"Idempotency-Key": call.key})
        except httpx2.TimeoutException as error:
            return _Missed(f"no answer in time ({type(error).__name__})")
        except httpx2.TransportError as error:
            return _Missed(f"{type(error).__name__}: {error!s:.200}")
        if response.status_code in _PASSING:
            busy = response.status_code == 429
            return _Missed(f"{response.status_code}: {_said(response)}", retry_after(response.headers), busy)
        if response.status_code != 200:
            raise self._final(response)
        try:
            body = response.json()
        except ValueError as error:
            return _Missed(f"an answer that is no JSON ({error!s:.100}): {response.text[:200]}")
        return Returned(call, body) if isinstance(body, dict) else _Missed(f"no JSON object: {response.text[:200]}")

    def _wait_for_turn(self) -> None:
        with self._gate:
            now = time.monotonic()
            at = max(now, self._not_before, self._next)
            self._next = at + self._every
        self._stopped.wait(max(0.0, at - now))

    def _failed(self, reason: str, times: int) -> None:
        """Count a failure; give up where this call, or all of them together, have had too many.

        Raises:
            TeacherError: it is given up.
        """
        with self._gate:
            self._failures += 1
            together = self._failures
        down = together >= max(_TRIPPED, 3 * self._concurrency)
        if down or times >= self._tries:
            often = f"{together} times in a row, so it counts as down" if down else f"{times} times for one question"
            raise TeacherError(
                self._scrubbed(
                    f"teacher.endpoint: {self.url} failed {often}; the last time: {reason}. All answers that came are kept: run the same "
                    "command again when it is up, or mend teacher.endpoint."
                )
            )

    def _final(self, response: httpx2.Response) -> TeacherError:
        said, status = self._scrubbed(_said(response)), response.status_code
        if status in (401, 403):
            return TeacherError(
                f"{self.url} does not accept the key in the environment variable {self._key_name} ({status}: {said}). "
                "Set it to a valid key (teacher.key_env names the variable)."
            )
        if status == 404:
            return TeacherError(
                f"{self.url} does not know what is asked (404: {said}). Mend teacher.model, or teacher.endpoint, which ends before "
                f"/chat/completions.{self._models()}"
            )
        if status in (400, 422):
            return RefusedError(
                f"{self.url} refuses the request ({status}: {said}). Mend teacher.model or the settings beside it.", said
            )
        return TeacherError(f"{self.url} answers {status}: {said}. Mend teacher.endpoint.")

    def _models(self) -> str:
        try:
            known = [str(m["id"]) for m in self._client.get(self.url + "/models").json()["data"]]
        except (httpx2.HTTPError, ValueError, KeyError, TypeError):
            return ""
        return f" It offers {', '.join(known[:8])}."

    def _scrubbed(self, text: str) -> str:
        return scrubbed(text, self._key)


def scrubbed(text: str, key: str | None) -> str:
    """The text without the key: some servers say in an error which key was wrong."""
    return text.replace(key, "***") if key else text


def _said(response: httpx2.Response) -> str:
    """The server's own words, short."""
    try:
        body: Any = json.loads(response.text)
        error = body.get("error", body) if isinstance(body, Mapping) else body
        return f"{error.get('message', error) if isinstance(error, Mapping) else error}"[:300]
    except ValueError:
        return response.text[:300]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, at most an hour: a number, or a date."""
    value = headers.get("retry-after-ms")
    try:
        if value is not None:
            return min(3600.0, max(0.0, float(value) / 1000.0))
        value = headers.get("retry-after")
        return None if value is None else min(3600.0, max(0.0, float(value)))
    except ValueError:
        try:
            return min(3600.0, max(0.0, parsedate_to_datetime(str(value)).timestamp() - time.time()))
        except (ValueError, TypeError):
            return None


def host_of(endpoint: str) -> str:
    """The host of an endpoint's address.

    Raises:
        TeacherError: it is none, or holds a secret.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TeacherError(f"teacher.endpoint is '{endpoint:.100}'; expected a URL such as https://HOST/v1")
    if parts.username or parts.password or parts.query:
        raise TeacherError(
            f"teacher.endpoint: the address of {parts.hostname} holds a user, a password or a query. A key belongs into the environment "
            "variable that teacher.key_env names, where no recipe and no report can show it."
        )
    return parts.hostname
