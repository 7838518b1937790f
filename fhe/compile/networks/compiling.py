"""A network as it was handed in: quantized, lowered, held against its quantized self on every compared row.

A Concrete ML network is quantized already, and the circuit equals its clear inference: any difference is refused. One
in floating point is quantized here; then the circuit equals that, and the report tells how far it is from the model:
`own_labels_differing`, `accuracy` and `float_accuracy` on the buyer's rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel, MessageOverflow, NoiseOverflow, TooLarge
from fhe.arrays import F64, I64
from fhe.circuit.codec import digest
from fhe.compile.check import check
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder
from fhe.compile.faithful import Comparison, Faithfulness, accuracy_of
from fhe.compile.foreign import asked, comparable, kind
from fhe.compile.importers.additive import additive_form
from fhe.compile.importers.core import InnerEstimator, core, is_concrete_network
from fhe.compile.importers.inputs import Inputs, dense
from fhe.compile.meaning import Meaning, classes_of, meaning
from fhe.compile.networks.concrete_ml import network_of
from fhe.compile.networks.floating import choices
from fhe.compile.networks.lookup_circuit import compile_lookup_network, is_lookup_network
from fhe.compile.networks.lowering import LoweredNetwork, lowered
from fhe.compile.networks.network import QuantizedNetwork
from fhe.compile.networks.perceptrons import float_network, is_float_network
from fhe.compile.quantized import PENDING, output_names, readout_of
from fhe.compile.sample import OwnRows
from fhe.compile.space import FeatureSpace
from fhe.profile import EncryptionProfile

SAME = 1e-6  # of the scores' range: Concrete ML's words are of 32-bit floats
MOST_TRIES = 6  # to lower a network with some bits or others
FAR = 0.05  # of the buyer's labels, or of their values' range: another model


@dataclass(frozen=True, eq=False)
class _Handed:
    """A model, the network inside it, and what it is compiled for."""

    model: Any
    inner: InnerEstimator
    own: OwnRows | None
    codebook: Codebook
    profile: EncryptionProfile
    n_bits: int | None
    packs: bool

    @property
    def classes(self) -> npt.NDArray[Any] | None:
        """A classifier's labels."""
        return classes_of(self.model, self.inner.model)

    def made(self, network: QuantizedNetwork, step: float, means: Meaning) -> Compiled:
        """The circuit and what its integers mean. Errors: MessageOverflow, NoiseOverflow, TooLarge."""
        refused: Exception | None = None
        for found in lowered(network, self.codebook, self.profile, selects=self.packs):
            try:
                return self._made(found, network.finer(found.fine), step / found.fine, means)
            except (MessageOverflow, NoiseOverflow, TooLarge) as error:
                refused = error
        assert refused is not None
        raise refused

    def _made(self, found: LoweredNetwork, network: QuantizedNetwork, step: float, means: Meaning) -> Compiled:
        outputs = len(network.layers[-1].bias)
        decoder = Decoder(
            model=kind(self.model),
            circuit=PENDING,
            scale=step * means.factor,
            zero_points=(0,) * outputs,
            centre=(0,) * outputs,
            link=means.link,
            labels=means.labels,
            probabilities=means.probabilities,
            shift=means.offset,
            threshold=means.threshold,
            knots=means.knots,
        )
        readout = readout_of(decoder)
        circuit = replace(found.circuit, outputs=output_names(outputs, readout), readout=readout)
        report = check(circuit, self.codebook, self.profile)
        return Compiled(circuit, decoder.model_copy(update={"circuit": digest(circuit)}), report, network)


def compiled_network(
    model: Any,
    space: FeatureSpace,
    own: OwnRows | None,
    codebook: Codebook,
    profile: EncryptionProfile,
    n_bits: int | None,
    packs: bool,
) -> Compiled | None:
    """The circuit of a network; None where the model is no network. `packs`: its dataset has a packing key.

    Errors: BadModel, TooLarge, MessageOverflow, NoiseOverflow.
    """
    if is_lookup_network(model):
        return compile_lookup_network(model, space, own, codebook, profile)
    handed = _Handed(model, core(model, Inputs.of(space)), own, codebook, profile, n_bits, packs)
    if is_concrete_network(handed.inner.model):
        return _quantized(handed, space)
    return _floating(handed, space) if is_float_network(handed.inner.model) else None


