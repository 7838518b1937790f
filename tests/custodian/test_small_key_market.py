"""Bins under the small key through the whole market: published, compiled for, computed, released and audited."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import ExtraTreesClassifier

import fhe.profiles
from app.auditor.audit import Auditor
from app.auditor.report import CheckStatus
from app.chain.evm.embedded import EmbeddedChain
from app.policy.explain import explain
from app.protocol.data.listing import published
from app.protocol.data.manifest import Manifest
from app.protocol.errors import BadModel
from app.protocol.market.receipt import OutputPolicy
from fhe.arrays import I64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.circuit import Circuit, Lookup
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.circuit.compatible import check_dataset
from fhe.compile import from_model
from fhe.compile.sums import sum_circuit
from fhe.engine.output import OutputStage
from fhe.profiles import insecure_test_profile
from ingestion.publish import prepare
from ingestion.recipe import parse_recipe
from tests.support.custodian_chain import CustodianOnChain, agent_of
from tests.support.custody import EDGES, NAMES, OPEN_POLICY, MarketInMemory
from tests.support.market import open_market, set_stage

PROFILE = insecure_test_profile(polynomial_size=512)
ROWS = 60
RECIPE = """
title = "Measurements"
description = "Rows for tests."
license = "https://example.org/terms"
creator = "A laboratory"

[table]
bins_for = "{bins_for}"
""" + "".join(f"\n[columns.{name}]\nlow = 0\nhigh = 255\nlevels = 256\nbins = {list(EDGES)}\n" for name in NAMES)


class PublishedMarket(MarketInMemory):
    """The market in memory over a table that was published as an owner publishes it."""

    bins_for = "trees"

    def _publish(self, policy: OutputPolicy) -> Manifest:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / "t.parquet"
        pl.DataFrame({name: column.astype(np.float64) for name, column in zip(NAMES, self.codes.T)}).write_parquet(path)
        recipe = parse_recipe(RECIPE.format(bins_for=self.bins_for)).model_copy(update={"policy": policy})
        prepared = prepare(
            path,
            recipe,
            self.secret,
            self.profile,
            self.store,
            epoch=1,
            published="2026-11-28",
            evaluation_key_cid=self.evaluation_key,
        )
        self._record(prepared.manifest, 1)
        return prepared.manifest


def bin_codes(world: MarketInMemory) -> I64:
    """How many edges are not above each value, (rows, columns)."""
    found: I64 = (world.codes[:, :, None] >= np.array(EDGES)).sum(axis=2)
    return found


def scores(world: MarketInMemory, circuit: Circuit) -> I64:
    """The circuit's outputs (outputs, rows) in the clear."""
    codes = {(name, "bins"): column for name, column in zip(NAMES, bin_codes(world).T)}
    return evaluate_clear(circuit, gather_inputs(circuit, codes)).T  # type: ignore[arg-type]


def test_a_forest_is_sold_computed_released_and_audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the real contracts, with two executors: the buyer opens the forest's scores, and every claim is confirmed."""
    monkeypatch.setattr(fhe.profiles, "PROFILES", (*fhe.profiles.PROFILES, PROFILE))
    world = PublishedMarket(tmp_path, rows=ROWS, insecure=PROFILE)
    table = world.manifest.table
    assert published(table) == {(name, encoding) for name in NAMES for encoding in ("affine", "lwe-bins")}
    sizes = {
        file.encoding: check.bytes / (PROFILE.polynomial_size * (len(EDGES) if file.encoding == "lwe-bins" else 1))
        for file, check in zip(table.shards[0].files, world.manifest.checks, strict=True)
    }
    assert sizes == {"affine": 8.0, "lwe-bins": 2.0}

    codes = bin_codes(world)
    labels = (codes[:, 0] + codes[:, 3] > codes[:, 5]).astype(int)
    model = ExtraTreesClassifier(n_estimators=4, max_depth=3, random_state=0).fit(codes, labels)
    compiled = from_model(model, table.codebook, PROFILE, fitted_on="bins", lwe_bins=True)
    assert any(isinstance(layer, Lookup) and layer.bits() == 4 for layer in compiled.circuit.layers)
    told = explain(compiled.circuit, table, PROFILE, world.manifest.policy, 40)
    packed = from_model(model, table.codebook, PROFILE, fitted_on="bins")
    before = explain(packed.circuit, table, PROFILE, world.manifest.policy, 40)
    assert (told.rank, told.micro_bits, told.reason) == (before.rank, before.micro_bits, None)

    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    stage = set_stage(open_market(chain, tmp_path / "deployment.json"))
    stage.publish(world.records[1])
    scene = CustodianOnChain(world, stage, 0, agent_of(stage, world, world.ledger))
    scene.license = scene.sell(OPEN_POLICY)
    job = scene.compute(compiled.circuit)
    outcomes = {outcome.job: outcome for outcome in scene.agent.step()}
    assert outcomes[job].what == "done", outcomes
    report = Auditor(stage.market, world.store).audit(job)
    assert report.confirmed, [check for check in report.checks if check.status is not CheckStatus.CONFIRMED]
    used = {wire.column for wire in compiled.circuit.inputs}
    assert any(check.detail == f"{len(used)} files" for check in report.checks)

    record = stage.market.job(job)
    world.chain.jobs[job] = record
    world.chain.address, world.chain.chain_id = stage.market.address, stage.market.chain_id
    world.chain.datasets[1, record.version] = stage.market.dataset(scene.stage.dataset)
    assert np.array_equal(world.opened(job).values, scores(world, compiled.circuit)[:, :40])
    chain.close()


class BothForms(PublishedMarket):
    """The same with every bin in both forms."""

    bins_for = "both"


def test_circuits_of_the_other_form_are_refused_before_anyone_pays(tmp_path: Path) -> None:
    """A dataset of one form refuses circuits on the other; one of both takes either, sums too; codes are the same."""
    trees, both = (kind(tmp_path / kind.__name__, rows=20, insecure=PROFILE) for kind in (PublishedMarket, BothForms))
    codes, table = bin_codes(trees), trees.manifest.table
    model = ExtraTreesClassifier(n_estimators=3, max_depth=3, random_state=0).fit(
        codes, codes[:, 0] + codes[:, 3] > codes[:, 5]
    )
    packed, small = (
        from_model(model, table.codebook, PROFILE, fitted_on="bins", lwe_bins=lwe).circuit for lwe in (False, True)
    )
    check_dataset(small, table)
    with pytest.raises(BadModel, match="packed bins of column"):
        check_dataset(packed, table)
    assert both.manifest.table.codebook == table.codebook
    for circuit in (packed, small):
        job = both.job(circuit, rows=5)
        output = OutputStage.from_bytes(both.compute(job).output)
        found = decrypt_lookups(both.secret, PROFILE, circuit, 5, output)
        assert np.array_equal(found, scores(both, circuit)[:, :5])
        sums = replace(sum_circuit(circuit, table.codebook, PROFILE), block=2)
        output = OutputStage.from_bytes(both.compute(both.job(sums, rows=5)).output)
        found = decrypt_lookups(both.secret, PROFILE, sums, 3, output)
        half = 1 << circuit.layers[-1].width  # type: ignore[union-attr]
        wanted = np.add.reduceat(scores(both, circuit)[:, :5], [0, 2, 4], axis=1)
        assert np.array_equal(found, (wanted + half) % (2 * half) - half)  # read modulo the width
    plain = both.manifest.table.model_copy(update={"evaluator": "darkroom-canonical-1"})
    with pytest.raises(BadModel, match="darkroom-canonical-1"):
        check_dataset(small, plain)
