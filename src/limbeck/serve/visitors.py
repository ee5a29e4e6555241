"""How often one address may ask the pages, which need no key. Knows addresses and a rate; keeps no address: each has a place in a table, by a hash
whose secret ends with the server. Two addresses that share a place share its rate, which is rare.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import os
from collections.abc import Iterable

from limbeck.serve.rates import Rates
from limbeck.serve.reply import Refusal

_PLACES = 2**16
_NETWORK = 64  # bits of an IPv6 address that one subscriber has


class Visitors:
    """Made before the processes are forked, so they count together.

    Args:
        per_second: requests of one address, on average.
        burst: that may come at once.
        proxies: addresses whose word on whom they speak for (X-Forwarded-For) is taken; that of this machine is.
        rates: for tests.
    """

    def __init__(
        self, per_second: float = 10.0, burst: int = 100, proxies: Iterable[str] = (), rates: Rates | None = None
    ) -> None:
        self._per_second, self._burst, self._proxies = per_second, burst, frozenset(proxies)
        self._rates, self._secret = rates or Rates(_PLACES), os.urandom(16)

    def admit(self, peer: str, forwarded: str = "") -> None:
        """Let a request in.

        Args:
            peer: the address at the other end of the connection.
            forwarded: the header X-Forwarded-For; a proxy writes whom it speaks for at its end.

        Raises:
            Refusal: this address asks too often.
        """
        place = hashlib.blake2b(self._of(peer, forwarded), digest_size=8, key=self._secret).digest()
        if wait := self._rates.wait(int.from_bytes(place) % _PLACES, self._per_second, self._burst):
            again = (b"retry-after", b"%d" % math.ceil(wait))
            words = f"one address may ask {self._per_second:g} times a second"
            raise Refusal(429, "rate_limited", words, headers=(again,))

    def _of(self, peer: str, forwarded: str) -> bytes:
        """Whoever asks, as bytes: an IPv6 network, or an IPv4 address."""
        found = _address(peer)
        if forwarded and (peer in self._proxies or (found is not None and found.is_loopback)):
            found = _address(forwarded.rpartition(",")[2].strip()) or found
        if found is None:
            return b""
        return found.packed[: _NETWORK // 8] if found.version == 6 else found.packed


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
