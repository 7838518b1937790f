"""What a browser sees of the catalogue: `first_paint_ms`, the middle of several fresh profiles' first contentful
paints, and `javascript_kb`, everything that any page can load, compressed as it is served. Without Chromium only the
latter.
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
from typing import Any

from app.market.web.pages.assets import Assets

VISITS = 7
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
        times = []
        for _ in range(VISITS + 1):
            page = browser.new_context().new_page()
            page.goto(origin)
            times.append(float(page.evaluate(PAINT)))
            page.context.close()
        browser.close()
    return {"first_paint_ms": round(statistics.median(times[1:]), 1)}  # the first visit also starts the browser's parts
