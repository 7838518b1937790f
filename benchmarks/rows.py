"""Every supported class of models on three tables: rows equal to the clear quantized model, encrypted rows too.

Each class (`rows_models`) is fitted on each of its tables (`rows_tables`) and compiled for the reference profile. 1,000
rows in the clear are held against the quantized model's own words (`rows_words`), 64 rows on real keys against the
circuit in the clear, to the last bit. A model that ends in its label is held against the label of the same model
without. `cells` has a line for each class and table; `--part` runs some classes alone.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from app.protocol.errors import DarkroomError
from app.protocol.ports import Progress
from app.protocol.vocabulary import Encoding
from benchmarks.rows_encrypted import CodesAndBins, Keys, through_ciphertexts
from benchmarks.rows_models import RowsModel, all_models
from benchmarks.rows_tables import ROWS, RowsTable, rows_table
from benchmarks.rows_words import differing
from fhe.arrays import I64
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.circuit import Circuit
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.circuit.cost import cost
from fhe.compile import Compiled, from_model, with_label
from fhe.compile.sample import OwnRows
from fhe.keys.secret_keys import generate
from fhe.profiles import REFERENCE

ENCRYPTED = 64
PARTS = ("linear", "networks", "packing", "labels", "trees")


@dataclass(frozen=True)
class Cell:
    """One class on one table."""

    model: str
    table: str
    refused: str = ""  # why, where it does not compile
    clear_equal: int = 0  # of `ROWS`
    encrypted_rows: int = 0
    encrypted_equal: int = 0
    bootstraps: int = 0  # of a row
    encrypted_s: float = 0.0  # processor seconds

    @property
    def right(self) -> bool:
        """Whether every row is equal."""
        return not self.refused and self.clear_equal == ROWS and self.encrypted_equal == self.encrypted_rows


def held(model: RowsModel, name: str, keys: Keys, rows: int = ENCRYPTED) -> Cell:
    """Fit, compile, and compare; the profile is that of the keys."""
    table = rows_table(name)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        given = model.fit(table.read(model.reading)[table.trained], table.target[table.trained])
        own = table.by_column() if model.checked else None
        try:
            plain = from_model(
                given,
                table.codebook,
                keys.profile,
                fitted_on=model.reading,
                check=own,
                lwe_bins=model.small_key,
                packs=model.packs,
            )
            made = with_label(plain, table.codebook, keys.profile) if model.label else plain
        except DarkroomError as error:
            return Cell(model.name, name, f"{type(error).__name__}: {error}")
        outputs = in_the_clear(plain.circuit, table)
        order = [column.name for column in table.codebook.columns]
        wrong = differing(given, plain, table, model.reading, OwnRows.of(own, None, order), outputs)
        if model.label:
            labels = in_the_clear(made.circuit, table)
            wrong += _other_labels(plain, made, outputs, labels)
            outputs = labels
    began = time.process_time()
    found = through_ciphertexts(made.circuit, _encrypted(name, rows, keys), keys)
    return Cell(
        model.name,
        name,
        clear_equal=ROWS - wrong,
        encrypted_rows=rows,
        encrypted_equal=int((found == outputs[:, :rows]).all(axis=0).sum()),
        bootstraps=cost(made.circuit, keys.profile, 1).bootstraps,
        encrypted_s=round(time.process_time() - began, 1),
    )


@lru_cache(maxsize=8)
def _encrypted(name: str, rows: int, keys: Keys) -> CodesAndBins:
    return CodesAndBins.of(rows_table(name), rows, keys)


def _other_labels(plain: Compiled, made: Compiled, scores: I64, labels: I64) -> int:
    """Rows whose label, taken under encryption, is not that of the scores."""
    return int(np.count_nonzero(made.decoder.predict(labels) != plain.decoder.predict(scores)))


def in_the_clear(circuit: Circuit, table: RowsTable) -> I64:
    """The circuit's outputs (outputs, ROWS)."""
    given: dict[tuple[str, Encoding], I64] = {}
    for encoding in {wire.encoding for wire in circuit.inputs}:
        given |= {(c.name, encoding): own for c, own in zip(table.codebook.columns, table.codes(encoding).T)}
    return evaluate_clear(circuit, gather_inputs(circuit, given)).T


def run(progress: Progress, part: str = "") -> dict[str, Any]:
    """All cells: half an hour to two hours, by what else the machine does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Concrete's imports
        secret, key = generate(REFERENCE, 1)
        keys = Keys(REFERENCE, secret, with_packing(key, secret, REFERENCE))
    cases = [(model, table) for model in all_models(part) for table in model.tables]
    cells = []
    for number, (model, table) in enumerate(cases):
        cells.append(held(model, table, keys))
        progress(number + 1, len(cases))
    return figures(cells)


def figures(cells: list[Cell]) -> dict[str, Any]:
    """The benchmark's numbers."""
    return {
        "classes": len({cell.model for cell in cells}),
        "cells": [asdict(cell) for cell in cells],
        "refused": sum(bool(cell.refused) for cell in cells),
        "wrong": sum(not cell.right and not cell.refused for cell in cells),
        "clear_rows": ROWS,
        "encrypted_rows": ENCRYPTED,
    }
