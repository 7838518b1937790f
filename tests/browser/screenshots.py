"""Every page at 360, 768 and 1440 px, light and dark, into build/screenshots: `make screenshots`.
Those of a good day in German too.

python -m tests.browser.screenshots [PART-OF-A-PATH ...]
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from app.files.sealed import MIN_WORK, seal
from tests.browser import states
from tests.browser.chromium import Visitor, chromium
from tests.browser.tour import tabs, troubles
from tests.support.custody import BUYER_KEY
from tests.support.site import serve
from tests.support.tour import tour
from tests.support.web import build_node

WIDTHS = (360, 768, 1440)
THEMES = ("light", "dark")
FOLDER = Path(__file__).parents[2] / "build" / "screenshots"


def named(path: str) -> str:
    """A file's name for a page's path; addresses are the only long words in one."""
    words = re.sub(r"0x[0-9a-fA-F]{40}", lambda found: found[0][:6], path.strip("/"))
    return re.sub(r"[^0-9A-Za-z]+", "-", words).strip("-") or "catalogue"


def open_result(page: Page, path: str, folder: Path) -> None:
    """Bring the buyer's key into this browser and open a result with it."""
    file = folder / "recovery.key"
    file.write_bytes(seal(BUYER_KEY, "passphrase", "darkroom/sealing-key", work=MIN_WORK))
    page.goto(path)
    page.get_by_role("button", name="Import the recovery file").click()
    page.get_by_label("Recovery file", exact=True).set_input_files(file)
    page.get_by_label("Its passphrase").fill("passphrase")
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("Opened, and it is this job's result").wait_for()


def take(
    browser: Browser,
    origin: str,
    shots: dict[str, str],
    wanted: list[str],
    result: str = "",
    themes: tuple[str, ...] = THEMES,
    locale: str = "en-GB",
) -> int:
    """Take those of these {name: path} that are wanted, and with `result` that page once it is opened; how many."""
    taken = 0
    for width in WIDTHS:
        for theme in themes:
            viewport = {"width": width, "height": 900}
            visitor = Visitor.arrive(browser, origin, viewport=viewport, color_scheme=theme, locale=locale)
            page = visitor.context.new_page()
            page.goto("/network")  # from then on the font is at hand
            for name, path in shots.items():
                if wanted and not any(word in name for word in wanted):
                    continue
                page.goto("about:blank")  # else another tab of the same page is no new page
                page.goto(path)
                page.wait_for_timeout(250)
                page.screenshot(path=FOLDER / f"{name}-{width}-{theme}.png", full_page=True)
                taken += 1
            if result and (not wanted or any(word in "opened-result" for word in wanted)):
                with tempfile.TemporaryDirectory() as folder:
                    open_result(page, result, Path(folder))
                page.screenshot(path=FOLDER / f"opened-result-{width}-{theme}.png", full_page=True)
                taken += 1
            visitor.context.close()
    return taken


def main(wanted: list[str]) -> None:
    """All pages, or those whose name has one of these words: first a good day's, then each state of trouble."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    taken = 0
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        (ordinary := Path(folder) / "scene").mkdir()
        scene = build_node(ordinary)
        with serve(scene) as site:
            shots = {named(path): path for path in [*tour(scene), *tabs(scene)]}
            taken += take(browser, site.origin, shots, wanted, f"/jobs/{scene.settled}/result")
            german = {f"de-{name}": path for name, path in shots.items()}
            taken += take(browser, site.origin, german, wanted, themes=("light",), locale="de-DE")
        scene.database.close()
        scene.chain.close()
        world = states.build(Path(folder) / "states")
        words = {path: state for state, path in world.at.items()}
        with serve(world) as site:
            shots = {f"state-{named(words.get(path, path))}": path for path in troubles(world)}
            taken += take(browser, site.origin, shots, wanted)
        world.close()
    print(f"{taken} screenshots in {FOLDER}")


if __name__ == "__main__":
    main(sys.argv[1:])
