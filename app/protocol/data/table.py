"""What must hold of a codebook and an encrypted table beyond the shape of their documents.

Everyone who computes with a table checks it first: files that overlap, leave rows out or contradict the codebook would
make two honest readers compute different things.
"""

from __future__ import annotations

from itertools import pairwise
from math import isfinite

from app.protocol.data import merkle
from app.protocol.data.dataset import (
    MAX_COLUMNS,
    MAX_EDGES,
    Codebook,
    ColumnCode,
    EncryptedTable,
    Shard,
    factor_limit,
    values_a_row,
)
from app.protocol.data.derivation import CategorySource, derivation_fault
from app.protocol.errors import BadDocument
from app.protocol.ids import Digest
from app.protocol.vocabulary import FileEncoding

MAX_LEVELS = 1 << 16
MAX_NAME = 200  # letters of a published column's name
MAX_ROWS = 1 << 40
MAX_SHARDS = 1 << 12
MAX_CARRIED = 1 << 12  # stretches
MAX_CARRIED_BITS = 1 << 50  # micro-bits; exact in JSON


def check_codebook(codebook: Codebook) -> None:
    """Errors: BadDocument for repeated names, empty or unordered codes, or policies without their value."""
    names = [column.name for column in codebook.columns]
    if not 1 <= len(names) <= MAX_COLUMNS:
        raise BadDocument(f"A codebook has 1 to {MAX_COLUMNS} columns, not {len(names)}.")
    if len(set(names)) != len(names):
        raise BadDocument("Two columns of the codebook have the same name.")
    _check_sources(codebook)
    for column in codebook.columns:
        fault = code_fault(column) or derivation_fault(column.derivation, codebook.source(column.reads))
        if fault:
            raise BadDocument(f"Column {column.name!r} of the codebook {fault}.")
    _check_products(codebook)


def _check_products(codebook: Codebook) -> None:
    columns = {column.name: column for column in codebook.columns}
    if len(codebook.columns) + len(codebook.products) > MAX_COLUMNS:
        raise BadDocument(
            f"A codebook has at most {MAX_COLUMNS} columns and products together, not"
            f" {len(codebook.columns) + len(codebook.products)}."
        )
    seen: set[frozenset[tuple[str, int | None]]] = set()
    for product in codebook.products:
        limits = [factor_limit(factor, columns) for factor in product.factors]
        both = frozenset((factor.column, factor.edge) for factor in product.factors)
        if not all(limits):
            raise BadDocument(f"The product {product.name!r} is of a value that is not published.")
        if limits[0] * limits[1] >= MAX_LEVELS:
            raise BadDocument(
                f"The product {product.name!r} has {limits[0] * limits[1] + 1} values, more than {MAX_LEVELS}: give its"
                " columns fewer levels."
            )
        if both in seen or product.name in columns:
            raise BadDocument(f"The product {product.name!r} is published twice, or has a column's name.")
        if len(product.name) > MAX_NAME:
            raise BadDocument(f"The name of the product {product.name[:40]!r}... is longer than {MAX_NAME} letters.")
        seen.add(both)


def _check_sources(codebook: Codebook) -> None:
    names, read = [source.name for source in codebook.sources], set(codebook.source_names)
    if len(set(names)) != len(names) or not set(names) <= read:
        raise BadDocument("The codebook states a column of the table twice, or one that nothing is published of.")
    for source in codebook.sources:
        if isinstance(source, CategorySource) and len(set(source.words)) != len(source.words):
            raise BadDocument(f"The codebook lists a category of {source.name!r} twice.")
    derived = [(column.reads, column.derivation) for column in codebook.columns]
    if len(set(derived)) != len(derived):
        raise BadDocument("The codebook publishes the same of one column twice.")
    if any(column.derivation is None and column.reads != column.name for column in codebook.columns):
        raise BadDocument("A column of the codebook that is a number of the table has another name than there.")


def code_fault(column: ColumnCode) -> str:
    """What is wrong with a column's code, as the end of a sentence; "" when nothing is."""
    affine, bins = column.affine, column.bins
    if affine is None and bins is None:
        return "has neither an affine code nor bins"
    if affine is not None:
        if not 2 <= affine.levels <= MAX_LEVELS:
            return f"has {affine.levels} levels, which is not 2 to {MAX_LEVELS}"
        if not (affine.step > 0 and isfinite(affine.low + affine.step * affine.levels)):
            return "has a step that is not a positive finite number"
    if bins is not None:
        if not 1 <= len(bins) <= MAX_EDGES:
            return f"has {len(bins)} bin edges, which is not 1 to {MAX_EDGES}"
        if any(left >= right for left, right in pairwise(bins)):
            return "has bin edges that do not increase"
    if (column.missing == "impute") != (column.impute is not None):
        return "imputes missing values without saying which value, or names a value that it does not impute"
    if affine is not None and column.impute is not None:
        code = (column.impute - affine.low) / affine.step
        if not (isfinite(code) and 0 <= round(code) < affine.levels):
            return "imputes a value that is outside its own range"
    return ""


