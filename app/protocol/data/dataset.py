"""What an encrypted dataset says of itself: codebook, shards of packed ciphertext, roots.

A shard holds consecutive rows; appends add shards. In a shard each (column, encoding) is one file of packed bodies:
`polys` polynomials of `polynomial_size` little-endian words, column of chunks after column of chunks:
poly = index * chunks + chunk, where index is 0 for affine and the edge number for bins, and chunk covers rows
[chunk * N, (chunk + 1) * N) of the shard (the last one filled up with encryptions of zero). Its mask words follow from
`seed`: polynomial p is the AES-128 encryption of the N/2 little-endian 128-bit counters from p * N/2.

Bins may be published once more, or instead, as LWE ciphertexts under the small key ("lwe-bins"): in the same order, one
body of 2 bytes for each bit and row, and N of them are one of the file's `polys` (docs/canonical-evaluator.md, 13).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from app.protocol.data.derivation import Derivation, Source
from app.protocol.data.product import Factor, Product
from app.protocol.documents import Document, GrownDocument, Hex16, Sha256
from app.protocol.vocabulary import EvaluatorName, FileEncoding

Name = Annotated[str, Field(min_length=1, max_length=200)]
MAX_COLUMNS = 4096
MAX_EDGES = 32
MAX_CODEBOOK_BYTES = 1 << 24  # over 1 MiB it is linked from its manifest


class Affine(Document):
    """code = round_half_even((value - low) / step), clipped never: outside [0, levels) is out of range."""

    low: float
    step: float
    levels: int = 256


class ColumnCode(GrownDocument):
    """How a value of one published column becomes integers. `bins` are ordered edges: bit i is "value >= bins[i]".

    The value is the number in the column of the owner's table that has its name, or is derived from the column `source`
    of that table. Columns of one source are one column to every limit.
    """

    later: ClassVar[frozenset[str]] = frozenset({"source", "derivation", "label"})

    name: Name
    dtype: str
    affine: Affine | None = None
    bins: tuple[float, ...] | None = None
    missing: Literal["reject", "impute"] = "reject"
    impute: float | None = None
    outside: Literal["reject", "clip"] = "reject"
    declared: bool  # True: range stated by the owner; False: measured on the data, which reveals it
    source: Annotated[str, Field(max_length=200)] = ""  # "" for its own name
    derivation: Derivation | None = None  # None: the number itself
    label: bool = False  # whether it is what models are to predict; then they read it only where it is named

    @property
    def reads(self) -> str:
        """The column of the owner's table that it is read from."""
        return self.source or self.name


class Codebook(GrownDocument):
    """The columns of a dataset and their codes; its digest binds circuits to the dataset's codes."""

    later: ClassVar[frozenset[str]] = frozenset({"sources", "products"})
    max_bytes: ClassVar[int] = MAX_CODEBOOK_BYTES

    kind: Literal["darkroom/codebook"] = "darkroom/codebook"
    columns: tuple[ColumnCode, ...]
    sources: tuple[Source, ...] = ()  # of the table's columns that are read, those that are no numbers
    products: tuple[Product, ...] = ()  # of two published values each; files of their own, after the columns'

    @property
    def published(self) -> tuple[ColumnCode, ...]:
        """All that has files: its columns, then each product as a column of codes 0, 1, 2, ..."""
        if not self.products:
            return self.columns
        by_name = {column.name: column for column in self.columns}
        return (*self.columns, *(_product_code(each, by_name) for each in self.products))

    @property
    def source_names(self) -> tuple[str, ...]:
        """The columns of the owner's table that are read, in the order of what is published of them."""
        return tuple(dict.fromkeys(column.reads for column in self.columns))

    def source(self, name: str) -> Source | None:
        """What a column of the owner's table is; None for numbers."""
        return next((source for source in self.sources if source.name == name), None)


