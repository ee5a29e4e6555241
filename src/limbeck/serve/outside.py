"""Who is asked over HTTP: a model behind an endpoint, a person behind a webhook. Knows the wire formats; decides nothing and keeps nothing."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from limbeck.redact import pseudonymised
from limbeck.serve.answer import Answer
from limbeck.serve.payload import TEXT, Payload
from limbeck.serve.post import Post, UnavailableError
from limbeck.serve.reply import Refusal
from limbeck.serve.teacher import better
from limbeck.teachers._chat import Chat, kept, said_of


class EndpointTeacher:
    """A model behind an endpoint that speaks OpenAI's chat completions.

    Args:
        post: the endpoint's /chat/completions.
        chat: how a text is asked about; its labels are the student's.
    """

    def __init__(self, post: Post, chat: Chat) -> None:
        self._post, self._chat = post, chat

    def answer(self, text: str, student: Answer, until: float) -> Answer | None:
        """What it says, with its probabilities where it gives any.

        Raises:
            UnavailableError: it does not answer in time.
        """
        body = self._post(self._chat.call(text, 0, 0).body, until)
        heard = self._chat.heard(kept(body, str).answer) if isinstance(body, dict) else None
        if heard is None:
            return None
        said = said_of([[heard]], "top_k" if heard.some else "labels", self._chat.labels, self._post.host)
        return better(student, heard.label, dict(zip(self._chat.labels, np.exp(said.logits_BC[0]).tolist(), strict=True)))

    def close(self) -> None:
        """Close its connections."""
        self._post.close()


class Person:
    """A person behind a webhook: who takes a text over, and may answer at once.

    It gets {"text", "label", "confidence", "top"} of the student, with "image" or "audio" (the file in base64) in place of "text" where the student
    reads these, and says with any 2xx that somebody takes over. Where its body is an object with a "label" that the student knows, that is the answer.

    Args:
        post: the webhook.
        labels: the student's.
        redact: what points to a person stays here.
        reads: what the student reads.
    """

    def __init__(self, post: Post, labels: Sequence[str], redact: bool = False, reads: str = TEXT) -> None:
        self._post, self._labels, self._redact, self._reads = post, frozenset(labels), redact, reads

    def answer(self, text: Payload, student: Answer, until: float) -> Answer | None:
        """The person's answer, or the student's under the person's name until there is one.

        Raises:
            UnavailableError: nobody takes it.
        """
        said = {k: v for k, v in student.to_json().items() if k in ("label", "confidence", "top")}
        shown = base64.b64encode(text).decode() if isinstance(text, bytes) else pseudonymised(text) if self._redact else text
        body = self._post({self._reads: shown, **said}, until)
        if body is None:
            return None
        label = body.get("label") if isinstance(body, dict) else None
        if isinstance(label, str) and label in self._labels:
            return Answer(label, 1.0, False, ((label, 1.0),), "person")
        return replace(student, answered_by="person")

    def close(self) -> None:
        """Close its connections."""
        self._post.close()


class Conversations:
    """The same webhook for a whole conversation, whose customer asks for a person: it gets {"conversation", "said"}.

    Args:
        post: the webhook.
        seconds: that it may take.
        redact: what points to a person stays here.
    """

    def __init__(self, post: Post, seconds: float = 2.0, redact: bool = False) -> None:
        self._post, self._seconds, self._redact = post, seconds, redact

    async def __call__(self, conversation: str, said: Sequence[Mapping[str, str]]) -> None:
        """Hand it over.

        Raises:
            Refusal: nobody takes it.
        """
        lines = [{**line, "text": pseudonymised(line["text"]) if self._redact else line["text"]} for line in said]
        until = time.monotonic() + self._seconds
        try:
            taken = await asyncio.to_thread(self._post, {"conversation": conversation, "said": lines}, until)
        except UnavailableError:
            taken = None
        if taken is None:
            raise Refusal(503, "nobody_there", "nobody takes the conversation over at this moment; try again")


def endpoint(
    url: str, model: str, labels: Sequence[str], key_env: str = "OPENAI_API_KEY", *, redact: bool = False, **more: Any
) -> EndpointTeacher:
    """A teacher behind an endpoint.

    Args:
        url: of the API, without the path of a call.
        model: its name there.
        labels: the student's.
        key_env: the environment variable that holds the key.
        redact: what points to a person stays here.
        more: of `Post`.

    Raises:
        TeacherError: the address is none, or holds a secret.
    """
    base = url.rstrip("/")
    chat = Chat(base, model, tuple(labels), logprobs=False, redact=redact)
    return EndpointTeacher(Post(f"{base}/chat/completions", key_env, **more), chat)
