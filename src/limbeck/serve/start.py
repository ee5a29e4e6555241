"""From the command line's words to a server that answers. Knows names, addresses and what must be there; answers nothing."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import Path

from limbeck.errors import InputFileError, missing_extra

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def named(bundles: Sequence[str]) -> dict[str, Path]:
    """Bundles by name, from words such as `shop=runs/shop/bundle`; a bundle without a name has that of its run.

    Raises:
        InputFileError: a name is none, or stands twice.

    Example:
        >>> named(["runs/shop/bundle", "faq=faq.zip"])
        {'shop': PosixPath('runs/shop/bundle'), 'faq': PosixPath('faq.zip')}
    """
    found: dict[str, Path] = {}
    for word in bundles:
        name, sign, place = word.rpartition("=")
        path = Path(place)
        if not sign:
            whole = path.resolve()
            name = whole.parent.name if whole.name == "bundle" else whole.stem
        if not _NAME.fullmatch(name):
            raise InputFileError(
                f"'{name}' is no name for a model: letters, digits, dot, dash and underscore. Write NAME={place}"
            )
        if name in found:
            raise InputFileError(f"two bundles are called '{name}': {found[name]} and {path}. Write NAME={path}")
        found[name] = path
    return found


def listener(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet, so that whoever connects too early is refused.

    Raises:
        InputFileError: the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        raise InputFileError(f"cannot listen at {host}:{port}: {error}. Choose another with --port") from error
    return found


def run(
    bundles: dict[str, Path],
    listener: socket.socket,
    key: Path | None,
    replies: Path | None = None,
    origins: Sequence[str] = (),
) -> None:
    """Load the bundles and answer until told to end.

    Args:
        bundles: by name.
        listener: the socket.
        key: of the owner of the bundles.
        replies: what the chat page says to each intent.
        origins: of the pages that may hold the widget.

    Raises:
        MissingExtraError: the packages that serve are not installed.
        LimbeckError: a bundle cannot be loaded.
    """
    try:
        from limbeck.serve.app import App
        from limbeck.serve.chat import pages
        from limbeck.serve.service import Service
        from limbeck.serve.worker import serve
    except ImportError as error:
        raise missing_extra(error.name or "uvicorn", "serve", "limbeck serve") from error
    service = Service.load(bundles, key)
    serve(App(service, routes=pages(service, replies, origins)), listener)
