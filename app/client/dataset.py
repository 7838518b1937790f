"""A published dataset as a buyer or auditor sees it: everything public, nothing of anyone's."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.execution.inputs import load_circuit, load_manifest
from app.home.network import Network
from app.protocol.data.dataset import Codebook, EncryptedTable
from app.protocol.data.listing import published
from app.protocol.data.manifest import Manifest
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadDocument, BadInput, NotFound
from app.protocol.ids import Digest
from app.protocol.market.entities import DatasetRecord
from app.protocol.market.receipt import OutputPolicy
from app.protocol.vocabulary import Encoding
from app.storage.cid import digest_to_cid
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit
from fhe.circuit.codec import MAX_CIRCUIT_BYTES, decode
from fhe.circuit.compatible import check_compatible, check_evaluator, packs, same_codes
from fhe.compile.check import check
from fhe.profile import EncryptionProfile
from fhe.profiles import find

if TYPE_CHECKING:
    import polars as pl

    from app.client.models import Model
    from fhe.compile import Compiled, FittedOn, MissingAs

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
        """Names of its published columns, in order."""
        return [column.name for column in self.codebook.columns]

    @property
    def features(self) -> list[str]:
        """Those that models read where nobody names any: all but labels."""
        return [column.name for column in self.codebook.columns if not column.label]

    @property
    def sources(self) -> list[str]:
        """The columns of a table that features are made of, by the codebook, in order."""
        wanted = (column.reads for column in self.codebook.columns if not column.label)
        return list(dict.fromkeys(wanted))

    def encode(
        self,
        data: Any,
        encoding: Encoding = "affine",
        columns: Sequence[str] | None = None,
    ) -> I64:
        """Codes (rows, columns) of the buyer's own data, by this dataset's codebook, on the buyer's machine.

        `data` is a polars or pandas frame or a mapping with the columns' sources, or an array with one column for each
        of these. `columns` defaults to all features. Errors: OutOfRange, BadTable, BadInput.
        """
        from ingestion.codes import encode, encode_bins

        wanted = self.features if columns is None else columns
        return (encode if encoding == "affine" else encode_bins)(self.codebook, data, wanted)

    def inputs(self, circuit: Circuit, data: Any) -> I64:
        """What a circuit reads (rows, inputs) of the buyer's own data, a frame with the sources of its columns.

        Errors: OutOfRange, BadTable, BadInput for a column that the dataset does not have or has no such code of.
        """
        from fhe.circuit.clear import gather_inputs
        from ingestion.codes import affine_codes, bin_codes, find
        from ingestion.derive import derived

        wanted = sorted({(wire.column, wire.encoding) for wire in circuit.inputs})
        columns = {name: find(self.codebook, name) for name, _ in wanted}
        values = derived(self.codebook, data, list(columns.values()))
        codes = {
            (name, encoding): (affine_codes if encoding == "affine" else bin_codes)(columns[name], values[name])
            for name, encoding in wanted
        }
        return gather_inputs(circuit, codes)

    def with_levels(self, compiled: Compiled, levels: int, sample: Any) -> Compiled:
        """A compiled model that tells which of `levels` levels its score is in, cut at the quantiles of a sample.

        `sample` is a polars frame of the buyer's own rows. Errors: BadModel, OutOfRange, BadInput, MessageOverflow.
        """
        from fhe.circuit.clear import evaluate_clear
        from fhe.compile import with_levels

        return with_levels(compiled, levels, evaluate_clear(compiled.circuit, self.inputs(compiled.circuit, sample)))

    def with_label(self, model: Compiled | Model) -> Compiled:
        """A classifier whose circuit ends in its label, so that nobody sees more than that, custodian included.

        Errors: BadModel for another dataset's, for what is no classifier of two to four classes, or where the dataset's
        evaluator reads no digits; MessageOverflow, NoiseOverflow for scores of too many bits; TooLarge.
        """
        from fhe.compile import with_label

        made = with_label(self._compiled(model), self.codebook, self.profile)
        check_evaluator(made.circuit, self.table.evaluator)
        return made

    def summed(self, model: Compiled | Model) -> Compiled:
        """The model whose job releases the sum of this one's scores over the rows, in place of each row's.

        Errors: BadModel for another dataset's; MessageOverflow, NoiseOverflow where not even one row fits.
        """
        from fhe.compile.sums import summed

        return summed(self._compiled(model), self.codebook, self.profile)

    def _compiled(self, model: Compiled | Model) -> Compiled:
        """A kept model as it was compiled. Errors: BadModel for another dataset's."""
        from fhe.compile.compiled import Compiled

        if isinstance(model, Compiled):
            return model
        check_compatible(model.circuit, self.profile.digest, self.codebook.digest)
        report = check(model.circuit, self.codebook, self.profile)
        return Compiled(model.circuit, model.decoder, report, None, model.card.faithfulness)

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
        words = {source.name: pl.String() for source in self.codebook.sources}
        return pl.read_csv(io.BytesIO(data), schema_overrides=words)

    def policy(self, offer: int | None = None) -> OutputPolicy:
        """What jobs may release: the manifest's policy, or an offer's. Errors: NotFound, BadBlock, BadDocument."""
        if offer is None:
            return self.manifest.policy
        digest = self.network.market.offer(offer).policy
        return OutputPolicy.from_bytes(self.network.store.read(digest_to_cid(digest), limit=MAX_DOCUMENT_BYTES))

    def circuit(self, name: str) -> Circuit:
        """The circuit in a file, or in the store under a digest. Errors: BadInput, NotFound, BadDocument."""
        path = Path(name)
        if path.is_file():
            with path.open("rb") as file:
                return decode(file.read(MAX_CIRCUIT_BYTES + 1))
        if not re.fullmatch(r"[0-9a-f]{64}", name):
            raise BadInput(f"{name!r} is neither a file nor a digest of 64 hex digits.", "Name one of the two.")
        return load_circuit(self.network.store, Digest(name))

    @property
    def lwe_bins(self) -> bool:
        """Whether all its bins are published under the small key, so that trees read those."""
        there, binned = published(self.table), [column.name for column in self.codebook.columns if column.bins]
        return bool(binned) and all((name, "lwe-bins") in there for name in binned)

    def compile(
        self,
        model: Any,
        *,
        columns: Sequence[str] | None = None,
        n_bits: int | None = None,
        check: Any = None,
        target: Any = None,
        fitted_on: FittedOn | None = None,
        missing: MissingAs | None = None,
        selections: bool | None = None,
    ) -> Compiled:
        """A fitted model as a circuit of this dataset, held against the model itself (`fhe.compile.from_model`).

        A pipeline whose first step is a `CodebookEncoder` of this codebook says itself what it was fitted on.

        `check`: rows of the buyer's own to compare on as well, and `target` their labels, or the name of that column.
        `selections`: whether a network may select among encrypted tables, which is cheaper and takes a packing key; by
        default where this dataset states that it has one. Errors: BadModel, TooLarge, MessageOverflow, NoiseOverflow.
        """
        from app.client.encoder import without_encoder
        from fhe.compile import from_model

        if (parts := without_encoder(model)) is not None:
            encoder, model = parts
            if not same_codes(encoder.codebook_, self.codebook):
                raise BadInput("This pipeline's CodebookEncoder is of another codebook.", "Fit it with this dataset's.")
            columns = columns or encoder.columns_
            fitted_on, missing = "codes" if encoder.encoding == "affine" else "bins", encoder.missing
        if check is not None and any(column.derivation is not None for column in self.codebook.columns):
            check = self._own_values(check, target)
        return from_model(
            model, self.codebook, self.profile, columns=columns, n_bits=n_bits, check=check, target=target,
            fitted_on=fitted_on, missing=missing, lwe_bins=self.lwe_bins,
            packs=packs(self.table) if selections is None else selections,
        )  # fmt: skip

    def _own_values(self, frame: Any, target: Any) -> dict[str, Any]:
        """The values of all columns whose sources a frame holds, and of a target that it names."""
        from ingestion.derive import derived

        held = set(frame.columns if hasattr(frame, "columns") else frame)
        columns = [column for column in self.codebook.columns if column.reads in held]
        values: dict[str, Any] = dict(derived(self.codebook, frame, columns))
        return values | {target: np.asarray(frame[target])} if isinstance(target, str) else values
