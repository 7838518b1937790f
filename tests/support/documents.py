"""Small real manifests: a codebook, one shard, roots that fit; the ciphertext itself is nobody's concern here."""

from __future__ import annotations

from typing import Any

from app.protocol.data.dataset import Affine, Codebook, ColumnCode, EncodedFile, EncryptedTable, Shard
from app.protocol.data.description import DatasetCard, FileCheck
from app.protocol.data.manifest import Manifest, write_manifest
from app.protocol.data.table import data_root
from app.protocol.documents import sha256
from app.protocol.market.receipt import OutputPolicy
from app.storage.content import file_cid
from tests.support.market import digest

SIZE = 2048


def manifest(
    title: str,
    *,
    rows: int = 1000,
    columns: tuple[str, ...] = ("age", "income"),
    keywords: tuple[str, ...] = (),
    policy: OutputPolicy | None = None,
    description: str = "Made for a test.",
) -> Manifest:
    """A manifest of a table with these columns."""
    polys = -(-rows // SIZE)
    files = tuple(
        EncodedFile(
            column=name,
            encoding="affine",
            cid=file_cid(f"{title} {name}".encode()),
            polys=polys,
            seed=digest(name)[:32],
            root=digest(f"{title} {name}"),
        )
        for name in columns
    )
    shards = (Shard(first_row=0, rows=rows, files=files),)
    codes = tuple(
        ColumnCode(name=name, dtype="real", affine=Affine(low=0.0, step=0.5), outside="clip", declared=True)
        for name in columns
    )
    table = EncryptedTable(
        profile=digest("profile"),
        codebook=Codebook(columns=codes),
        epoch=1,
        rows=rows,
        shards=shards,
        evaluation_key=None,
        data_root=data_root(shards),
    )
    card = DatasetCard(
        title=title,
        description=description,
        license="For tests.",
        creator="A tester",
        published="2026-01-31",
        keywords=keywords,
    )
    checks = tuple(FileCheck(bytes=8 * SIZE * polys, sha256=digest(f"file {name}")) for name in columns)
    return Manifest(card=card, table=table, policy=policy or OutputPolicy(), preview=None, checks=checks)


def terms(made: Manifest) -> dict[str, Any]:
    """What the chain is told of a manifest."""
    table = made.table
    return {
        "manifest": sha256(write_manifest(made)),
        "data_root": table.data_root,
        "profile": table.profile,
        "rows": table.rows,
    }