def factor_limit(factor: Factor, columns: Mapping[str, ColumnCode]) -> int:
    """The greatest value of a factor; 0 for one that is not published."""
    column = columns.get(factor.column)
    if column is None:
        return 0
    if factor.edge is not None:
        return int(factor.edge < len(column.bins or ()))
    return column.affine.levels - 1 if column.affine is not None else 0


def _product_code(product: Product, columns: Mapping[str, ColumnCode]) -> ColumnCode:
    most = factor_limit(product.first, columns) * factor_limit(product.second, columns)
    code = Affine(low=0.0, step=1.0, levels=most + 1)
    return ColumnCode(name=product.name, dtype="product", affine=code, declared=True)


def body_bytes(encoding: FileEncoding) -> int:
    """Bytes of one body of a file."""
    return 2 if encoding == "lwe-bins" else 8


def values_a_row(column: ColumnCode) -> Mapping[FileEncoding, int]:
    """How many values each file that a column may have holds of a row, in the one order that files have."""
    found: dict[FileEncoding, int] = {}
    if column.affine is not None:
        found["affine"] = 1
    if column.bins is not None:
        found["bins"] = found["lwe-bins"] = len(column.bins)
    return found


class EncodedFile(Document):
    """One column of one shard in one encoding."""

    column: Name
    encoding: FileEncoding
    cid: str
    polys: int
    seed: Hex16
    root: Sha256  # Merkle root over its bytes


class Shard(Document):
    """Consecutive rows, encrypted together."""

    first_row: int
    rows: int
    files: tuple[EncodedFile, ...]


class FileList(Document):
    """Where a table is described that is too large for its manifest: see `app.protocol.data.listing`."""

    cid: str  # of the list of files
    sha256: Sha256  # of its bytes, for readers that know no CIDs
    files: int
    encodings: tuple[FileEncoding, ...]  # that every column's code is published in, where it has it
    size: int  # rows of a chunk: the profile's polynomial size
    codebook: str  # CID of the codebook's canonical bytes
    codebook_digest: Sha256  # SHA-256 of them
    codebook_bytes: int


class KeyRoots(GrownDocument):
    """What of an evaluation key a dispute about a lookup is judged by (docs/trace.md, section 8), as its owner says it:
    whoever computes works it out from the key before it relies on it.
    """

    later: ClassVar[frozenset[str]] = frozenset({"packing"})

    keyswitch: Sha256  # Merkle root of the keyswitch key's rows
    points: Sha256  # of the bootstrap key's points
    packs: bool  # the key packs results
    packing: Sha256 | None = None  # of the packing key's points; without it no contract can judge packed results

    @property
    def digests(self) -> tuple[str, str]:
        """Both roots that every lookup is judged by."""
        return self.keyswitch, self.points


class Carried(Document):
    """What was released about the persons of a stretch of rows before this version: at most so much about each."""

    first_row: int
    rows: int
    micro_bits: int


class EncryptedTable(GrownDocument):
    """The part of a manifest that Darkroom computes with; the Croissant record around it is for people and crawlers."""

    later: ClassVar[frozenset[str]] = frozenset({"evaluator", "listed", "key_roots"})

    kind: Literal["darkroom/table"] = "darkroom/table"
    profile: Sha256
    codebook: Codebook
    epoch: int
    rows: int
    shards: tuple[Shard, ...]
    evaluation_key: str | None  # CID of the public evaluation key, when the dataset serves lookups
    data_root: Sha256  # Merkle root over the files' roots, in manifest order
    rows_per_person: int = 1  # the most rows that speak of one person
    carried: tuple[Carried, ...] = ()  # the owner's statement, in row order; rows outside of it start fresh
    carried_jobs: int = 0  # jobs up to this number are in it; a later one on an earlier version counts on every row
    evaluator: EvaluatorName = "darkroom-canonical-1"  # that its jobs run under
    listed: FileList | None = None  # where codebook and files are, if not in the manifest
    key_roots: KeyRoots | None = None  # of the evaluation key; without them no contract can judge lookups
