"""A dataset for the linear benchmarks: random 8-bit codes in 30 columns, a model fitted on them, encrypted files."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import Affine, Codebook, ColumnCode, EncodedFile, EncryptedTable, Shard
from app.protocol.ids import Digest
from app.protocol.ports import Progress, Store
from fhe.arrays import I64
from fhe.ciphertexts.packing import Encryptor
from fhe.compile import Compiled, from_model
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EVALUATOR
from fhe.profiles import REFERENCE

COLUMNS = 30
SEED = 20_24


@dataclass(frozen=True, eq=False)
class Work:
    """Codes (rows, columns), a logistic regression on them, and its circuit."""

    codebook: Codebook
    compiled: Compiled
    weights: I64  # (columns,)
    bias: int


def codebook() -> Codebook:
    """Thirty columns of 256 codes."""
    affine = Affine(low=0.0, step=1.0)
    return Codebook(
        columns=tuple(
            ColumnCode(name=f"column {i}", dtype="float64", affine=affine, declared=True) for i in range(COLUMNS)
        )
    )


def codes(rows: int) -> npt.NDArray[np.uint8]:
    """Random codes (rows, columns), the same for a number of rows each time."""
    return np.random.default_rng(SEED).integers(0, 256, (rows, COLUMNS), np.uint8)


def work() -> Work:
    """A logistic regression of Concrete ML with 8-bit weights, none of them zero."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from concrete.ml.sklearn import LogisticRegression

        sample, rng = codes(4096).astype(np.float64), np.random.default_rng(SEED + 1)
        sample[:2] = [[0.0], [255.0]]  # so that Concrete ML's quantizer has scale 1
        target = sample @ rng.normal(0, 1, COLUMNS)
        model: Any = LogisticRegression(n_bits=8, max_iter=200).fit(
            sample, (target > np.median(target)).astype(np.int64)
        )
    book = codebook()
    compiled = from_model(model, book)
    layer = compiled.circuit.layers[0]
    if len(layer.columns) != COLUMNS:  # type: ignore[union-attr]
        raise AssertionError("a weight of the benchmark's model is zero")
    return Work(book, compiled, layer.values, int(layer.bias[0]))  # type: ignore[union-attr]


def publish(
    rows: int, book: Codebook, secret: SecretKeys, store: Store, progress: Progress, data: I64 | None = None
) -> tuple[EncryptedTable, float]:
    """Encrypt `rows` random rows (or `data`) into files of a store, a column at a time; the table, bytes a value."""
    size = REFERENCE.polynomial_size
    polys, files, total = -(-rows // size), [], 0
    values = codes(rows) if data is None else data
    with Encryptor(secret, REFERENCE) as encryptor, tempfile.TemporaryDirectory() as folder:
        for index, column in enumerate(book.columns):
            packed = np.zeros(polys * size, np.int64)
            packed[:rows] = values[:, index]
            file = encryptor.file()
            path = Path(folder) / "column"
            path.write_bytes(file.encrypt(0, packed.reshape(polys, size)).tobytes())
            total += path.stat().st_size
            files.append(
                EncodedFile(
                    column=column.name,
                    encoding="affine",
                    cid=store.put_file(path),
                    polys=polys,
                    seed=file.seed.hex(),
                    root=Digest("0" * 64),  # Merkle roots play no part in what is measured
                )
            )
            progress(index + 1, len(book.columns))
    table = EncryptedTable(
        profile=REFERENCE.digest,
        codebook=book,
        epoch=1,
        rows=rows,
        shards=(Shard(first_row=0, rows=rows, files=tuple(files)),),
        evaluation_key=None,
        data_root=Digest("0" * 64),
        evaluator=EVALUATOR,
    )
    return table, (total + len(table.to_bytes())) / (rows * len(book.columns))
