"""What a browser sees: `first_paint_ms`, for each kind of page the middle of several fresh profiles' first contentful
paints, and `javascript_kb`, everything that any page can load, compressed as it is served. Without Chromium only the
latter.
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
from typing import TYPE_CHECKING, Any

from app.market.web.pages.assets import Assets

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VISITS = 7
PAGES = (
    "/", "/datasets/1", "/datasets/1/run", "/datasets/1/ask", "/offers/1", "/licenses/1", "/jobs", "/jobs/1",
    "/jobs/1/audit", "/network", "/wallet", "/owner", "/search",
)  # fmt: skip
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
PAINT = """() => new Promise(resolve => new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (entry.name === 'first-contentful-paint') resolve(entry.startTime);
}).observe({ type: 'paint', buffered: true }))"""


def measure(origin: str) -> dict[str, Any]:
    """The figures of the pages served at `origin`."""
    assets = Assets()
    size = sum(assets.size(name) for name in assets.names() if name.endswith(".js"))
    return {"javascript_kb": round(size / 1000, 1)} | _paint(origin)


def _paint(origin: str) -> dict[str, Any]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None or importlib.util.find_spec("playwright") is None:
        return {}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        _visit(browser, origin, "/")  # which starts the browser's parts
        times = {path: [_visit(browser, origin, path) for _ in range(VISITS)] for path in PAGES}
        browser.close()
    return {"first_paint_ms": {path: round(statistics.median(each), 1) for path, each in times.items()}}


def _visit(browser: Browser, origin: str, path: str) -> float:
    """The first contentful paint of a page for somebody who has nothing of this site yet."""
    page = browser.new_context().new_page()
    answer = page.goto(f"{origin}{path}")
    if answer is None or not answer.ok:
        raise RuntimeError(f"{path} is no page: {answer.status if answer else 'no answer'}")
    painted = float(page.evaluate(PAINT))
    page.context.close()
    return painted
