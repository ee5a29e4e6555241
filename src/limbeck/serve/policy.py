"""What a browser may do on the pages: load nothing from elsewhere, run no script but ours, hear nothing unless a served bundle can. Knows headers."""

from __future__ import annotations

from collections.abc import Container

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'{pictures}; {clips}connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_ALWAYS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def headers(reads: Container[str]) -> dict[str, str]:
    """The headers of a page's replies; blob: is what its user chose or recorded, which the page shows again.

    Args:
        reads: modalities that the served bundles read.

    Example:
        >>> headers({"text"})["Permissions-Policy"]
        'camera=(), geolocation=(), microphone=()'
    """
    pictures, clips = "image" in reads, "audio" in reads
    return {
        "Content-Security-Policy": _POLICY.format(
            pictures=" blob:" if pictures else "", clips="media-src blob:; " if clips else ""
        ),
        "Permissions-Policy": f"camera=(), geolocation=(), microphone=({'self' if clips else ''})",
        **_ALWAYS,
    }
