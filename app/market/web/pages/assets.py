"""Static files under addresses that hold their content's hash, and the integrity of every script that a page loads.

The address is /static/HASH/name, where HASH covers the whole folder, so that a module's relative imports stay inside
one version. A page names every module that its entry reaches, each with its SHA-384: the browser refuses any other
bytes, also for modules that are only imported. Libraries of others are served without their comments, which are more
than half of them; our own modules are served as they are written.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import mimetypes
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FRONTEND = Path(__file__).parents[4] / "frontend"  # beside `app`, wherever that is installed
IMPORT = re.compile(
    r"""^\s*(?:import|export)\b[^"';]*?["'](\.{1,2}/[^"']+)["']|\bimport\(\s*["'](\.{1,2}/[^"']+)["']""", re.MULTILINE
)
VENDOR = "vendor/"
COMMENT = re.compile(r"^[ \t]*(?:/\*(?!!)(?:(?!\*/).)*\*/|//[^\n]*)[ \t]*\n", re.MULTILINE | re.DOTALL)
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".json": "application/json",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class Asset:
    """One static file, in memory."""

    name: str
    data: bytes

    @property
    def media_type(self) -> str:
        """Its content type."""
        suffix = PurePosixPath(self.name).suffix
        kind = TYPES.get(suffix) or mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        return f"{kind}; charset=utf-8" if kind.startswith("text/") or suffix == ".svg" else kind

    @property
    def integrity(self) -> str:
        """Subresource integrity."""
        return "sha384-" + base64.b64encode(hashlib.sha384(self.data).digest()).decode()


class Assets:
    """The static folder, read once."""

    def __init__(self, folder: Path = FRONTEND / "static") -> None:
        """Read every file under `folder`."""
        names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
        self._files = {name: Asset(name, served(name, (folder / name).read_bytes())) for name in names}
        digest = hashlib.sha256()
        for name, asset in self._files.items():
            digest.update(f"{name}\0{len(asset.data)}\0".encode() + asset.data)
        self.version = digest.hexdigest()[:16]

    def names(self) -> list[str]:
        """All files, by name."""
        return list(self._files)

    def size(self, name: str) -> int:
        """Bytes of a file that are sent to a browser that takes gzip, as all do."""
        return len(gzip.compress(self._files[name].data))

    def find(self, version: str, name: str) -> Asset | None:
        """The file of this version, if it is this one's."""
        return self._files.get(name) if version == self.version else None

    def url(self, name: str) -> str:
        """Where a file is. Errors: KeyError for one that does not exist, so that a template cannot name it."""
        return f"/static/{self.version}/{self._files[name].name}"

    def integrity(self, name: str) -> str:
        """Subresource integrity of a file."""
        return self._files[name].integrity

    def modules(self, entries: Iterable[str]) -> list[str]:
        """Every module that these ones reach by static or literal dynamic imports, themselves first."""
        found: dict[str, None] = {}
        waiting = list(entries)
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found[name] = None
                waiting += self.imports(name)
        return list(found)

    def imports(self, name: str) -> list[str]:
        """The modules that one names."""
        folder = PurePosixPath(name).parent
        text = self._files[name].data.decode()
        return [_joined(folder, first or second) for first, second in IMPORT.findall(text)]


def served(name: str, data: bytes) -> bytes:
    """What browsers get of a file: a library's module loses the comments that have whole lines to themselves.

    A license's notice (`/*!`) stays, and so does every line with code on it. No line is looked into, so nothing inside
    of a string or a regular expression can change; that no template text spans lines is a test of what is vendored.
    """
    if not name.startswith(VENDOR) or not name.endswith(".js"):
        return data
    return COMMENT.sub("", data.decode()).encode()


def _joined(folder: PurePosixPath, relative: str) -> str:
    parts: list[str] = []
    for part in (*folder.parts, *PurePosixPath(relative).parts):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
