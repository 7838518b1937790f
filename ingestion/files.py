"""Which files a table is: one, all that a pattern matches, or all under a folder whose names may say column=value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from app.protocol.errors import BadTable, TooLarge

MAX_FILES = 10_000
Format = Literal["csv", "json", "parquet", "arrow", "stream"]
FORMATS: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".ndjson": "json", ".jsonl": "json", ".json": "json",
    ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow", ".arrows": "arrow",
}  # fmt: skip
PACKED = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz")
_MAGIC: dict[bytes, Format] = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "stream"}
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class TableFile:
    """One file of a table, and the values that its folders' names give to all its rows (None: missing)."""

    path: Path
    folders: dict[str, str | None]


def table_files(path: Path | str) -> list[TableFile]:
    """The files of a table in the order of their names, numbers in them by value. Errors: BadTable, TooLarge."""
    path = Path(path)
    if path.is_file():
        return [TableFile(path, {})]
    if path.is_dir():
        found, root = [each for each in path.rglob("*") if each.is_file()], path
    elif re.search(r"[*?\[]", str(path)):
        root = _fixed(path)
        found = [each for each in root.glob(str(path.relative_to(root))) if each.is_file()] if root.is_dir() else []
    else:
        raise BadTable(f"There is no file {path}.", "Check the path.")
    found = [each for each in found if not _hidden(each.relative_to(root))]
    if not found:
        raise BadTable(f"There is no table in {path}.", f"Name files of {', '.join(FORMATS)}.")
    if len(found) > MAX_FILES:
        raise TooLarge(
            f"{path} has {len(found):,} files, over the limit of {MAX_FILES:,}.", "Give fewer, larger files."
        )
    files = [TableFile(each, _folders(each.relative_to(root))) for each in sorted(found, key=_order)]
    odd = next((each for each in files if list(each.folders) != list(files[0].folders)), None)
    if odd is not None:
        raise BadTable(
            f"{odd.path} lies in other folders (column=value) than {files[0].path}.",
            "Give files whose folders name the same columns.",
        )
    return files


def format_of(path: Path) -> Format:
    """What a file is, by its first bytes or else its name's suffix. Errors: BadTable, OSError."""
    with path.open("rb") as file:
        head = file.read(8)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in PACKED
    named = FORMATS.get(suffixes[-2] if packed and len(suffixes) > 1 else suffixes[-1]) if suffixes else None
    if named is None:
        raise BadTable(
            f"{path.name} is not a kind of table that can be read.",
            f"Give a file of one of {', '.join(FORMATS)}; text may be compressed ({', '.join(PACKED)}).",
        )
    if packed and named not in ("csv", "json"):
        raise BadTable(f"{path.name} is compressed as a whole.", "Unpack it; these files are compressed inside.")
    return named


def _fixed(path: Path) -> Path:
    """The part of a pattern before its first wildcard."""
    plain = next(number for number, part in enumerate(path.parts) if re.search(r"[*?\[]", part))
    return Path(*path.parts[:plain]) if plain else Path()


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) and "=" not in part for part in path.parts)


def _folders(path: Path) -> dict[str, str | None]:
    pairs = [part.partition("=") for part in path.parts[:-1] if "=" in part]
    return {unquote(name): None if value == _NO_VALUE else unquote(value) for name, _, value in pairs}


def _order(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.as_posix())
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts]
