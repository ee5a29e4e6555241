"""A document as HTML. Knows the template and its style sheet; says nothing. Jinja2 comes with the extra `train`."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from limbeck.errors import missing_extra
from limbeck.page.document import Bar, Document
from limbeck.verify import wording as w

_FOLDER = files("limbeck.page") / "templates"


def html(document: Document) -> str:
    """The page as one file that loads nothing and runs no script.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    return filled("page.html.j2", document=document, style=(_FOLDER / "page.css").read_text(encoding="utf-8"))


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
        finalize=lambda value: w.clean(value) if type(value) is str else value,
    )
    environment.filters |= {"place": place, "plural": plural}
    environment.globals |= {"w": w}
    return environment.get_template(name).render(**values)


def place(value: float, bar: Bar) -> str:
    """Where a value lies on a bar's axis, from 0 to 100."""
    return f"{50 + 50 * max(-1.0, min(1.0, value / bar.reach)):.1f}"


def plural(number: float, noun: str) -> str:
    """A number with its noun."""
    return f"{w.count(number)} {noun}{'' if number == 1 else 's'}"
