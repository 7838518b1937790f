"""A lookup network's circuit: one lookup a table, over its three bits as they are published, and their sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel
from fhe.circuit.codec import digest
from fhe.compile.check import check
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder, Labels
from fhe.compile.faithful import Comparison
from fhe.compile.foreign import kind
from fhe.compile.ir import Bit, TableExpr, constant, total, wire
from fhe.compile.quantized import PENDING, output_names, readout_of
from fhe.compile.sample import OwnRows
from fhe.compile.space import FeatureSpace
from fhe.compile.trees.emit import emit
from fhe.profile import EncryptionProfile


def is_lookup_network(model: Any) -> bool:
    """Whether a model is a `LookupNetwork`; scikit-learn is not imported to tell."""
    return kind(model) == "LookupNetwork" and hasattr(model, "integers")


def compile_lookup_network(
    model: Any, space: FeatureSpace, own: OwnRows | None, codebook: Codebook, profile: EncryptionProfile
) -> Compiled:
    """The circuit gives `model.integers` on every row. Errors: BadModel, MessageOverflow, NoiseOverflow."""
    if not hasattr(model, "entries_"):
        raise BadModel("This LookupNetwork was not fitted.", "Call fit() first.")
    if space.reading != "bins":
        raise BadModel("A LookupNetwork reads bin codes.", 'Fit it on dataset.encode(rows, "bins").')
    entries, scores = model.entries_, model.entries_.shape[2]
    sums = [[(constant(int(model.constant_[score])), 1)] for score in range(scores)]
    for bits, table in zip(model.bits_.tolist(), entries, strict=True):
        message = total([(wire(Bit(column, edge + 1)), 4 >> place) for place, (column, edge) in enumerate(bits)])
        for column, edge in bits:
            if edge + 1 >= space.levels[column]:
                raise BadModel(
                    f"The dataset publishes no bin {edge} of column {space.columns[column].name!r}.",
                    "Fit it on this dataset's codes: dataset.encode(rows, 'bins').",
                )
        for score in range(scores):
            if table[:, score].any():
                own_table = TableExpr(message, tuple(int(entry) for entry in table[:, score]))
                sums[score].append((wire(own_table), 1))
    ends = [
        (int(low), int(high))
        for low, high in zip(
            entries.min(axis=1).sum(axis=0) + model.constant_, entries.max(axis=1).sum(axis=0) + model.constant_
        )
    ]
    decoder = Decoder(
        model=kind(model),
        circuit=PENDING,
        scale=float(model.step_),
        zero_points=(0,) * scores,
        centre=(0,) * scores,
        link="sigmoid" if scores == 1 else "softmax",
        labels=Labels.of(np.asarray(model.classes_)),
    )
    readout = readout_of(decoder)
    circuit = emit(
        [total(parts) for parts in sums],
        ends,
        columns=[column.name for column in space.columns],
        names=output_names(scores, readout),
        readout=readout,
        codebook=codebook.digest,
        profile=profile,
    )
    decoder = decoder.model_copy(update={"circuit": digest(circuit)})
    report = check(circuit, codebook, profile)
    comparison = Comparison(model, space, own, classifies=True)
    if not np.array_equal(comparison.outputs(circuit).T, model.integers(space.values(comparison.codes))):
        raise BadModel("The circuit is not the lookup network.", "Report this model.")
    return Compiled(circuit, decoder, report, model, comparison.judge(circuit, decoder, route="direct", forest=False))
