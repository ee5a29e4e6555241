"""A document as HTML or as Markdown. Knows the templates and the style sheet; says nothing. Jinja2 comes with the extra `train`."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from limbeck.errors import missing_extra
from limbeck.page.document import Bar, Document
from limbeck.verify import wording as w

_FOLDER = files("limbeck.page") / "templates"
_MARKS = re.compile(r"([\\`*_\[\]|~$#])")
_BLANKS = re.compile(r"\n{3,}")


def html(document: Document) -> str:
    """The page as one file that loads nothing and runs no script.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    return filled("page.html.j2", document=document, style=(_FOLDER / "page.css").read_text(encoding="utf-8"))


def markdown(document: Document) -> str:
    """The same as Markdown (GitHub's), the drawings as sentences.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    return filled("page.md.j2", document=document)


def filled(name: str, **values: Any) -> str:
    """A template with its values. All that is printed is cleaned of control characters and, in HTML, escaped."""
    try:
        import jinja2
    except ImportError as error:
        raise missing_extra("jinja2", "train", "writing a page") from error
    escaped = name.endswith(".html.j2")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda wanted: (_FOLDER / wanted).read_text(encoding="utf-8")),
        autoescape=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=(lambda value: w.clean(value) if type(value) is str else value) if escaped else None,
    )
    environment.filters |= {"place": place, "md": md}
    text: str = environment.get_template(name).render(**values)
    return text if escaped else _BLANKS.sub("\n\n", text).strip() + "\n"


def md(text: str) -> str:
    """A text that Markdown takes as it stands: no HTML, no mark-up, no new cell of a table.

    Example:
        >>> md("<b>a|b_c</b>")
        '&lt;b&gt;a\\\\|b\\\\_c&lt;/b&gt;'
    """
    plain = w.clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKS.sub(r"\\\1", plain)


def place(value: float, bar: Bar) -> str:
    """Where a value lies on a bar's axis, from 0 to 100."""
    return f"{50 + 50 * max(-1.0, min(1.0, value / bar.reach)):.1f}"
