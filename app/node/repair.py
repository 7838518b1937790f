"""What `darkroom doctor --repair` puts right by itself: only what cannot lose anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from app.home.config import NODE_FILE
from app.home.home import Home
from app.node.doctor import Finding, answers, secret_files

SCRATCH_SECONDS = 24 * 3600  # after which a file that a killed process wrote aside is nobody's


def repair(home: Home) -> Iterator[Finding]:
    """Take from others what is private, and remove what killed processes left; what was done. Errors: OSError."""
    if not home.root.is_dir():
        return
    for path, mode in secret_files(home):
        path.chmod(mode)
        yield Finding("keys", "ok", f"Nobody else can read {path} now.", "See whether anybody did.")
    address = home.root / NODE_FILE
    with suppress(OSError, UnicodeDecodeError):
        if not answers(address.read_text("utf-8").strip()):
            address.unlink()
            yield Finding("port", "ok", f"Removed {address}: no node answers there.")
    for name in home.actors():
        for path in (home.root / "actors" / name).glob(".*"):
            if path.is_file() and path.name.count(".") >= 3 and path.stat().st_mtime < time.time() - SCRATCH_SECONDS:
                path.unlink(missing_ok=True)
                yield Finding("disk", "ok", f"Removed {path}, which a killed process left.")
