"""Facts of manifests and policies, fetched from the store when an event names them, and again when they were not there.

A document's facts are true for its digest for ever, so they stay whatever the chain does. A document that nobody has
makes its dataset "unavailable" and nothing else; it is asked for again, ever less often.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from app.market.db.tables import ManifestRow, PolicyRow
from app.market.text import clean, words
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
FIRST_PAUSE = 2  # seconds after the first failure; doubled with each
LONGEST_PAUSE = 3600

T = TypeVar("T")


@dataclass(frozen=True)
class FoundDocument:
    """What a look for a document gave: rows to write in place of those with the same digests."""

    manifest: ManifestRow | None = None
    policy: PolicyRow | None = None


def look_for_manifest(store: Store, digest: str, tries: int, now: int) -> FoundDocument:
    """Fetch a manifest and take its facts. Never raises: what goes wrong is this document's own trouble."""
    found, state = _read(store, digest, lambda data: read_manifest(data, digest, store))
    if found is None:
        return FoundDocument(
            manifest=ManifestRow(digest=digest, state=state, tries=tries + 1, next_try=_later(now, tries))
        )
    policy = PolicyRow(digest=found.policy.digest, state="present", document=found.policy.to_bytes().decode())
    return FoundDocument(facts(digest, found), policy)


def look_for_policy(store: Store, digest: str, tries: int, now: int) -> FoundDocument:
    """Fetch a policy. Never raises."""
    found, state = _read(store, digest, OutputPolicy.from_bytes)
    if found is None:
        return FoundDocument(policy=PolicyRow(digest=digest, state=state, tries=tries + 1, next_try=_later(now, tries)))
    return FoundDocument(policy=PolicyRow(digest=digest, state="present", document=found.to_bytes().decode()))


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
        bins="bins" in every,
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


def _later(now: int, tries: int) -> int:
    return now + min(FIRST_PAUSE << min(tries, 16), LONGEST_PAUSE)
