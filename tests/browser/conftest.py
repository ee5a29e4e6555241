"""A real browser for these tests; they skip where there is none, but where it is asked for (LIMBECK_REQUIRE_BROWSER)."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsed import AXE

CHROMIUM = os.environ.get("LIMBECK_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium through Playwright; for one file, since an event loop of Playwright's would forbid all others in this thread."""
    missing = [str(p) for p in (CHROMIUM, AXE) if shutil.which(str(p)) is None and not Path(p).is_file()]
    if missing:
        assert not os.environ.get("LIMBECK_REQUIRE_BROWSER"), f"absent: {missing}; .ci/run installs them"
        pytest.skip(f"no browser to look with: {', '.join(missing)} absent (.ci/run installs them)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS), timeout=120_000)
        yield opened
        opened.close()
