"""The files of a page, written whole. Knows their names; says nothing."""

from __future__ import annotations

from pathlib import Path

from limbeck.disk import write_whole
from limbeck.page.material import Material
from limbeck.page.render import html
from limbeck.page.whole import whole

PAGES = ("report.html",)


def write(material: Material, folder: Path) -> None:
    """Write the page of a run, and what else is made from the same document, into a folder.

    Raises:
        MissingExtraError: Jinja2 or matplotlib is not installed.
    """
    document = whole(material)
    write_text(folder / PAGES[0], html(document))


def write_text(path: Path, text: str) -> None:
    """Write a text; what is no character becomes U+FFFD."""
    write_whole(path, [text.encode("utf-8", "replace")])
