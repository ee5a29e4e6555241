"""What a page is held against in a browser, whichever page it is."""

import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
AXE = Path(os.environ.get("LIMBECK_AXE", ROOT / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"))


def serious(page: Any) -> dict[str, str]:
    """What axe-core finds serious or critical: rule and the first element."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = json.loads(
        page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))")
    )
    return {v["id"]: v["nodes"][0]["html"] for v in found if v["impact"] in ("serious", "critical")}


def listen(page: Any) -> list[str]:
    """Everything that the page will say on the console, or fail with."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return said
