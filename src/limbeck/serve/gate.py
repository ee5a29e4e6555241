"""Who may ask: the key in a request's headers, its scope and its rate. Knows keys and refusals; knows nothing of what is asked."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from limbeck.serve.keys import Keys
from limbeck.serve.rates import Rates
from limbeck.serve.reply import Refusal

_CHALLENGE = ((b"www-authenticate", b'Bearer realm="limbeck"'),)


class Gate:
    """Keys and their rates.

    Args:
        keys: of the file.
        rates: shared by the processes.
    """

    def __init__(self, keys: Keys, rates: Rates) -> None:
        self.keys, self._rates = keys, rates

    def admit(self, headers: Mapping[bytes, bytes], scope: str) -> None:
        """Let a request in that bears `Authorization: Bearer KEY` or `X-Api-Key: KEY`.

        Raises:
            Refusal: there is no key, it is unknown, has ended, lacks the scope, or asks too often.
        """
        kind, _, sent = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() != b"bearer":
            sent = headers.get(b"x-api-key", b"")
        if not sent:
            raise Refusal(401, "key_missing", "send a key, with the header 'authorization: Bearer KEY'", headers=_CHALLENGE)
        place = self.keys.find(sent.strip())
        if place is None:
            raise Refusal(401, "key_unknown", "this key is not known here", headers=_CHALLENGE)
        key = self.keys.keys[place]
        if key.expired(time.time()):
            raise Refusal(401, "key_expired", "this key has ended", headers=_CHALLENGE)
        if scope not in key.scopes:
            raise Refusal(403, "scope_missing", f"this key has not the scope '{scope}'")
        if key.per_second is not None and (wait := self._rates.wait(place, key.per_second, key.burst)):
            again = (b"retry-after", b"%d" % math.ceil(wait))
            raise Refusal(429, "rate_limited", f"this key may ask {key.per_second:g} times a second", headers=(again,))
