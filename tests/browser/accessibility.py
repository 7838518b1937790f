"""What is wrong with a page for somebody: axe's findings, and what is wider than its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text("utf-8")
EVERYTHING = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
COLOURS = {  # all that a theme changes
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}
# What moves by itself once it is seen, of the window's height: what anyone notices begins above `STILL`.
SHIFTS = """window.shifted = 0; new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });"""
STILL = 0.02
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
NARROW, WIDE = 360, 1280
STICKING_OUT = """() => [...document.querySelectorAll("main :not(svg *)")]
    .filter((each) => each.clientWidth && each.scrollWidth > each.clientWidth + 1)
    .filter((each) => getComputedStyle(each).overflowX === "visible" && !each.closest(".stacks thead"))
    .map((each) => `<${each.localName} class="${each.className}">: ${each.textContent.trim().slice(0, 60)}`)"""

# Only what has as many columns as a table of somebody's goes on sideways; it says so.
CLIPPED = """() => [...document.querySelectorAll("main .scroll:not([data-wide])")]
    .filter((each) => each.clientWidth && each.scrollWidth > each.clientWidth + 1)
    .map((each) => `a table is cut off: ${each.textContent.trim().replace(/\\s+/g, " ").slice(0, 60)}`)"""
# A browser's own look is a field without a style; words in a drawing are as large as the drawing makes them.
MISSHAPEN = """() => {
    const shown = (each) => each.checkVisibility({visibilityProperty: true});
    const fields = [...document.querySelectorAll("main :is(input, select, textarea)")]
        .filter((each) => shown(each) && !["checkbox", "radio"].includes(each.type));
    const size = (each) => parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a;
    return [
        ...fields.filter((each) => each.offsetHeight < 36).map((each) => `a low field: ${each.outerHTML.slice(0, 60)}`),
        ...fields.filter((each) => each.localName === "select" && !each.options.length)
            .map((each) => `a choice of nothing: ${each.outerHTML.slice(0, 60)}`),
        ...[...document.querySelectorAll("main .copy .icon")].filter((each) => each.clientWidth > 20)
            .map((each) => `a large icon: ${each.parentElement.getAttribute("aria-label")}`),
        ...[...document.querySelectorAll(".stacks td")]
            .filter((each) => shown(each) && getComputedStyle(each).display === "block" && !each.innerText.trim())
            .filter((each) => !each.querySelector("svg"))
            .map((each) => `an empty line: ${each.closest("tr").innerText.slice(0, 60)}`),
        ...[...document.querySelectorAll(".stacks td")]
            .filter((each) => !shown(each) && shown(each.closest(".scroll")))
            .filter((each) => [...each.childNodes].some((part) => part.nodeType === Node.TEXT_NODE && part.data.trim()))
            .map((each) => `a hidden line: ${each.textContent}`),
        ...[...document.querySelectorAll("main svg text")].filter((each) => size(each) < 11 || size(each) > 18)
            .map((each) => `words of ${size(each).toFixed(1)} px: ${each.textContent}`),
    ];
}"""


def violations(page: Page, rules: dict[str, Any] = EVERYTHING) -> list[str]:
    """Serious and critical findings of axe."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, rules)", rules)
    return [
        f"{page.url}: {each['id']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary'][:300]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def unusable(page: Page, paths: list[str], wait: int = 0) -> list[str]:
    """What is wrong with pages for somebody: axe's findings in either theme, what is wider than its place, what has
    lost its shape, and what moves while it loads.

    The page's window is left 360 px wide.
    """
    found: list[str] = []
    page.add_init_script(SHIFTS)
    for path in paths:
        page.emulate_media(color_scheme="light")
        page.goto(path)
        page.wait_for_timeout(wait)
        if (moved := page.evaluate("window.shifted")) >= STILL:
            found.append(f"{path} moves by {moved:.3f} while it loads")
        found += violations(page)
        page.emulate_media(color_scheme="dark")
        page.evaluate(TWO_FRAMES)  # styles follow with the next frame
        found += [f"dark: {each}" for each in violations(page, COLOURS)]
        for width in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": 800})
            for rule in (STICKING_OUT, CLIPPED, MISSHAPEN):
                found += [f"{path} at {width} px: {each}" for each in page.evaluate(rule)]
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > NARROW:
            found.append(f"{path} is {wide} px wide")
    return found
