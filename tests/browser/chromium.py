"""Debian's Chromium under Playwright's driver, with nothing that talks to the outside."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, BrowserType, ConsoleMessage, Page, expect, sync_playwright

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
UNANSWERED = (  # by nobody, badly, or by then no more wanted: a newer request has taken its place
    "Failed to load resource", "net::ERR", "htmx:sendError", "htmx:sendAbort", "htmx:afterRequest",
    "htmx:responseError",
)  # fmt: skip
PATIENCE = 30_000  # milliseconds: nothing here takes a second, but machines are shared

expect.set_options(timeout=PATIENCE)


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser; each context of it has a fresh profile."""
    with sync_playwright() as driver:
        browser = launch(driver.chromium)
        try:
            yield browser
        finally:
            browser.close()


def launch(kind: BrowserType, *, back_forward_cache: bool = False) -> Browser:
    """A browser; with its back/forward cache, which the driver leaves off by itself, as people have it."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    left_out = ["--disable-back-forward-cache"] if back_forward_cache else None
    return kind.launch(executable_path=program, args=list(ARGUMENTS), ignore_default_args=left_out)


@dataclass
class Visitor:
    """One person's browser: a fresh profile, and everything in it that went wrong unseen."""

    context: BrowserContext
    origin: str
    faults: list[str] = field(default_factory=list)

    @classmethod
    def arrive(cls, browser: Browser, origin: str, **settings: Any) -> Visitor:
        """Open a profile on a site."""
        settings = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | settings
        context = browser.new_context(base_url=origin, accept_downloads=True, **settings)
        context.set_default_timeout(PATIENCE)
        visitor = cls(context, origin)
        context.on("console", visitor._heard)
        context.on("weberror", lambda error: visitor.faults.append(f"uncaught: {error.error}"))
        return visitor

    def page(self, path: str = "/") -> Page:
        """A new tab on a page."""
        page = self.context.new_page()
        page.goto(path)
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        """A violated policy is a fault whatever else happens; so is any other error but a request that failed."""
        text = message.text
        policy = any(sign in text for sign in ("Content Security Policy", "TrustedHTML", "integrity"))
        request = any(sign in text for sign in UNANSWERED)
        if policy or (message.type == "error" and not request):
            self.faults.append(text)
