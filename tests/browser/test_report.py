"""The pages in a real browser, on a phone and on a desk: they fit, say nothing on the console, and axe finds no serious fault."""

from pathlib import Path
from typing import Any

import pytest

from browsed import listen, serious
from limbeck.page.comparison import compared
from limbeck.page.material import gather
from limbeck.page.written import write, write_page
from pages import write_run

LONG = "a_label_that_is_as_long_as_labels_of_machines_get_and_has_no_space_" * 3


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of a run with long and hostile names, and one that compares it with another."""
    folder = tmp_path_factory.mktemp("pages")
    labels = ("card_lost", "invoice", LONG, "<script>alert(1)</script>", "refund_status")
    write_run(folder / "a", rows=150, labels=labels, texts=[f"{'word ' * (n % 90)}<b>{'w' * 120}</b>" for n in range(150)])
    write_run(folder / "b", rows=150, labels=labels, accuracy=0.97, seed=8)
    write(gather(folder / "a"), folder)
    write_page(compared([gather(folder / "a"), gather(folder / "b")]), folder / "comparison.html")
    return {"run": folder / "report.html", "comparison": folder / "comparison.html"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["run", "comparison"])
def test_a_page_fits_is_quiet_and_accessible(name: str, width: int, scheme: str, browser: Any, pages: dict[str, Path]) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(120_000)
    said = listen(page)
    page.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
    page.goto(pages[name].as_uri())
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.scripts.length") == 0
    if scheme == "dark":
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    found = serious(page)
    context.close()
    assert found == {}
    assert said == []
