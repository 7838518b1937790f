"""Networks: the circuit equals the quantized network on every row, in the clear and encrypted; others are refused."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.client.dataset import Dataset
from app.protocol.data.dataset import KeyRoots
from app.protocol.errors import BadKey, BadModel, NoiseOverflow
from app.protocol.market.entities import ZERO
from benchmarks.bin_table import encrypt_bins
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.circuit import selects
from fhe.circuit.codec import decode, encode
from fhe.circuit.compatible import check_dataset
from fhe.circuit.cost import bootstrap_work, cost
from fhe.compile import check, from_model, with_label
from fhe.compile.foreign import comparable
from fhe.compile.networks.lowering import lowered
from fhe.compile.networks.network import QuantizedNetwork
from fhe.engine.evaluate import evaluate
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.support.custody import EncryptedDataset, random_keys
from tests.support.model_cases import concrete, quietly
from tests.support.network_cases import Fitted, fitted, small, torch_classifier

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


@pytest.mark.parametrize(
    "name", ["concrete-2", pytest.param("torch-3", marks=DEEP), pytest.param("brevitas-2", marks=DEEP)]
)
def test_a_packing_key_makes_a_network_cheaper_and_changes_no_value(name: str) -> None:
    """Encrypted tables where the dataset has such a key, at a lower static cost; without one the circuit has none."""
    case = fitted(name)
    plain, made = (case.compile(REFERENCE, packs=packs) for packs in (False, True))
    assert (selects(plain.circuit), selects(made.circuit)) == (False, True)
    before, after = (cost(each.circuit, REFERENCE, 1) for each in (plain, made))
    assert after.bootstraps < before.bootstraps
    assert after.units < before.units
    assert made.report.log2_failure < -128
    one, other = (case.outputs(each) * each.decoder.scale for each in (plain, made))
    assert np.array_equal(one, other)


def test_a_dear_selection_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the static cost that decides: if packing took a hundred bootstraps, the circuit would be the plain one."""
    case = fitted("concrete-2")
    plain = case.compile(REFERENCE)
    monkeypatch.setattr("fhe.circuit.cost.packing_work", lambda profile: 100 * bootstrap_work(profile))
    assert encode(case.compile(REFERENCE, packs=True).circuit) == encode(plain.circuit)


def test_rows_encrypted_with_a_packing_key_have_the_networks_integers() -> None:
    """16 rows, selections and a label that reads them, under keys of no security, through the circuits' bytes."""
    case = fitted("concrete-2")
    compiled = case.compile(PROFILE, packs=True)
    labelled = with_label(compiled, case.codebook, PROFILE)
    secret, key = insecure_test_keys(PROFILE)
    key = with_packing(key, secret, PROFILE, 1)
    encrypted = encrypt_bins(case.codes[:16], case.codebook, secret, PROFILE)
    table = encrypted.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    for each in (compiled, labelled):
        circuit = decode(encode(each.circuit))
        assert selects(circuit)
        output = evaluate(circuit, PROFILE, table, encrypted, 0, 16, key, threads=2)
        found = decrypt_lookups(secret, PROFILE, circuit, 16, output)
        assert np.array_equal(found, case.outputs(each)[:, :16])
    expected = compiled.decoder.predict(case.outputs(compiled))
    assert np.array_equal(labelled.decoder.predict(case.outputs(labelled)), expected)


@pytest.mark.parametrize(("packs", "most"), [(False, 5), (True, 4)])
def test_outputs_that_are_too_noisy_are_gathered(packs: bool, most: int) -> None:
    """A lookup more for a unit gives the network's own outputs, so that no other reading of each bit is needed."""
    case = fitted("concrete-2")
    compiled = case.compile(REFERENCE)
    network = compiled.model
    last = network.layers[-1]
    wide = replace(network, layers=(*network.layers[:-1], replace(last, weights=4 * last.weights, bias=4 * last.bias)))
    for found in lowered(wide, case.codebook, REFERENCE, selects=packs):
        with contextlib.suppress(NoiseOverflow):
            check(found.circuit, case.codebook, REFERENCE)
            break
    assert found.fine == 1
    assert cost(found.circuit, REFERENCE, 1).bootstraps == most * len(wide.layers[0].bias)
    outputs = case.outputs(replace(compiled, circuit=found.circuit))
    assert np.array_equal(outputs, wide.outputs(case.codes))


def dataset_of(case: Fitted, folder: Path, *, packs: bool | None) -> Dataset:
    """A dataset with these codes, whose manifest says whether its key packs; None: it says nothing."""
    stated = None if packs is None else KeyRoots(keyswitch=ZERO, points=ZERO, packs=packs)
    encrypted = encrypt_bins(case.codes[:4], case.codebook, random_keys(1), REFERENCE)
    changes = {"evaluation_key": "a", "key_roots": stated, "evaluator": "darkroom-canonical-2"}
    manifest = EncryptedDataset(folder, rows=1).manifest
    manifest = manifest.model_copy(update={"table": encrypted.table.model_copy(update=changes)})
    return Dataset(None, None, manifest)  # type: ignore[arg-type]


def test_a_network_selects_where_its_dataset_states_a_packing_key(tmp_path: Path) -> None:
    """By default, or where its buyer says so; what nobody states is not relied on, and refused with what to do."""
    case = fitted("concrete-2")
    rows = {column.name: case.values()[:, place] for place, column in enumerate(case.codebook.columns)}

    def compiled(packs: bool | None, selections: bool | None = None) -> tuple[Dataset, Any]:
        dataset = dataset_of(case, tmp_path / f"{packs}", packs=packs)
        options: dict[str, Any] = {"fitted_on": "bins", "check": rows, "selections": selections}
        return dataset, quietly(lambda: dataset.compile(case.model, **options)).circuit

    packing, circuit = compiled(True)
    assert selects(circuit)
    check_dataset(circuit, packing.table)
    assert not selects(compiled(True, False)[1])
    for packs in (False, None):
        other, plain = compiled(packs)
        assert not selects(plain)
        check_dataset(plain, other.table)
        with pytest.raises(BadKey, match="packing key") as refused:
            check_dataset(circuit, other.table)
        assert "Compile the model again for this dataset" in refused.value.next_step
    assert selects(compiled(None, True)[1])


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
