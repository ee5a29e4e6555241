"""A real browser for these tests; they skip where there is none, but where it is asked for (LIMBECK_REQUIRE_BROWSER)."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browsed import AXE
from sounds import save

CHROMIUM = os.environ.get("LIMBECK_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium through Playwright, whose microphone hears a high tone; for one file, since an event loop of Playwright's would forbid all others in this thread."""
    missing = [str(p) for p in (CHROMIUM, AXE) if shutil.which(str(p)) is None and not Path(p).is_file()]
    if missing:
        assert not os.environ.get("LIMBECK_REQUIRE_BROWSER"), f"absent: {missing}; .ci/run installs them"
        pytest.skip(f"no browser to look with: {', '.join(missing)} absent (.ci/run installs them)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        tone = save(
            tmp_path_factory.mktemp("heard") / "tone.wav", np.sin(2 * np.pi * 3000 * np.arange(48_000) / 48_000), 48_000
        )
        arguments = [*ARGUMENTS, f"--use-file-for-fake-audio-capture={tone}"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=120_000)
        yield opened
        opened.close()
