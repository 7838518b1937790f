"""Fitted networks of every class on small tables, and their circuits in the clear."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import Codebook
from app.protocol.vocabulary import Encoding
from fhe.arrays import I64
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.compile import Compiled, from_model
from fhe.profile import EncryptionProfile
from tests.support.model_cases import Table, codebook_of, codes_of, concrete, quietly, table

BINS = 12


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model fitted on bin codes (rows, columns), and what it was fitted for."""

    model: Any
    codebook: Codebook
    codes: I64
    target: npt.NDArray[Any]

    def compile(self, profile: EncryptionProfile, **options: Any) -> Compiled:
        """Its circuit, held against itself on these rows too."""
        rows = {column.name: self.values()[:, i] for i, column in enumerate(self.codebook.columns)}
        compiled: Compiled = quietly(
            lambda: from_model(
                self.model, self.codebook, profile, fitted_on="bins", check=rows, target=self.target, **options
            )
        )
        return compiled

    def values(self) -> npt.NDArray[np.float64]:
        """A value inside each row's bins."""
        edges = [np.array(column.bins) for column in self.codebook.columns]
        ends = [np.concatenate([own, [own[-1] + 1.0]]) for own in edges]
        return np.stack([own[code] - 1e-9 for own, code in zip(ends, self.codes.T, strict=True)], axis=1)

    def outputs(self, compiled: Compiled, codes: I64 | None = None) -> I64:
        """The circuit in the clear, (outputs, rows)."""
        codes = self.codes if codes is None else codes
        names = [column.name for column in self.codebook.columns]
        given: dict[tuple[str, Encoding], I64] = {(name, "bins"): own for name, own in zip(names, codes.T, strict=True)}
        return evaluate_clear(compiled.circuit, gather_inputs(compiled.circuit, given)).T


@cache
def small() -> Table:
    """1,200 rows of six columns in twelve bins, and labels that depend on several of them."""
    wide = table()
    values = wide.values[:, :6]
    codebook = codebook_of(values, BINS)
    return Table(codebook, codes_of(codebook, values), values, wide.classes, wide.target)


@cache
def fitted(name: str) -> Fitted:
    """A network by name, small enough for tests of every day."""
    data = small()
    codes, classes = data.codes.astype(np.float32), data.classes
    make = {
        "concrete-2": lambda: _concrete("NeuralNetClassifier", codes, classes[2], 2),
        "concrete-3-scaled": lambda: _scaled(_concrete_model("NeuralNetClassifier", 2), codes, classes[3]),
        "concrete-deep": lambda: _concrete("NeuralNetClassifier", codes, classes[2], 3),
        "concrete-regression": lambda: _concrete("NeuralNetRegressor", codes, _column(data.target), 2),
        "perceptron-2": lambda: _perceptron("MLPClassifier", codes, classes[2], (8,)),
        "perceptron-3": lambda: _perceptron("MLPClassifier", codes, classes[3], (10,)),
        "perceptron-deep": lambda: _perceptron("MLPClassifier", codes, classes[2], (8, 5)),
        "perceptron-regression": lambda: _perceptron("MLPRegressor", codes, data.target, (8,)),
        "perceptron-logistic": lambda: _perceptron("MLPClassifier", codes, classes[2], (6,), "logistic"),
        "torch-3": lambda: torch_classifier(codes, classes[3]),
        "torch-leaky": lambda: torch_with("LeakyReLU", codes, classes[2]),
        "torch-tanh": lambda: torch_with("Tanh", codes, classes[3]),
        "brevitas-2": lambda: brevitas_classifier(codes, classes[2]),
        "torch-regression": lambda: torch_regressor(codes, data.target),
    }
    target = data.target if "regression" in name else classes[3 if "-3" in name or "tanh" in name else 2]
    return Fitted(quietly(make[name]), data.codebook, data.codes, target)


def _column(target: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return target.astype(np.float32)[:, None]


def _concrete_model(kind: str, layers: int) -> Any:
    import torch

    torch.manual_seed(4)
    torch.set_num_threads(1)
    return getattr(concrete(), kind)(
        module__n_layers=layers, module__n_hidden_neurons_multiplier=2, max_epochs=8, lr=0.02, verbose=0
    )


def _concrete(kind: str, codes: Any, target: Any, layers: int) -> Any:
    return _concrete_model(kind, layers).fit(codes, target)


def _scaled(model: Any, codes: Any, target: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model).fit(codes, target)


def _perceptron(kind: str, codes: Any, target: Any, hidden: tuple[int, ...], activation: str = "relu") -> Any:
    from sklearn import neural_network

    model = getattr(neural_network, kind)(hidden, random_state=1, max_iter=60, alpha=0.01, activation=activation)
    return _scaled(model, codes, target)


def torch_classifier(codes: Any, target: Any) -> Any:
    """Batch norm before and after a dense layer, ReLU6, dropout, three outputs."""
    from torch import nn

    module = nn.Sequential(
        nn.BatchNorm1d(6), nn.Linear(6, 10), nn.BatchNorm1d(10), nn.ReLU6(), nn.Dropout(0.1), nn.Linear(10, 3)
    )
    return trained(module, codes, target, nn.CrossEntropyLoss())


def torch_with(activation: str, codes: Any, target: Any) -> Any:
    """A batch norm, a dense layer, this activation, and an output for each class."""
    from torch import nn

    middle = getattr(nn, activation)()
    module = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 6), middle, nn.Linear(6, len(np.unique(target))))
    return trained(module, codes, target, nn.CrossEntropyLoss())


def brevitas_classifier(codes: Any, target: Any) -> Any:
    """Quantized layers and activations, trained as such: weights of four bits."""
    from torch import nn

    quantized = importlib.import_module("brevitas.nn")  # comes with Concrete ML

    module = nn.Sequential(
        nn.BatchNorm1d(6),
        quantized.QuantLinear(6, 8, bias=True, weight_bit_width=4),
        quantized.QuantReLU(bit_width=4),
        quantized.QuantLinear(8, 2, bias=True, weight_bit_width=4),
    )
    return trained(module, codes, target, nn.CrossEntropyLoss())


def torch_regressor(codes: Any, target: Any) -> Any:
    """A module with a forward of its own, and an activation clipped on both sides."""
    from torch import nn

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.first, self.act, self.last = (
                nn.BatchNorm1d(6),
                nn.Linear(6, 8),
                nn.Hardtanh(),
                nn.Linear(8, 1),
            )

        def forward(self, rows: Any) -> Any:
            return self.last(self.act(self.first(self.norm(rows))))

    return trained(Own(), codes, _column(target), nn.MSELoss())


def trained(module: Any, codes: Any, target: Any, loss: Any, epochs: int = 60) -> Any:
    """The module after some full-batch steps of Adam."""
    import torch

    torch.manual_seed(5)
    torch.set_num_threads(1)
    rows, wanted = torch.tensor(np.asarray(codes)), torch.tensor(np.asarray(target))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.03)
    module.train()
    for _ in range(epochs):
        optimizer.zero_grad()
        loss(module(rows), wanted).backward()
        optimizer.step()
    return module.eval()
