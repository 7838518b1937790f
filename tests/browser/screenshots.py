"""Every page at 360, 768 and 1440 px, light and dark, into build/screenshots: `make screenshots`.

python -m tests.browser.screenshots [PART-OF-A-PATH ...]
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.api.scene import Scene, build
from tests.browser.chromium import Visitor, chromium
from tests.browser.serving import serve
from tests.browser.tour import tour

WIDTHS = (360, 768, 1440)
THEMES = ("light", "dark")
FOLDER = Path(__file__).parents[2] / "build" / "screenshots"


def named(path: str) -> str:
    """A file's name for a page's path; addresses are the only long words in one."""
    words = re.sub(r"0x[0-9a-fA-F]{40}", lambda found: found[0][:6], path.strip("/"))
    return re.sub(r"[^0-9A-Za-z]+", "-", words).strip("-") or "catalogue"


def take(browser: Browser, origin: str, scene: Scene, wanted: list[str]) -> int:
    """Take them; how many."""
    taken = 0
    for width in WIDTHS:
        for theme in THEMES:
            visitor = Visitor.arrive(browser, origin, viewport={"width": width, "height": 900}, color_scheme=theme)
            page = visitor.context.new_page()
            for path in tour(scene):
                if wanted and not any(word in named(path) for word in wanted):
                    continue
                page.goto(path)
                page.wait_for_timeout(250)
                page.screenshot(path=FOLDER / f"{named(path)}-{width}-{theme}.png", full_page=True)
                taken += 1
            visitor.context.close()
    return taken


def main(wanted: list[str]) -> None:
    """All pages, or those whose name has one of these words."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        scene = build(Path(folder))
        with serve(scene) as site, chromium() as browser:
            print(f"{take(browser, site.origin, scene, wanted)} screenshots in {FOLDER}")
        scene.database.close()
        scene.chain.close()


if __name__ == "__main__":
    main(sys.argv[1:])
