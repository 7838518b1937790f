"""Networks: the circuit equals the quantized network on every row, in the clear and encrypted; others are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.protocol.errors import BadModel
from benchmarks.bin_table import encrypt_bins
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.codec import decode, encode
from fhe.compile import from_model, with_label
from fhe.compile.foreign import comparable
from fhe.compile.networks.network import QuantizedNetwork
from fhe.engine.evaluate import evaluate
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.support.model_cases import concrete, quietly
from tests.support.network_cases import fitted, small, torch_classifier

DEEP = pytest.mark.deep
CONCRETE = [
    "concrete-2",
    *(pytest.param(f"concrete-{kind}", marks=DEEP) for kind in ("3-scaled", "deep", "regression")),
]
MORE = ("perceptron-2", "perceptron-3", "perceptron-regression", "torch-3", "perceptron-logistic", "torch-tanh")
OURS = [
    "perceptron-deep",
    "torch-regression",
    "torch-leaky",
    "brevitas-2",
    *(pytest.param(name, marks=DEEP) for name in MORE),
]
PROFILE = insecure_test_profile()


@pytest.mark.parametrize("name", CONCRETE)
def test_a_concrete_ml_network_is_its_own_clear_inference(name: str) -> None:
    """1,200 rows and random codes: labels, and integers to the last one, on the reference profile."""
    case = fitted(name)
    compiled = case.compile(REFERENCE)
    outputs = case.outputs(compiled)
    read = case.codes.astype(np.float32)
    said = quietly(lambda: case.model.predict(read))
    network = case.model if name != "concrete-3-scaled" else case.model[-1]
    given = read if name != "concrete-3-scaled" else case.model[0].transform(read).astype(np.float32)
    raw = quietly(lambda: network.quantized_module_.forward(given, fhe="disable"))
    assert np.array_equal(outputs.T * compiled.decoder.scale, raw)
    assert np.array_equal(comparable(compiled.decoder.predict(outputs)), comparable(said))
    assert compiled.report.log2_failure < -128
    assert compiled.faithfulness is not None
    assert compiled.faithfulness.labels_differing == 0
    assert compiled.faithfulness.rows >= 2_000


@pytest.mark.parametrize("name", OURS)
def test_a_network_quantized_here_is_its_circuit_and_near_its_model(name: str) -> None:
    """The circuit's integers are the quantized network's on 1,200 rows; its labels nearly always the model's own."""
    case = fitted(name)
    compiled = case.compile(REFERENCE)
    outputs, network = case.outputs(compiled), compiled.model
    assert isinstance(network, QuantizedNetwork)
    assert np.array_equal(outputs, network.outputs(case.codes))
    found = compiled.faithfulness
    assert found is not None
    assert found.accuracy is not None
    assert found.float_accuracy is not None
    assert found.accuracy > found.float_accuracy - 0.02
    assert found.own_labels_differing <= 0.05 * len(case.codes)
    assert compiled.report.log2_failure < -128


@pytest.mark.parametrize("name", ["concrete-2", "torch-regression", pytest.param("perceptron-deep", marks=DEEP)])
def test_encrypted_rows_have_the_networks_integers(name: str) -> None:
    """16 rows under keys of no security, through the circuit's bytes."""
    case = fitted(name)
    compiled = case.compile(PROFILE)
    circuit = decode(encode(compiled.circuit))
    secret, key = insecure_test_keys(PROFILE)
    encrypted = encrypt_bins(case.codes[:16], case.codebook, secret, PROFILE)
    table = encrypted.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    output = evaluate(circuit, PROFILE, table, encrypted, 0, 16, key, threads=2)
    found = decrypt_lookups(secret, PROFILE, circuit, 16, output)
    assert np.array_equal(found, case.outputs(compiled)[:, :16])


def test_a_networks_label_is_taken_under_encryption() -> None:
    """The label of a network of two classes: the same on 1,200 rows; it is not taken twice."""
    case = fitted("concrete-2")
    compiled = case.compile(PROFILE)
    made = with_label(compiled, case.codebook, PROFILE)
    expected = compiled.decoder.predict(case.outputs(compiled))
    assert np.array_equal(made.decoder.predict(case.outputs(made)), expected)
    with pytest.raises(BadModel):
        with_label(made, case.codebook, PROFILE)


def test_what_is_no_such_network_is_refused() -> None:
    """Other activations, scales that are no power of two, no rows, no hidden layer: each with what to do instead."""
    from torch import nn

    data, case = small(), fitted("perceptron-2")
    codes, labels = data.codes.astype(np.float32), data.classes[2]
    mixed = nn.Sequential(nn.Linear(6, 4), nn.GELU(), nn.Linear(4, 2))
    shallow = nn.Sequential(nn.Linear(6, 2))
    refused: list[tuple[Any, dict[str, Any], str]] = [
        (mixed, {"check": case.values()}, "ReLU"),
        (shallow, {"check": case.values()}, "ReLU"),
        (case.model, {}, "Give rows of your own"),
        (fitted("concrete-2").model, {"n_bits": 4}, "module__n_w_bits"),
        (_odd_steps(codes, labels), {}, "power_of_two_scaling"),
    ]
    for model, options, next_step in refused:
        with pytest.raises(BadModel) as found:
            quietly(lambda: from_model(model, data.codebook, REFERENCE, fitted_on="bins", **options))  # noqa: B023
        assert next_step in str(found.value)


def _odd_steps(codes: Any, labels: Any) -> Any:
    made = concrete().NeuralNetClassifier(
        module__n_layers=2, module__n_hidden_neurons_multiplier=1, module__power_of_two_scaling=False, max_epochs=1,
        verbose=0,
    )  # fmt: skip
    return quietly(lambda: made.fit(codes, labels))


def test_activations_are_sums_of_pieces() -> None:
    """Leaky ones to the last bit, of one slope or of one for each unit; tanh and sigmoid within 0.03 of their range."""
    import torch
    from torch import nn

    from fhe.compile.networks.torch_modules import TorchNetwork

    codes = np.random.default_rng(3).normal(0, 2, (500, 3))
    for activation, off in (
        (nn.LeakyReLU(0.2), 1e-6),
        (nn.PReLU(5), 1e-6),
        (nn.Tanh(), 0.03),
        (nn.Sigmoid(), 0.015),
    ):
        torch.manual_seed(1)
        module = nn.Sequential(nn.Linear(3, 5), activation, nn.BatchNorm1d(5), nn.Linear(5, 2)).eval()
        with torch.no_grad():
            said = module(torch.tensor(codes, dtype=torch.float32)).numpy()
            reach = float(module[3].weight.abs().sum(dim=1).max())
        assert np.abs(TorchNetwork(module).decision_function(codes) - said).max() < off * max(reach, 1.0) * 1.01 + 1e-6


def test_a_torch_modules_layers_are_its_own_words() -> None:
    """What is read of a module, batch norms folded, predicts as the module does."""
    import torch

    from fhe.compile.networks.torch_modules import TorchNetwork

    data = small()
    module = quietly(lambda: torch_classifier(data.codes.astype(np.float32), data.classes[3]))
    with torch.no_grad():
        said = module(torch.tensor(data.codes.astype(np.float32))).numpy()
    assert np.abs(TorchNetwork(module).decision_function(data.codes) - said).max() < 1e-3
