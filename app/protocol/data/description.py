"""The documents of a manifest: what Darkroom computes with, and what the owner says in words.

How they become bytes and are read again is `app.protocol.data.manifest`; how crawlers see them,
`app.protocol.data.croissant`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.protocol.data.dataset import Codebook, EncryptedTable, Name
from app.protocol.documents import Document, Sha256
from app.protocol.market.receipt import OutputPolicy

Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Line = Annotated[str, Field(max_length=500)]


class DatasetCard(Document):
    """What the owner says of a dataset in words."""

    title: Name
    description: Text
    license: Text  # a URL, or the terms themselves
    creator: Name
    published: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    version: Annotated[str, Field(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")] = "1.0.0"
    keywords: Annotated[tuple[Name, ...], Field(max_length=50)] = ()
    url: Line = ""  # of the dataset's page; "" means the URN of its data root


class FileCheck(Document):
    """Length and SHA-256 of a whole file, for readers that know neither CIDs nor packed columns."""

    bytes: int
    sha256: Sha256


class Preview(Document):
    """Synthetic rows (CSV) drawn from the codebook alone: `rows` of them, with this seed."""

    cid: Line
    file: FileCheck
    rows: int
    seed: int


class StrictManifest(Document):
    """The strict part of a manifest, from which everything else in it follows."""

    kind: Literal["darkroom/manifest"] = "darkroom/manifest"
    card: DatasetCard
    table: EncryptedTable
    policy: OutputPolicy
    preview: Preview | None
    checks: tuple[FileCheck, ...]  # one for each file, in manifest order

    @property
    def codebook(self) -> Codebook:
        """The columns and their codes."""
        return self.table.codebook
