"""What people fit, compiled for encrypted tables: each model is its owner's own, or refused with a reason.

Every animal (`zoo_linear`, `zoo_forests`, `zoo_regressors`) is fitted on the tables that it is made for (`zoo_tables`)
and handed to `from_model`. A circuit is then held against the model once more, apart from the compiler's own
comparison, on 1,000 rows of codes of another seed. `compiled` counts the classes and settings that compile on every
table they are tried on, `refused` those that are refused on one; `silent` the circuits that say something else,
`foreign_exceptions` the errors that are not Darkroom's own. `accuracy_lost_median` is in points, over held-out rows:
the accuracy (R^2) of the same estimator fitted on raw values, minus the circuit's. `bootstraps_per_row` is of the 100
trees of depth 6 of an XGBClassifier.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.protocol.errors import DarkroomError
from app.protocol.ports import Progress
from benchmarks.zoo_animals import Animal, xgb
from benchmarks.zoo_forests import forest_animals
from benchmarks.zoo_linear import linear_animals
from benchmarks.zoo_regressors import concrete_animals, regressor_animals
from benchmarks.zoo_tables import HELD_OUT, ROWS, Table, Target, table
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Lookup
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.compile import Compiled, from_model

Verdict = Literal["compiled", "refused", "silent", "foreign"]

COMPARED = 1_000
OFF_LABELS, OFF_SCORES = 0.005, 0.011  # of the rows; of the range
TIED = 1e-6


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one animal on one table."""

    animal: str
    target: Target
    verdict: Verdict
    why: str = ""
    lost: float | None = None  # points of accuracy against the same estimator on raw values
    compiled: Compiled | None = None
    model: Any = None


def all_animals() -> list[Animal]:
    """Everything whose library is installed."""
    every = [*linear_animals(), *forest_animals(), *regressor_animals(), *concrete_animals()]
    return [animal for animal in every if animal.here]