def _quantized(handed: _Handed, space: FeatureSpace) -> Compiled:
    model, inner, classes = handed.model, handed.inner.model, handed.classes
    if handed.n_bits is not None:
        raise BadModel(
            f"This {kind(inner)} is quantized already.", "Fit it with module__n_w_bits=... instead of n_bits."
        )
    network, step = network_of(inner, lambda of: core(model, Inputs.of(of)).inputs.features, space)
    comparison = Comparison(model, network.space, handed.own, classifies=classes is not None)
    means = meaning(model, classes, network.outputs(comparison.codes).T * step, comparison.said)
    compiled = handed.made(network.pruned(), step, means)
    found = comparison.judge(compiled.circuit, compiled.decoder, route="concrete-ml", forest=False)
    if found.labels_differing or found.largest_difference > SAME:
        raise BadModel(
            f"The circuit is not this {kind(model)}'s own quantized inference: rows differ by"
            f" {found.largest_difference:.2g} of the range.",
            "Report this model.",
        )
    return replace(compiled, faithfulness=found)


def _floating(handed: _Handed, space: FeatureSpace) -> Compiled:
    model, inner, own, classes = handed.model, handed.inner.model, handed.own, handed.classes
    if own is None:
        raise BadModel(
            f"How far the units of this {kind(inner)} reach is only seen on rows.",
            "Give rows of your own (check), as many as you can.",
        )
    network = float_network(inner)
    first = network.layers[0]

    def values(of: FeatureSpace, codes: I64) -> F64:
        features = dense(core(model, Inputs.of(of)).inputs.evaluate(codes))
        return features @ first.weights.T + first.bias

    made = additive_form(values, space)
    if made is None:
        raise BadModel(
            f"What comes before this {kind(inner)} mixes columns by more than sums.",
            "Scale each column by itself before it: StandardScaler, or nothing.",
        )
    space, form = made
    comparison = Comparison(model, space, own, classifies=classes is not None)
    means = meaning(model, classes, network.after_first(form.scores(comparison.codes)), comparison.said)
    tried = choices(
        network, form, space, comparison.mine, handed.profile, handed.n_bits, classifies=classes is not None
    )
    refused: Exception | None = None
    for choice in tried[:MOST_TRIES]:
        try:
            compiled = handed.made(choice.network, choice.step, means)
        except (MessageOverflow, NoiseOverflow, TooLarge) as error:
            refused = refused or error
            continue
        found = _found(model, comparison, compiled, compiled.model, classifies=classes is not None)
        return replace(compiled, faithfulness=found)
    assert refused is not None
    raise refused


def _found(
    model: Any, comparison: Comparison, compiled: Compiled, network: QuantizedNetwork, *, classifies: bool
) -> Faithfulness:
    """The report: equal to the network in integers on every row, and how far that is from the model on the buyer's."""
    outputs = comparison.outputs(compiled.circuit)
    if not np.array_equal(outputs, network.outputs(comparison.codes)):
        raise BadModel("The circuit is not the quantized network.", "Report this model.")
    own = comparison.own
    assert own is not None
    mine = outputs[:, len(comparison.codes) - len(comparison.mine) :]
    said, predicted = asked(model, "predict", own.table(comparison.space)), compiled.decoder.predict(mine)
    off, far = 0, 0.0
    if classifies:
        off = int(np.count_nonzero(comparable(said) != comparable(predicted)))
        far = off / len(said)
    else:
        far = float(np.mean(np.abs(comparable(said) - comparable(predicted))) / (np.ptp(comparable(said)) or 1.0))
    if far > FAR and off != 1:
        raise BadModel(
            f"Quantized, this {kind(model)} says something else on {100 * far:.0f} % of"
            f" {'your rows' if classifies else 'the range, on average'}.",
            "Use fewer hidden units or a stronger penalty (alpha); or fit Concrete ML's NeuralNetClassifier, which"
            " learns with few bits.",
        )
    truth = own.target
    return Faithfulness(
        rows=len(comparison.codes),
        labels_differing=0,
        largest_difference=0.0,
        own_rows=len(comparison.mine),
        own_labels_differing=off,
        accuracy=None if truth is None else accuracy_of(truth, predicted, classifies=classifies),
        float_accuracy=None if truth is None else accuracy_of(truth, said, classifies=classifies),
        route="direct",
    )
