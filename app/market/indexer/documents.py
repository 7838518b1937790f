"""Facts of manifests and policies, fetched from the store when an event names them, and again when they were not there.

A document's facts are true for its digest for ever, so they stay whatever the chain does. A document that nobody has
makes its dataset "unavailable" and nothing else; it is asked for again, ever less often.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from app.market.db.tables import ChangeRow, ManifestRow, PolicyRow
from app.market.text import clean, words
from app.protocol.data.change import change_in_words, changed
from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.derivation import TimeSource, derivation_in_words, places
from app.protocol.data.listing import total_bytes
from app.protocol.data.manifest import Manifest, read_manifest
from app.protocol.errors import BadDocument, DarkroomError, TooLarge
from app.protocol.ids import Digest
from app.protocol.market.receipt import OutputPolicy
from app.protocol.ports import Store
from app.storage.cid import digest_to_cid

MAX_BYTES = 1 << 20
MAX_NAMES = 20  # of columns that a version changed in one way
FIRST_PAUSE = 2  # seconds after the first failure; doubled with each
LONGEST_PAUSE = 3600

T = TypeVar("T")


@dataclass(frozen=True)
class FoundDocument:
    """What a look for a document gave: rows to write in place of those with the same digests."""

    manifest: ManifestRow | None = None
    policy: PolicyRow | None = None
    change: ChangeRow | None = None


def look_for_manifest(store: Store, digest: str, tries: int, now: int) -> FoundDocument:
    """Fetch a manifest and take its facts. Never raises: what goes wrong is this document's own trouble."""

    def parse(data: bytes) -> FoundDocument:
        manifest = read_manifest(data, digest, store)
        policy = manifest.policy
        row = PolicyRow(digest=policy.digest, state="present", document=policy.to_bytes().decode())
        return FoundDocument(facts(digest, manifest), row)

    found, state = _read(store, digest, parse)
    return found or FoundDocument(
        manifest=ManifestRow(digest=digest, state=state, tries=tries + 1, next_try=_later(now, tries))
    )


def look_for_policy(store: Store, digest: str, tries: int, now: int) -> FoundDocument:
    """Fetch a policy. Never raises."""
    found, state = _read(store, digest, OutputPolicy.from_bytes)
    if found is None:
        return FoundDocument(policy=PolicyRow(digest=digest, state=state, tries=tries + 1, next_try=_later(now, tries)))
    return FoundDocument(policy=PolicyRow(digest=digest, state="present", document=found.to_bytes().decode()))


def look_for_change(store: Store, after: str, before: str, tries: int, now: int) -> FoundDocument:
    """Fetch a version's manifest and the one before it, and take what changed. Never raises."""

    def compare(data: bytes) -> FoundDocument:
        earlier = read_manifest(store.read(digest_to_cid(Digest(before)), limit=MAX_BYTES), before, store)
        later = read_manifest(data, after, store)
        row = ChangeRow(after=after, before=before, state="present", facts=json.dumps([_said(later), _said(earlier)]))
        row.change = json.dumps(_change(earlier, later))
        return FoundDocument(change=row)

    found, state = _read(store, after, compare)
    return found or FoundDocument(
        change=ChangeRow(after=after, before=before, state=state, tries=tries + 1, next_try=_later(now, tries))
    )


def facts(digest: str, manifest: Manifest) -> ManifestRow:
    """What the index keeps of a manifest; texts are cut and cleaned."""
    card, table = manifest.card, manifest.table
    encodings: dict[str, set[str]] = {}
    for file in table.shards[0].files:  # the others have the same
        encodings.setdefault(file.column, set()).add(file.encoding)
    every = {encoding for each in encodings.values() for encoding in each}
    columns = [_column(table.codebook, column, encodings.get(column.name, set())) for column in table.codebook.columns]
    preview = manifest.preview
    title, description = clean(card.title, 200), clean(card.description, 20_000)
    keywords = [word for keyword in card.keywords if (word := clean(keyword, 60))]
    names = [column["name"] for column in columns]
    return ManifestRow(
        digest=digest,
        state="present",
        title=title,
        description=description,
        license_text=clean(card.license, 20_000),
        creator=clean(card.creator, 200),
        published=clean(card.published, 10),
        url=clean(card.url, 500),
        keywords=json.dumps(keywords),
        columns=len(columns),
        bytes=total_bytes(manifest.checks),
        affine="affine" in every,
        bins=not every.isdisjoint({"bins", "lwe-bins"}),
        evaluation_key=None if table.evaluation_key is None else clean(table.evaluation_key, 200),
        data_root=table.data_root,
        profile=table.profile,
        rows=table.rows,
        epoch=table.epoch,
        codebook=table.codebook.digest,
        codes=json.dumps(columns),
        policy=manifest.policy.digest,
        preview=None
        if preview is None
        else json.dumps(
            {
                "cid": clean(preview.cid, 200),
                "rows": preview.rows,
                "bytes": preview.file.bytes,
                "sha256": preview.file.sha256,
                "seed": preview.seed,
            }
        ),
        words=" ".join(words([title, *keywords, *names, clean(card.creator, 200), description])),
    )


def _said(manifest: Manifest) -> list[Any]:
    """What a manifest says that its chain says too, in the order of `queries.versions.said`."""
    table = manifest.table
    return [table.data_root, table.profile, table.rows, table.epoch]


def _change(before: Manifest, after: Manifest) -> dict[str, Any]:
    """`queries.versions.ChangeView`, as JSON: of many columns the first names and their number."""
    change = changed(before, after)
    names: dict[str, Any] = {
        name: tuple(clean(column, 200) for column in getattr(change, name))
        for name in ("columns_added", "columns_removed", "columns_recoded", "columns_changed")
    }
    told = {name: {"count": len(every), "names": every[:MAX_NAMES]} for name, every in names.items()}
    return {**asdict(change), **told, "words": change_in_words(replace(change, **names))}


def _column(codebook: Codebook, column: ColumnCode, encodings: set[str]) -> dict[str, Any]:
    """`queries.dataset.ColumnView`, as JSON."""
    value = column.model_dump(mode="json")
    affine = value.pop("affine") or {"low": None, "step": None, "levels": None}
    value["name"], value["dtype"] = clean(column.name, 200), clean(column.dtype, 100)
    source = codebook.source(column.reads)
    derived = {
        "source": clean(column.reads, 200),
        "derivation": None if column.derivation is None else column.derivation.kind,
        "rule": clean(derivation_in_words(column.derivation, column.reads, source), 300),
        "places": None if source is None or isinstance(source, TimeSource) else places(source),
        "label": column.label,
    }
    return {**value, **affine, **derived, "encodings": sorted(encodings)}


def _read(store: Store, digest: str, parse: Callable[[bytes], T]) -> tuple[T | None, str]:
    """The document, or None and a state: unavailable, or invalid when these very bytes can never be one."""
    try:
        data = store.read(digest_to_cid(Digest(digest)), limit=MAX_BYTES)
    except TooLarge:
        return None, "invalid"
    except DarkroomError:
        return None, "unavailable"
    try:
        return parse(data), "present"
    except (BadDocument, TooLarge):
        return None, "invalid"
    except DarkroomError:  # of what the document links
        return None, "unavailable"


def _later(now: int, tries: int) -> int:
    return now + min(FIRST_PAUSE << min(tries, 16), LONGEST_PAUSE)
