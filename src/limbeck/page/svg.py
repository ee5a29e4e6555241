"""matplotlib's drawings as SVG that stands inside a page: in the page's colours and type, with names of its own. Knows SVG; knows no figures."""

from __future__ import annotations

import io
import re
from typing import Any

from limbeck.errors import missing_extra

INK, MUTED, ACCENT, CHOSEN = "#7d858e", "#8a6fd1", "#2f7fd6", "#d9730d"
_IN_THE_PAGE = {INK: "var(--muted)", MUTED: "var(--second)", ACCENT: "var(--accent)", CHOSEN: "var(--chosen)"}
_ID = re.compile(r'\sid="([^"]+)"')
_USED = re.compile(r'(?:href="#|url\(#)([^")]+)')
_FONT = re.compile(r"font: ([\d.]+)px [^;\"]*")


def canvas(width: float, height: float) -> Any:
    """An empty figure of so many inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("matplotlib", "train", "drawing the figures of a page") from error
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    # By hand: a layout that is worked out draws the figure several times.
    figure.subplots_adjust(
        left=0.6 / width, right=1 - 0.1 / width, bottom=0.5 / height, top=1 - 0.3 / height, wspace=0.25, hspace=0.08
    )
    return figure


def quiet(axes: Any) -> None:
    """Axes without a frame, in the colour of the ink."""
    axes.tick_params(colors=INK, which="both", labelsize=9)
    axes.grid(color=INK, alpha=0.2, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.title.set_fontsize(10)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)


def drawn(figure: Any, name: str) -> str:
    """The figure as an element `svg` without a title of its own.

    Args:
        figure: matplotlib's.
        name: alone on its page; the element's own names begin with it.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "limbeck", "svg.fonttype": "none"}):
        figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    for colour, variable in _IN_THE_PAGE.items():
        text = text.replace(colour, variable)
    text = _FONT.sub(r"font-size: \1px", text)
    used = set(_USED.findall(text))
    text = _ID.sub(lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    head, body = text.split(">", 1)
    box = re.search(r'viewBox="[^"]+"', head)
    assert box is not None, head
    return f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box[0]}>{_shorter(body)}'


def _shorter(body: str) -> str:
    """Without white space between elements, and with numbers to a hundredth of a point."""
    body = re.sub(r">\s+<", "><", body)
    return re.sub(r"\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), body)
