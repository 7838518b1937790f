"""The tables that are attacked: codes of an owner's rows, and other rows of the same kind that anybody may know.

The demo's table, its recipe and its split are the demo's own (`app.demo.table`): the owner's half is attacked, the
buyer's half is what an attacker knows. The other two are scikit-learn's, published under measured ranges, every second
row to each side. Rows are taken as their codes say them: bins are those of the decoded code, so that one integer a
cell is all there is to recover.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from app.demo import table as demo
from app.protocol.data.dataset import Codebook, EncryptedTable
from app.protocol.documents import sha256
from app.protocol.ids import Digest
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64, I64
from fhe.profiles import REFERENCE
from ingestion.codebook import build_codebook, encode
from ingestion.profile import profile_table
from ingestion.recipe import Recipe, parse_recipe

MEASURED = """
title = "{name}"
description = "A table of scikit-learn."
license = "https://creativecommons.org/licenses/by/4.0/"
creator = "-"
[table]
rest = "measure"
[defaults]
bins = 32
outside = "clip"
"""


class _Codebook(Codebook):
    """Its digest is asked for at every question, and computed once."""

    @cached_property
    def digest(self) -> Digest:
        return sha256(self.to_bytes())


@dataclass(frozen=True, eq=False)
class Table:
    """Affine codes of the attacked rows (rows, columns) and of the known rows (known, columns)."""

    name: str
    codebook: Codebook
    rows: I64
    known: I64

    @property
    def columns(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(column.name for column in self.codebook.columns)

    @property
    def levels(self) -> I64:
        """Codes of each column (columns,)."""
        return np.array([column.affine.levels for column in self.codebook.columns if column.affine])

    def codes(self, rows: I64) -> dict[tuple[str, Encoding], I64]:
        """All published codes of some rows (n, columns), as `fhe.circuit.clear.gather_inputs` takes them."""
        found: dict[tuple[str, Encoding], I64] = {}
        for column, codes in zip(self.codebook.columns, rows.T, strict=True):
            assert column.affine is not None
            values = column.affine.low + column.affine.step * codes
            found[column.name, "affine"] = codes
            found[column.name, "bins"] = np.searchsorted(np.array(column.bins or ()), values, side="right")
        return found

    def without(self, column: int) -> Table:
        """The same rows with a column dropped."""
        kept = [other for other in range(len(self.columns)) if other != column]
        codebook = _Codebook(columns=tuple(self.codebook.columns[other] for other in kept))
        return Table(self.name, codebook, self.rows[:, kept], self.known[:, kept])


def published(table: Table) -> EncryptedTable:
    """What the owner's manifest says of the attacked rows; no rule reads the ciphertext, so there is none."""
    return EncryptedTable(
        profile=REFERENCE.digest,
        codebook=table.codebook,
        epoch=1,
        rows=len(table.rows),
        shards=(),
        evaluation_key=None,
        data_root=Digest("0" * 64),
    )


def load(name: str) -> Table:
    """The table of this name: one of `NAMES`."""
    if name == "breast cancer":
        halves = demo.load()
        return _table(name, halves.columns, halves.owner, halves.buyer, demo.recipe())
    from sklearn import datasets

    found = datasets.load_wine() if name == "wine" else datasets.load_diabetes(scaled=False)
    rows = np.asarray(found.data, np.float64)
    rows = rows[np.random.default_rng(len(rows)).permutation(len(rows))]  # they come sorted by class
    columns = tuple(str(column) for column in found.feature_names)
    return _table(name, columns, rows[::2], rows[1::2], parse_recipe(MEASURED.format(name=name)))


NAMES = ("breast cancer", "wine", "diabetes")


def _table(name: str, columns: tuple[str, ...], owned: F64, known: F64, recipe: Recipe) -> Table:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        demo.write_csv(path, columns, owned)
        codebook = build_codebook(profile_table(path), recipe).codebook
        codebook = _Codebook(columns=codebook.columns)
    return Table(name, codebook, encode(codebook, owned, columns), encode(codebook, known, columns))
