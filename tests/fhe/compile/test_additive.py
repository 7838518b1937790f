"""Scorecards and boosted additive models run as one Linear over published bits."""

from __future__ import annotations

import numpy as np
import pytest

from app.protocol.errors import BadModel, NoiseOverflow
from fhe.compile import from_model
from fhe.compile.additive import AdditiveModel, Term, additive_model
from tests.support.model_cases import bootstraps, in_the_clear, table


def _model(link: str = "identity", seed: int = 2) -> AdditiveModel:
    """One term on each of five columns, on every second published edge."""
    rng = np.random.default_rng(seed)
    terms = []
    for column in table().codebook.columns[:5]:
        edges = (column.bins or ())[::2]
        weights = tuple(float(weight) for weight in rng.normal(size=len(edges) + 1))
        terms.append(Term(column=column.name, edges=edges, weights=weights))
    return AdditiveModel.model_validate(
        {"terms": tuple(terms), "intercept": 0.37, "link": link, "classes": ("no", "yes")}
    )


@pytest.mark.parametrize("n_bits", [4, 8, 12])
def test_scores_are_within_the_stated_bound(n_bits: int) -> None:
    """1,200 rows, from raw values on one side and bin codes on the other; finer weights, smaller error."""
    data, model = table(), _model()
    compiled = additive_model(model, data.codebook, n_bits=n_bits)
    found = compiled.decoder.predict(in_the_clear(compiled.circuit, data.codes, data.codebook))
    error = np.abs(found - model.scores(data.values[:, :5])).max()
    assert error <= model.error_bound(n_bits) + 1e-12
    assert error > model.error_bound(n_bits) / 1_000  # the bound is about this error, not about anything


def test_an_additive_model_takes_no_bootstrap() -> None:
    """One layer, only the bits it reads, and the same ranges that its weights say."""
    compiled = additive_model(_model(), table().codebook)
    assert len(compiled.circuit.layers) == 1
    assert bootstraps(compiled.circuit) == 0
    step = _model().step()
    low = round(0.37 / step) + sum(min(round(w / step) for w in term.weights) for term in _model().terms)
    high = round(0.37 / step) + sum(max(round(w / step) for w in term.weights) for term in _model().terms)
    assert compiled.report.bounds == ((low, high),)


def test_a_logit_link_gives_labels_and_probabilities() -> None:
    """The label is the likelier class, the probability the logistic function of the score."""
    data, model = table(), _model("logit")
    compiled = additive_model(model, data.codebook)
    outputs = in_the_clear(compiled.circuit, data.codes, data.codebook)
    scores = model.scores(data.values[:, :5])
    chance = compiled.decoder.predict_proba(outputs)
    np.testing.assert_allclose(chance[:, 1], 1 / (1 + np.exp(-scores)), atol=model.error_bound() / 4)
    sure = np.abs(scores) > model.error_bound()
    expected = np.where(scores > 0, "yes", "no")
    np.testing.assert_array_equal(compiled.decoder.predict(outputs)[sure], expected[sure])


def test_an_additive_model_is_a_document() -> None:
    """It travels as canonical JSON, so that a scorecard needs no program."""
    model = _model("logit")
    assert AdditiveModel.from_bytes(model.to_bytes()) == model
    compiled = from_model(model, table().codebook)
    assert compiled.decoder.model == "AdditiveModel"


def _with(**changes: object) -> AdditiveModel:
    model = _model()
    return model.model_copy(update={"terms": (model.terms[0].model_copy(update=changes), *model.terms[1:])})


def test_an_edge_that_is_not_published_is_refused_with_the_nearest() -> None:
    """The sentence names the column, the edge and its neighbours."""
    edges = table().codebook.columns[0].bins or ()
    between = (edges[10] + edges[11]) / 2
    with pytest.raises(BadModel) as refused:
        additive_model(_with(edges=(between,), weights=(0.0, 1.0)), table().codebook)
    for part in ("'c0'", f"{between:g}", f"{edges[10]:g}", f"{edges[11]:g}"):
        assert part in refused.value.message


@pytest.mark.parametrize(
    ("model", "words"),
    [
        pytest.param(_with(column="salary"), "no bins of column 'salary'", id="unknown-column"),
        pytest.param(_with(column="c1"), "two terms on one column", id="twice"),
        pytest.param(_with(edges=(), weights=()), "one weight more", id="no-weight"),
        pytest.param(_with(edges=(0.5, 0.1), weights=(1.0, 2.0, 3.0)), "increasing edges", id="unordered"),
        pytest.param(_with(weights=(float("nan"),) * 16), "not finite", id="not-finite"),
        pytest.param(AdditiveModel(terms=()), "no weights", id="empty"),
    ],
)
def test_a_malformed_additive_model_is_refused(model: AdditiveModel, words: str) -> None:
    """Each with a sentence that says what is wrong."""
    with pytest.raises(BadModel, match=words):
        additive_model(model, table().codebook)


def test_weights_finer_than_the_noise_are_refused() -> None:
    """24-bit weights on every edge would drown: the error says so instead of the result."""
    with pytest.raises(NoiseOverflow):
        additive_model(_model(), table().codebook, n_bits=22)