def tried(animal: Animal, target: Target) -> Outcome:
    """Fit, compile, and compare once more."""
    data = table(target)
    labels = np.unique(data.target, return_inverse=True)[1] if animal.numbered else data.target
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        model = _fitted(animal, data.read(animal.reading, animal.named), labels)
        try:
            compiled = from_model(model, data.codebook, fitted_on=animal.reading)
        except DarkroomError as error:
            if not error.next_step:
                return Outcome(animal.name, target, "foreign", f"no next step: {error.message}")
            return Outcome(animal.name, target, "refused", f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - what the zoo counts
            return Outcome(animal.name, target, "foreign", f"{type(error).__name__}: {error}")
        # of a Concrete ML model whose quantizer the codes do not allow, the float model inside is compiled
        given = model if compiled.model is model else getattr(model, "sklearn_model", model)
        wrong = differing(given, compiled, data, animal)
        if wrong:
            return Outcome(animal.name, target, "silent", wrong)
        lost = _lost(animal, data, labels, compiled)
    return Outcome(animal.name, target, "compiled", "", lost, compiled, model)


def _fitted(animal: Animal, rows: Any, labels: npt.NDArray[Any]) -> Any:
    model = animal.make()
    return model.fit(rows[:ROWS], labels[:ROWS])


def differing(model: Any, compiled: Compiled, data: Table, animal: Animal) -> str:
    """How the circuit differs from the model beyond the tolerance; empty where it does not."""
    space = data.space(compiled.circuit, animal.reading)
    names = tuple(column.name for column in data.codebook.columns) if animal.named else None
    codes = np.random.default_rng(2_026).integers(0, np.array(space.levels), (COMPARED, len(space.levels)))
    rows = space.values(codes)
    given: Any = rows
    if names is not None:
        import pandas as pd

        given = pd.DataFrame(rows, columns=list(names))
    outputs = evaluate_clear(compiled.circuit, gather_inputs(compiled.circuit, space.by_input(codes))).T
    decoder = compiled.decoder
    said, found = np.asarray(model.predict(given)).ravel(), np.asarray(decoder.predict(outputs)).ravel()
    if decoder.labels is None:
        off = float(np.abs(said - found).max() / np.ptp(said))
        return f"values off by {off:.3f} of their range" if not off <= OFF_SCORES else ""
    wrong = said.astype(str) != found.astype(str)
    if wrong.any() and hasattr(model, "predict_proba"):  # where two classes are equal, the last bit of a float decides
        top = np.sort(np.asarray(model.predict_proba(given)), axis=1)
        wrong &= top[:, -1] - top[:, -2] > TIED
    if wrong.mean() > OFF_LABELS:
        return f"{int(wrong.sum())} of {COMPARED} labels"
    if decoder.probabilities and hasattr(model, "predict_proba"):
        off = float(np.nanmax(np.abs(np.asarray(model.predict_proba(given)) - decoder.predict_proba(outputs))))
        return f"probabilities off by {off:.3f}" if not off <= OFF_SCORES else ""
    return ""


def _lost(animal: Animal, data: Table, labels: npt.NDArray[Any], compiled: Compiled) -> float | None:
    """Points, on held-out rows, against the same estimator on raw values; None for what has no labels of its own."""
    if animal.name == "IsolationForest" or animal.name.startswith("Concrete"):
        return None  # Concrete ML's float models read numbers of its own quantizers
    try:
        plain = _fitted(animal, data.read("values", animal.named), labels)
    except ValueError:  # counts and categories are not fitted on measurements
        return None
    held = slice(ROWS, ROWS + HELD_OUT)
    space = data.space(compiled.circuit, animal.reading)
    codes = np.stack(
        [
            _codes(data, number, encoding)[held]
            for number, encoding in enumerate(space.encodings)
        ],
        axis=1,
    )  # fmt: skip
    outputs = evaluate_clear(compiled.circuit, gather_inputs(compiled.circuit, space.by_input(codes))).T
    found = compiled.decoder.predict(outputs)
    said = plain.predict(data.read("values", animal.named)[held])
    return 100 * (_score(labels[held], said) - _score(labels[held], found))


def _codes(data: Table, number: int, encoding: str) -> I64:
    from ingestion.codes import affine_codes, bin_codes

    code = affine_codes if encoding == "affine" else bin_codes
    return code(data.codebook.columns[number], data.values[:, number])


def _score(truth: npt.NDArray[Any], found: Any) -> float:
    found = np.asarray(found).ravel()
    if truth.dtype.kind == "f":
        return 1.0 - float(np.sum((truth - found) ** 2) / np.sum((truth - truth.mean()) ** 2))
    return float(np.mean(truth.astype(str) == found.astype(str)))


def bootstraps(circuit: Circuit) -> int:
    """Lookups of a row."""
    return sum(len(layer.source) for layer in circuit.layers if isinstance(layer, Lookup))


def hundred_trees() -> Compiled:
    """XGBoost's 100 trees of depth 6, on the table of two classes."""
    data = table("two")
    model = xgb("XGBClassifier", n_estimators=100, max_depth=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data.read("bins", named=True), data.target == "yes")
        return from_model(model, data.codebook, fitted_on="bins")


def figures(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """The benchmark's numbers."""
    found = list(outcomes)
    names = list(dict.fromkeys(outcome.animal for outcome in found))
    right = {outcome.animal for outcome in found if outcome.verdict == "compiled"}
    not_all = {outcome.animal for outcome in found if outcome.verdict != "compiled"}
    lost = [outcome.lost for outcome in found if outcome.lost is not None]
    return {
        "animals": len(names),
        "runs": len(found),
        "compiled": len(right - not_all),
        "refused": len({outcome.animal for outcome in found if outcome.verdict == "refused"}),
        "silent": sum(outcome.verdict == "silent" for outcome in found),
        "foreign_exceptions": sum(outcome.verdict == "foreign" for outcome in found),
        "accuracy_lost_median": float(np.median(lost)) if lost else 0.0,
        "refused_runs": sum(outcome.verdict == "refused" for outcome in found),
        "labels_differing": sum(
            outcome.compiled.faithfulness.labels_differing
            for outcome in found
            if outcome.compiled is not None and outcome.compiled.faithfulness is not None
        ),
    }


def run(progress: Progress) -> dict[str, Any]:
    """All animals on all their tables: some minutes."""
    cases = [(animal, target) for animal in all_animals() for target in animal.targets]
    outcomes = []
    for number, (animal, target) in enumerate(cases):
        outcomes.append(tried(animal, target))
        progress(number + 1, len(cases) + 1)
    made = hundred_trees()
    assert made.faithfulness is not None
    return {
        **figures(outcomes),
        "bootstraps_per_row": bootstraps(made.circuit),
        "hundred_trees_labels_differing": made.faithfulness.labels_differing,
        "hundred_trees_rows_compared": made.faithfulness.rows,
    }
