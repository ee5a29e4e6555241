"""A person who is given a whole conversation, behind the webhook that `--person` names. Knows what is sent; keeps nothing, and asks once.

It gets {"conversation", "messages": [{"who", "text"}]}: first what was said until then, and afterwards each message alone, under the same id. A 2xx
with JSON or without a body says that somebody has it.
"""

from __future__ import annotations

import asyncio
import math
import time

from limbeck.errors import missing_extra
from limbeck.redact import pseudonymised
from limbeck.serve.chat import Person
from limbeck.serve.reply import Refusal
from limbeck.serve.settings import HandOver
from limbeck.types import Json

_AGAIN = 5  # seconds until another try may succeed, where the webhook does not say


def person(wanted: HandOver) -> Person | None:
    """Who is told of conversations, or None where no webhook is named.

    Raises:
        MissingExtraError: the package that asks over HTTP is not installed.
        TeacherError: the address is none, or holds a secret.
    """
    if wanted.person is None:
        return None
    try:
        from limbeck.serve.post import Post, UnavailableError
    except ImportError as error:
        raise missing_extra(error.name or "httpx2", "api", "asking over HTTP") from error
    post = Post(wanted.person, wanted.person_key_env, option="--person")

    async def tell(conversation: str, said: list[Json]) -> None:
        lines = [{**line, "text": pseudonymised(line["text"])} for line in said] if wanted.redact else said
        content, until = {"conversation": conversation, "messages": lines}, time.monotonic() + wanted.deadline
        try:
            heard, pause = await asyncio.to_thread(post, content, until) is not None, None
        except UnavailableError as error:
            heard, pause = False, error.pause
        if not heard:
            again = str(max(1, math.ceil(pause or _AGAIN))).encode()
            raise Refusal(503, "nobody_heard", "no person can be reached", headers=((b"retry-after", again),))

    return tell
