"""A network as it was handed in: quantized, lowered, held against its quantized self on every compared row.

A Concrete ML network is quantized already, and the circuit equals its clear inference: any difference is refused. One
in floating point is quantized here; then the circuit equals that, and the report tells how far it is from the model:
`own_labels_differing`, `accuracy` and `float_accuracy` on the buyer's rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

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
from fhe.compile.networks.lowering import network_circuit
from fhe.compile.networks.network import QuantizedNetwork
from fhe.compile.networks.perceptrons import float_network, is_float_network
from fhe.compile.quantized import PENDING, output_names, readout_of
from fhe.compile.sample import OwnRows
from fhe.compile.space import FeatureSpace
from fhe.profile import EncryptionProfile

SAME = 1e-6  # of the scores' range: Concrete ML's words are of 32-bit floats
MOST_TRIES = 6  # to lower a network with some bits or others
FAR = 0.05  # of the buyer's labels, or of their values' range: another model


def inner_network(model: Any, space: FeatureSpace) -> InnerEstimator | None:
    """The network inside a model; None where there is another estimator. Errors: BadModel."""
    inner = core(model, Inputs.of(space))
    return inner if is_concrete_network(inner.model) or is_float_network(inner.model) else None


def compile_network(
    model: Any,
    inner: InnerEstimator,
    space: FeatureSpace,
    own: OwnRows | None,
    codebook: Codebook,
    profile: EncryptionProfile,
    n_bits: int | None,
) -> Compiled:
    """Errors: BadModel, TooLarge, MessageOverflow, NoiseOverflow."""
    classes = classes_of(model, inner.model)
    if is_concrete_network(inner.model):
        if n_bits is not None:
            raise BadModel(
                f"This {kind(inner.model)} is quantized already.", "Fit it with module__n_w_bits=... instead of n_bits."
            )
        network, step = network_of(inner.model, lambda of: core(model, Inputs.of(of)).inputs.features, space)
        comparison = Comparison(model, network.space, own, classifies=classes is not None)
        scores = network.outputs(comparison.codes).T * step
        compiled = _made(
            model, network.pruned(), step, meaning(model, classes, scores, comparison.said), codebook, profile
        )
        found = comparison.judge(compiled.circuit, compiled.decoder, route="concrete-ml", forest=False)
        if found.labels_differing or found.largest_difference > SAME:
            raise BadModel(
                f"The circuit is not this {kind(model)}'s own quantized inference: rows differ by"
                f" {found.largest_difference:.2g} of the range.",
                "Report this model.",
            )
        return replace(compiled, faithfulness=found)
    return _floating(model, inner, space, own, codebook, profile, n_bits, classifies=classes is not None)


def _floating(
    model: Any,
    inner: InnerEstimator,
    space: FeatureSpace,
    own: OwnRows | None,
    codebook: Codebook,
    profile: EncryptionProfile,
    n_bits: int | None,
    *,
    classifies: bool,
) -> Compiled:
    if own is None:
        raise BadModel(
            f"How far the units of this {kind(inner.model)} reach is only seen on rows.",
            "Give rows of your own (check), as many as you can.",
        )
    network = float_network(inner.model)
    first = network.layers[0]

    def values(of: FeatureSpace, codes: I64) -> F64:
        features = dense(core(model, Inputs.of(of)).inputs.evaluate(codes))
        return features @ first.weights.T + first.bias

    made = additive_form(values, space)
    if made is None:
        raise BadModel(
            f"What comes before this {kind(inner.model)} mixes columns by more than sums.",
            "Scale each column by itself before it: StandardScaler, or nothing.",
        )
    space, form = made
    comparison = Comparison(model, space, own, classifies=classifies)
    scores = network.after_first(form.scores(comparison.codes))
    means = meaning(model, classes_of(model, inner.model), scores, comparison.said)
    refused: Exception | None = None
    for choice in choices(network, form, space, comparison.mine, profile, n_bits, classifies=classifies)[:MOST_TRIES]:
        try:
            compiled = _made(model, choice.network, choice.step, means, codebook, profile)
        except (MessageOverflow, NoiseOverflow, TooLarge) as error:
            refused = refused or error
            continue
        found = _found(model, comparison, compiled, choice.network, classifies=classifies)
        return replace(compiled, faithfulness=found)
    assert refused is not None
    raise refused


def _made(
    model: Any, network: QuantizedNetwork, step: float, means: Meaning, codebook: Codebook, profile: EncryptionProfile
) -> Compiled:
    """The circuit and what its integers mean. Errors: MessageOverflow, NoiseOverflow, TooLarge."""
    outputs = len(network.layers[-1].bias)
    decoder = Decoder(
        model=kind(model),
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
    circuit = network_circuit(network, output_names(outputs, readout), readout, codebook, profile)
    report = check(circuit, codebook, profile)
    return Compiled(circuit, decoder.model_copy(update={"circuit": digest(circuit)}), report, network)


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
