"""A published dataset as a buyer or auditor sees it: everything public, nothing of anyone's."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from app.client.network import Network
from app.execution.facts import load_manifest
from app.protocol.dataset import Codebook, EncryptedTable
from app.protocol.errors import BadDocument, NotFound
from app.protocol.manifest import Manifest
from app.protocol.market import DatasetRecord
from fhe.profile import EncryptionProfile
from fhe.profiles import find

if TYPE_CHECKING:
    import polars as pl

    from fhe.compile import Compiled

I64 = npt.NDArray[np.int64]
MAX_PREVIEW_BYTES = 16 << 20


@dataclass(frozen=True)
class Dataset:
    """One dataset in its present version."""

    network: Network
    record: DatasetRecord
    manifest: Manifest

    @classmethod
    def open(cls, network: Network, number: int) -> Dataset:
        """Errors: NotFound, BadBlock, BadDocument."""
        record = network.market.dataset(number)
        return cls(network, record, load_manifest(network.store, record))

    @property
    def table(self) -> EncryptedTable:
        """Where its ciphertexts are."""
        return self.manifest.table

    @property
    def codebook(self) -> Codebook:
        """Its columns and their codes."""
        return self.manifest.codebook

    @property
    def profile(self) -> EncryptionProfile:
        """The parameters it is encrypted under."""
        return find(self.table.profile)

    @property
    def columns(self) -> list[str]:
        """Names of its columns, in order."""
        return [column.name for column in self.codebook.columns]

    def encode(
        self,
        data: Any,
        encoding: Literal["affine", "bins"] = "affine",
        columns: Sequence[str] | None = None,
    ) -> I64:
        """Codes (rows, columns) of the buyer's own data, by this dataset's codebook, on the buyer's machine.

        `data` is a polars frame with these columns, or an array with one column each. Errors: OutOfRange, BadTable.
        """
        from ingestion.codes import encode, encode_bins

        return (encode if encoding == "affine" else encode_bins)(self.codebook, data, columns)

    def preview(self) -> pl.DataFrame:
        """Synthetic rows in the dataset's form, checked to be what its codebook and seed give.

        Errors: NotFound where none was published; BadDocument where it is not the codebook's.
        """
        import polars as pl

        from ingestion.preview import preview_csv

        said = self.manifest.preview
        if said is None:
            raise NotFound("This dataset publishes no preview.", "Rehearse on data of your own.")
        data = self.network.store.read(said.cid, limit=MAX_PREVIEW_BYTES)
        if data != preview_csv(self.codebook, said.rows, said.seed):
            raise BadDocument("The preview is not drawn from the codebook alone.", "Tell the dataset's owner.")
        return pl.read_csv(io.BytesIO(data))

    def compile(self, model: Any, *, columns: Sequence[str] | None = None, n_bits: int | None = None) -> Compiled:
        """A model fitted on this dataset's codes, as a circuit. Errors: BadModel, MessageOverflow, NoiseOverflow."""
        from fhe.compile import from_model

        return from_model(model, self.codebook, self.profile, columns=columns, n_bits=n_bits)
