"""A table like the census table "adult": as many rows, columns of these kinds, and about as hard to predict.

No copy of that table is at hand offline; ages, years of school, hours, gains and bits are drawn from distributions like
its own, and the income from a logistic model of them with a curve in it, so that no linear model is the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from app.custodian.noise import discrete_laplace
from app.protocol.data.dataset import Codebook
from app.protocol.data.description import DatasetCard
from app.protocol.data.manifest import Manifest
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import noise_scale_milli
from app.protocol.policy.leakage import Leakage
from app.protocol.vocabulary import Encoding
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.leakage import leakage_of
from ingestion.codebook import Built, build_codebook
from ingestion.codes import affine_codes, bin_codes, products_of
from ingestion.derive import derived
from ingestion.encrypt import encrypt_table
from ingestion.profile import profile_table
from ingestion.recipe import parse_recipe
from tests.support.custody import EncryptedDataset

ROWS = 48_842  # as the census table has
WORDS = 'title = "A"\ndescription = "A"\nlicense = "CC0-1.0"\ncreator = "A"\n'
NUMBERS = ("age", "school", "hours", "gain")
BITS = ("male", "married", "white", "public", "office")
RECIPE = (
    WORDS
    + """
[columns.age]
low = 17
high = 90
bins = [25.0, 30.0, 40.0, 50.0, 65.0]
[columns.school]
low = 1
high = 16
bins = [8.5, 9.5, 12.5, 13.5]
[columns.hours]
low = 1
high = 99
levels = 99
bins = [35.0, 40.5, 50.0]
[columns.gain]
low = 0
high = 20000
bins = [1.0, 5000.0, 7500.0]
"""
    + "".join(f'[columns.{name}]\nkind = "boolean"\n' for name in BITS)
    + """
[columns.rich]
kind = "boolean"
label = true
[products]
columns = ["age", "school", "hours", "gain", "male", "married", "white", "public", "office"]
bins = ["age", "school", "hours", "gain"]
"""
)


def adults(rows: int = ROWS, seed: int = 1) -> pl.DataFrame:
    """The table."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.gamma(6, 3.4, rows) + 17, 17, 90).round()
    school = np.clip(np.rint(rng.normal(10, 2.6, rows)), 1, 16)
    hours = np.clip(np.rint(rng.normal(40, 12, rows)), 1, 99)
    male = rng.random(rows) < 0.67
    married = rng.random(rows) < 0.35 + 0.4 * (age > 28) * male
    gain = np.where(rng.random(rows) < 0.083, rng.lognormal(8.3, 1.0, rows), 0).clip(0, 20_000).round()
    white, public = rng.random(rows) < 0.85, rng.random(rows) < 0.13
    office = rng.random(rows) < np.clip((school - 6) / 12, 0, 0.9)
    score = -8.4 + 0.03 * (age - 38) + 0.33 * school + 0.03 * hours + 2.3 * married + 0.2 * male + 0.0003 * gain
    score += 0.5 * office - 0.03 * public + 0.1 * white + (age > 30) - 0.0015 * (age - 45) ** 2
    rich = rng.random(rows) < 1 / (1 + np.exp(-score))
    frame = {"age": age, "school": school, "hours": hours, "gain": gain}
    bits = {"male": male, "married": married, "white": white, "public": public, "office": office, "rich": rich}
    return pl.DataFrame(frame | bits)


def built(frame: pl.DataFrame, folder: Path, recipe: str = RECIPE) -> Built:
    """Its codebook, by a recipe."""
    frame.write_csv(path := folder / "adults.csv")
    return build_codebook(profile_table(path), parse_recipe(recipe))


def sums_in_the_clear(circuit: Circuit, codebook: Codebook, frame: pl.DataFrame) -> I64:
    """What a job would release of these rows without noise (released,)."""
    outputs = evaluate_clear(circuit, gather_inputs(circuit, codes_of(codebook, frame))).sum(axis=0)
    return outputs if circuit.mix is None else circuit.mix.apply(outputs)


def codes_of(codebook: Codebook, frame: pl.DataFrame) -> Mapping[tuple[str, Encoding], I64]:
    """All published codes (rows,) by column and encoding, products too."""
    values = derived(codebook, frame)
    found: dict[tuple[str, Encoding], I64] = {}
    for column in codebook.columns:
        if column.affine is not None:
            found[column.name, "affine"] = affine_codes(column, values[column.name])
        if column.bins is not None:
            found[column.name, "bins"] = bin_codes(column, values[column.name])
    products = products_of(codebook, values)
    found |= {(name, "affine"): value.astype(np.int64) for name, value in products.items()}
    return found


@lru_cache(maxsize=16)
def _sensitivity(circuit: Circuit, codebook: Codebook) -> Leakage:
    return leakage_of(circuit, codebook)


def noised(circuit: Circuit, codebook: Codebook, sums: I64, epsilon: float) -> tuple[I64, float]:
    """(noised sums, the noise's scale) as the custodian adds it under this epsilon."""
    policy = OutputPolicy(release="aggregate", epsilon_micro_per_job=round(epsilon * 1e6))
    milli = noise_scale_milli(_sensitivity(circuit, codebook), policy)
    return discrete_laplace(sums, milli), milli / 1000


class EncryptedAdults(EncryptedDataset):
    """Some of the rows, published under the reference profile by the publisher's own code, products included."""

    def __init__(self, folder: Path, rows: int, policy: OutputPolicy) -> None:
        """As an EncryptedDataset."""
        self.frame = adults(rows)
        super().__init__(folder, rows=rows, policy=policy)

    def _publish(self, policy: OutputPolicy) -> Manifest:
        codebook = built(self.frame, self.folder).codebook
        made = encrypt_table(
            self.folder / "adults.csv", codebook, self.secret, self.profile, self.store, epoch=self.secret.epoch
        )
        card = DatasetCard(
            title="test", description="test", license="CC0-1.0", creator="test", published="2026-01-01", keywords=()
        )
        manifest = Manifest(card=card, table=made.table, policy=policy, preview=None, checks=made.checks)
        self._record(manifest, 1)
        return manifest