def check_table(table: EncryptedTable, polynomial_size: int | None = None, *, root: bool = True) -> None:
    """Errors: BadDocument unless the shards hold every row once, in every encoding of the codebook, under the root.

    With `polynomial_size` (the profile's N) each file's number of polynomials is checked against its shard's rows.
    Without `root` the files' roots, which are known to be under the data root already, are not read.
    """
    check_codebook(table.codebook)
    if table.listed is not None and polynomial_size not in {None, table.listed.size}:
        raise BadDocument("The files of a shard do not hold the same rows.")
    if not 1 <= table.rows <= MAX_ROWS or table.epoch < 0 or not 1 <= len(table.shards) <= MAX_SHARDS:
        raise BadDocument("The table's rows, shards or epoch are out of range.")
    files = [] if table.listed else expected_files(table.codebook, table.shards[0])
    small = table.listed.encodings if table.listed else [encoding for _, encoding in files]
    if "lwe-bins" in small and table.evaluator == "darkroom-canonical-1":
        raise BadDocument("The table has bins under the small key, which its evaluator does not know.")
    if not (files or len(table.shards[0].files)):
        raise BadDocument("The table publishes no column.")
    row = 0
    for shard in table.shards:
        if shard.first_row != row or shard.rows < 1:
            raise BadDocument("The table's shards do not follow one another.")
        row += shard.rows
        if table.listed is not None:
            continue  # columns, encodings and lengths of a list follow from codebook and shards
        if [(file.column, file.encoding) for file in shard.files] != files:
            raise BadDocument(
                "A shard does not hold the columns and encodings of the first one, in the codebook's order."
            )
        _check_polys(table.codebook, shard, polynomial_size)
    if row != table.rows:
        raise BadDocument(f"The table says {table.rows} rows, its shards hold {row}.")
    if root and table.data_root != data_root(table.shards):
        raise BadDocument("The data root is not that of the files' roots.")
    _check_persons(table)


def _check_persons(table: EncryptedTable) -> None:
    """The statement of what earlier versions gave away: stretches in row order, inside the table."""
    if not 1 <= table.rows_per_person <= table.rows:
        raise BadDocument(f"One person cannot have {table.rows_per_person} of {table.rows} rows.")
    if not 0 <= table.carried_jobs < 1 << 32 or len(table.carried) > MAX_CARRIED:
        raise BadDocument("The table's statement of what was released before is out of range.")
    row = 0
    for stretch in table.carried:
        if stretch.first_row < row or stretch.rows < 1 or not 0 <= stretch.micro_bits <= MAX_CARRIED_BITS:
            raise BadDocument("The stretches that the table carries charges for are not in order.")
        row = stretch.first_row + stretch.rows
    if row > table.rows:
        raise BadDocument("The table carries charges for rows that it does not have.")


def expected_files(codebook: Codebook, shard: Shard) -> list[tuple[str, FileEncoding]]:
    """(column, encoding) in the one order of shards: the codebook's, then that of `values_a_row`, as `shard` publishes.

    An owner may leave an encoding of the codebook out, so what is there is taken from the shard.
    """
    present = {(file.column, file.encoding) for file in shard.files}
    ordered = [
        (column.name, encoding)
        for column in codebook.published
        for encoding in values_a_row(column)
        if (column.name, encoding) in present
    ]
    return ordered if len(present) == len(ordered) == len(shard.files) else []


def data_root(shards: tuple[Shard, ...]) -> Digest:
    """Merkle root over the files' roots, in manifest order."""
    return merkle.data_root(file.root for shard in shards for file in shard.files)


def _check_polys(codebook: Codebook, shard: Shard, polynomial_size: int | None) -> None:
    edges = {column.name: len(column.bins or ()) for column in codebook.published}
    chunks = {file.polys / (1 if file.encoding == "affine" else edges[file.column]) for file in shard.files}
    known = None if polynomial_size is None else {-(-shard.rows // polynomial_size)}
    if len(chunks) != 1 or (known is not None and chunks != known) or not 1 <= next(iter(chunks)) <= shard.rows:
        raise BadDocument("The files of a shard do not hold the same rows.")
