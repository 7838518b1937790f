"""Products of published values: declared shortly, exact on real keys, counted in no limit, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.execution.source import StoreSource
from app.protocol.data.dataset import Codebook
from app.protocol.data.product import Factor, Product
from app.protocol.data.table import check_codebook, check_table
from app.protocol.errors import BadDocument, BadModel, BadRecipe
from app.protocol.policy.bits import row_micro_bits, source_micro_bits
from app.storage.folder import BlockStore
from fhe.ciphertexts.decrypt_sums import decrypt_sums
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.compile.check import check
from fhe.compile.sums import sum_circuit
from fhe.engine.evaluate import evaluate
from fhe.leakage import space_of
from fhe.profiles import REFERENCE
from ingestion.card import products_in_words
from ingestion.codebook import Built, build_codebook
from ingestion.codes import encode, encode_bins
from ingestion.encrypt import encrypt_table
from ingestion.layout import encoding_bytes
from ingestion.preview import preview
from ingestion.profile import profile_table
from ingestion.recipe import parse_recipe
from ingestion.report import report
from tests.support.custody import random_keys

WORDS = 'title = "A"\ndescription = "A"\nlicense = "CC0-1.0"\ncreator = "A"\n'
COLUMNS = """
[columns.age]
low = 0
high = 100
bins = [18.0, 40.0, 65.0]
[columns.cost]
low = 0
high = 255
[columns.sex]
kind = "category"
categories = ["f", "m"]
[columns.sick]
kind = "boolean"
label = true
"""
ALL = '[products]\ncolumns = ["age", "cost", "sex"]\nbins = ["age", "sex"]\n'
Built_ = Callable[[str], Built]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Some rows."""
    rng, path = np.random.default_rng(1), tmp_path / "t.csv"
    frame = {
        "age": rng.integers(0, 101, 50),
        "cost": rng.integers(0, 256, 50),
        "sex": rng.choice(["f", "m"], 50),
        "sick": rng.choice([True, False], 50),
    }
    pl.DataFrame(frame).write_csv(path)
    return path


@pytest.fixture
def built(table: Path) -> Built_:
    """The codebook of a recipe's [products]."""
    return lambda products: build_codebook(profile_table(table), parse_recipe(WORDS + COLUMNS + products))


def test_a_recipe_names_columns_and_gets_every_pair(built: Built_) -> None:
    """Pairs, squares but of bits, the label with all, the label with each bit; of one category's words no product."""
    names = [product.name for product in built(ALL).codebook.products]
    assert names == [
        "age * age", "age * cost", "age * sex=f", "age * sex=m", "age * sick", "cost * cost", "cost * sex=f",
        "cost * sex=m", "cost * sick", "sex=f * sick", "sex=m * sick", "age[0] * sick", "age[1] * sick",
        "age[2] * sick",
    ]  # fmt: skip


def test_products_are_summed_exactly_on_real_keys(built: Built_, table: Path, tmp_path: Path) -> None:
    """Encrypted by the publisher, summed by the provider, opened by the owner: the sums of the products of codes."""
    book, secret, store = built(ALL).codebook, random_keys(1), BlockStore(tmp_path / "store")
    whole = encrypt_table(table, book, secret, REFERENCE, store, epoch=1).table
    check_table(whole, REFERENCE.polynomial_size)
    wires = tuple(Input(product.name, "affine") for product in book.products)
    k = np.arange(len(wires))
    layer = Linear(27, np.arange(len(k) + 1), k, np.ones_like(k), 0 * k)
    plain = Circuit(REFERENCE.digest, book.digest, wires, (layer,), tuple(w.column for w in wires), Readout("value"))
    with pytest.raises(BadModel, match="summed over rows only"):
        check(plain, book, REFERENCE)
    circuit, source = sum_circuit(plain, book, REFERENCE), StoreSource(whole, REFERENCE, store)
    words = evaluate(circuit, REFERENCE, whole, source, 0, 50, None, threads=1).words.astype(np.uint64)
    sums = decrypt_sums(secret, REFERENCE, circuit, whole, source, 0, 50, words).sum(axis=1)
    frame = pl.read_csv(table)
    codes = dict(zip([c.name for c in book.columns], encode(book, frame).T, strict=True))
    ages = encode_bins(book, frame, ["age"])[:, 0]
    truth = []
    for product in book.products:
        one, other = (codes[f.column] if f.edge is None else (ages > f.edge).astype(np.int64) for f in product.factors)
        truth.append(int(one @ other))
    assert sums.tolist() == truth


def test_products_change_no_limit_and_no_preview(built: Built_) -> None:
    """What a row holds, how many sources there are, and what buyers rehearse on are the columns' alone."""
    plain, book = built("").codebook, built(ALL).codebook
    assert source_micro_bits(book) == source_micro_bits(plain)
    assert row_micro_bits(book) == row_micro_bits(plain)
    assert space_of(book).columns == space_of(plain).columns == 4
    assert book.source_names == plain.source_names
    assert preview(book, 5, 1).equals(preview(plain, 5, 1))
    assert "products" not in plain.to_bytes().decode()
    assert Codebook.from_bytes(book.to_bytes()) == book


def test_what_products_cost_is_told_before(built: Built_, table: Path) -> None:
    """Eight bytes a row each, in the profile, its warnings and the card."""
    book = built(ALL).codebook
    costs = encoding_bytes(book, 50)
    assert costs["age * age"] == {"affine": 2048 * 8}
    made = report(table, parse_recipe(WORDS + COLUMNS + ALL))
    assert made.as_json()["products"] == {"count": 14, "bytes": 14 * 2048 * 8}
    assert any("Products of columns: 14" in warning for warning in made.warnings)
    assert products_in_words(book).startswith("11 products of two codes, of age, cost, sex=f, sex=m, sick.")


@pytest.mark.parametrize(
    ("products", "match"),
    [
        ('columns = ["nobody"]', "nothing is published"),
        ('bins = ["cost"]', "published without bits"),
        ('bins = ["age"]\nlabels = []', "no column is a label"),
    ],
)
def test_products_that_cannot_be_are_refused(built: Built_, products: str, match: str) -> None:
    """With the name and what to do."""
    with pytest.raises(BadRecipe, match=match):
        built(f"[products]\n{products}\n")


def test_a_codebook_with_impossible_products_is_refused(built: Built_) -> None:
    """Of values that are not published, twice the same, with more values than a code has."""
    book = built("").codebook
    age, edge = Factor(column="age"), Factor(column="age", edge=3)
    for products, match in (
        ((Product(first=age, second=edge),), "not published"),
        ((Product(first=age, second=Factor(column="cost")), Product(first=Factor(column="cost"), second=age)), "twice"),
    ):
        with pytest.raises(BadDocument, match=match):
            check_codebook(book.model_copy(update={"products": products}))
    wide = book.columns[1].model_copy(update={"affine": book.columns[1].affine.model_copy(update={"levels": 1000})})  # type: ignore[union-attr]
    many = book.model_copy(
        update={
            "columns": (book.columns[0], wide),
            "sources": (),
            "products": (Product(first=age, second=Factor(column="cost")),),
        }
    )
    with pytest.raises(BadDocument, match="fewer levels"):
        check_codebook(many)
