"""The files of a page, written whole. Knows their names; says nothing."""

from __future__ import annotations

from pathlib import Path

from limbeck.disk import write_whole
from limbeck.errors import InputFileError
from limbeck.page.card import card
from limbeck.page.document import Document
from limbeck.page.material import Material
from limbeck.page.render import html, markdown
from limbeck.page.whole import whole

HTML, MARKDOWN, CARD = "report.html", "report.md", "README.md"
PAGES = (HTML, MARKDOWN, CARD)


def write(material: Material, folder: Path) -> None:
    """Write the page of a run as HTML and as Markdown, and the model card, into a folder.

    Raises:
        MissingExtraError: Jinja2 or matplotlib is not installed.
        InputFileError: the folder cannot be written.
    """
    document = whole(material)
    write_page(document, folder / HTML)
    _write(folder / MARKDOWN, markdown(document))
    _write(folder / CARD, card(material, document))


def write_page(document: Document, path: Path) -> None:
    """Write one page as HTML.

    Raises:
        MissingExtraError, InputFileError: as `write` does.
    """
    _write(path, html(document))


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, [text.encode("utf-8", "replace")])
    except OSError as error:
        raise InputFileError(f"cannot write {path}: {error.strerror}. Give another --out.") from error
