"""A dataset's manifest: one JSON-LD document (Croissant 1.1) that people, crawlers and evaluators all read.

Under the key `darkroom` stands the strict part, which is all that Darkroom computes with; everything else follows from
it (`app.protocol.data.croissant`). A reader builds the document again from the strict part and refuses other bytes, so
what a crawler shows can never differ from what a license buys. The SHA-256 of the bytes is the digest on chain.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from app.protocol.data.croissant import croissant
from app.protocol.data.dataset import body_bytes
from app.protocol.data.description import StrictManifest
from app.protocol.data.listing import linked as as_linked
from app.protocol.data.listing import opened
from app.protocol.data.table import check_table
from app.protocol.documents import MAX_DOCUMENT_BYTES, canonical, first_fault, parse_canonical, sha256
from app.protocol.errors import BadDocument, TooLarge
from app.protocol.market.receipt import check_present
from app.protocol.ports import Store

INLINE_FILES = 512  # files; a table of more is linked
MAX_CHECKED = 1 << 10

_checked: dict[tuple[str, str], None] = {}  # lists that this process found under their data roots


class Manifest(StrictManifest):
    """A manifest. Its canonical bytes are the whole JSON-LD document, and its digest is theirs."""

    @property
    def objects(self) -> Iterator[str]:
        """The CIDs of all that the manifest names: lists, evaluation key, preview and files."""
        table = self.table
        if table.listed is not None:
            yield from (table.listed.cid, table.listed.codebook)
        yield from (cid for cid in (table.evaluation_key, self.preview and self.preview.cid) if cid)
        yield from (file.cid for shard in table.shards for file in shard.files)

    def to_bytes(self) -> bytes:
        """The JSON-LD document's canonical bytes. Errors: TooLarge."""
        table = self.table
        linked = None if table.listed is None else {"table": as_linked(table, table.listed), "checks": ()}
        data = canonical(croissant(self if linked is None else self.model_copy(update=linked)))
        if len(data) > MAX_DOCUMENT_BYTES:
            raise TooLarge(
                f"The manifest of these columns takes {len(data)} bytes, over the limit of {MAX_DOCUMENT_BYTES}.",
                "Shorten the description, the terms or the policy.",
            )
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """The manifest in a JSON-LD document. Errors: TooLarge, BadDocument."""
        document = parse_canonical(data)
        strict = document.get("darkroom") if isinstance(document, dict) else None
        try:
            manifest = cls.model_validate_json(canonical(strict))
        except ValidationError as error:
            check_present(strict.get("policy") if isinstance(strict, dict) else None)
            raise BadDocument(f"Not a valid manifest: {first_fault(error)}.") from None
        if manifest.to_bytes() != data:
            raise BadDocument(
                "The manifest's description says something else than its strict part.",
                "Do not buy from it; ask its owner to publish it again.",
            )
        return manifest


def write_manifest(manifest: Manifest) -> bytes:
    """The bytes to publish. Errors: TooLarge; BadDocument for a table that contradicts itself."""
    _check(manifest)
    return manifest.to_bytes()


def fits(manifest: Manifest) -> bool:
    """Whether codebook and files stand in the manifest, as they do wherever they can; else they are linked."""
    if sum(len(shard.files) for shard in manifest.table.shards) > INLINE_FILES:
        return False
    try:
        return bool(manifest.to_bytes())
    except TooLarge:
        return False


def read_manifest(data: bytes, digest: str | None = None, store: Store | None = None) -> Manifest:
    """The manifest of these bytes, checked against the digest that the chain records, and against its own data root.

    `store` holds the codebook and the list of files of a large table: its files are read as they are asked for, and
    were all read once here. Errors: TooLarge, BadDocument; NotFound and BadBlock for what is linked.
    """
    if digest is not None and sha256(data) != digest:
        raise BadDocument(
            "These bytes are not the manifest that was asked for.", "Fetch the manifest again from another source."
        )
    manifest = Manifest.from_bytes(data)
    if (listed := manifest.table.listed) is None:
        _check(manifest)
        return manifest
    if store is None:
        raise BadDocument("This manifest links its files.", "Read it from a store that has them.")
    if manifest.checks:
        raise BadDocument("A table names its files in its manifest or in a list, not in both.")
    place = (listed.cid, manifest.table.data_root)
    table, checks = opened(store, manifest.table)
    manifest = manifest.model_copy(update={"table": table, "checks": checks})
    check_table(table, root=place not in _checked)
    _checked[place] = None
    while len(_checked) > MAX_CHECKED:
        _checked.pop(next(iter(_checked)), None)
    return manifest


def _check(manifest: Manifest) -> None:
    check_table(manifest.table)
    files = [file for shard in manifest.table.shards for file in shard.files]
    if len(files) != len(manifest.checks):
        raise BadDocument("The manifest does not give the length and hash of each of its files.")
    sizes = {
        check.bytes / (body_bytes(file.encoding) * file.polys)
        for file, check in zip(files, manifest.checks, strict=True)
    }
    if len(sizes) != 1 or next(iter(sizes)) < 1:
        raise BadDocument("The manifest's file lengths contradict their numbers of polynomials.")
