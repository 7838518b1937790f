"""Row keys: sold by name, they travel only inside sealed results, follow versions, and are nowhere else."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from app.client.buyer import Buyer
from app.client.row_keys import BLOCK_ROWS
from app.client.run import joined
from app.execution.inputs import seal_context
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadKey, BadRecipe, BadSeal, BadTable, NotAllowed, NotFound, Unavailable
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import SealedResult
from app.seal.keys import SealingKey
from app.seal.result import Result, open_result
from app.storage.cid import digest_to_cid
from ingestion.recipe import Recipe
from ingestion.row_keys import read_key_column
from tests.support.custody import BUYER_KEY, random_keys
from tests.support.persons import OwnersHome, chain_template, people
from tests.support.persons import recipe as recipe_of

KEYED = 'rest = "drop"\nperson = "id"\nrow_key = "customer"\n'
MARK = "customer-no-"  # in every key, and nowhere else


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain to copy."""
    return chain_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def town(template: Path, tmp_path: Path) -> OwnersHome:
    """An owner's home."""
    return OwnersHome(template, tmp_path)


def named(rows: int, seed: int = 1, start: int = 0) -> pl.DataFrame:
    """People with a key each, with zeros in front."""
    return people(rows, seed).with_columns(
        pl.Series("customer", [f"{MARK}{number:04}" for number in range(start, start + rows)])
    )


def selling(width: int = 20, table: str = KEYED) -> Recipe:
    """A recipe whose policy sells keys of so many bytes."""
    return recipe_of(table, policy=f"row_keys = {width}\n" if width else "")


def sealed(town: OwnersHome, job: int) -> tuple[SealedResult, bytes]:
    """What lies in the store of a job's result."""
    found = town.market.job(job)
    assert found.state is JobState.SETTLED, (found.state, found.reason)
    document = SealedResult.from_bytes(town.store.read(digest_to_cid(found.sealed), limit=MAX_DOCUMENT_BYTES))
    return document, town.store.read(document.ciphertext_cid, limit=1 << 20)


def opened(town: OwnersHome, job: int, private: bytes = BUYER_KEY) -> Result:
    """What the holder of a private key reads of a job's result."""
    found, market = town.market.job(job), town.market
    manifest = market.dataset_version(found.dataset, found.version).manifest
    context = seal_context(market.chain_id, market.address, found, manifest)
    return open_result(*sealed(town, job), private, context)


def test_keys_reach_the_buyer_and_nobody_else(town: OwnersHome, caplog: pytest.LogCaptureFixture) -> None:
    """The buyer reads each row's key beside its answer; no store, chain, ledger, journal, file at home or log has one,
    and another key opens nothing.
    """
    caplog.set_level(logging.DEBUG)
    table = town.publish(named(60), selling())
    license = town.license(table, selling())
    job = town.open(table, license, (7, 40))
    town.serve(job)
    result = opened(town, job)
    assert result.row_keys() == [f"{MARK}{number:04}" for number in range(7, 40)]
    assert result.header.key_bytes == 20
    assert MARK not in repr(result)
    assert MARK not in caplog.text
    source = town.folder / "table.parquet"
    holders = [
        file
        for file in town.folder.rglob("*")
        if file.is_file() and file != source and MARK.encode() in file.read_bytes()
    ]
    assert holders == []
    with pytest.raises(BadSeal):
        opened(town, job, random_keys(3).glwe[:32].tobytes())
    (keys,) = town.owner.actor.path("persons").glob("*.keys")
    assert keys.stat().st_mode & 0o777 == 0o600


def test_keys_are_shown_beside_what_they_name(town: OwnersHome) -> None:
    """The buyer's client shows a result's keys, also of several jobs read as one; parts with and without do not mix."""
    table = town.publish(named(60), selling())
    license = town.license(table, selling())
    jobs = [town.open(table, license, rows) for rows in ((0, 25), (25, 60))]
    for job in jobs:
        town.serve(job)
    buyer = Buyer(town.owner.network, town.home.actor("buyer", create=True), town.stage.buyer)
    opened = [buyer.open_result(job, SealingKey.of(BUYER_KEY)) for job in jobs]
    wanted = [f"{MARK}{number:04}" for number in range(60)]
    assert opened[1].to_polars()["row_key"].to_list() == wanted[25:]
    assert opened[1].to_polars().columns[:2] == ["row", "row_key"]
    whole = joined([each.result for each in opened])
    assert whole.row_keys() == wanted
    assert whole.values[0, 25:].tolist() == opened[1].result.values[0].tolist()
    bare = Result(whole.header.model_copy(update={"key_bytes": 0}), whole.values)
    with pytest.raises(NotAllowed, match="different ways"):
        joined([whole, bare])


def test_a_policy_that_does_not_sell_keys_never_gives_them(town: OwnersHome) -> None:
    """Also where the owner's home has keys. An answer given again under a policy with keys has them, for no bits."""
    table = town.publish(named(60), selling())
    plain = town.open(table, town.license(table, selling(0)), (0, 30))
    town.serve(plain)
    assert opened(town, plain).keys is None
    again = town.open(table, town.license(table, selling()), (0, 30))
    town.serve(again)
    assert opened(town, again).values.tolist() == opened(town, plain).values.tolist()
    assert opened(town, again).row_keys() == [f"{MARK}{number:04}" for number in range(30)]
    assert [entry.micro_bits for entry in town.owner.ledger().history(table)] == [1_000_000, 0]


def test_lengths_say_nothing(town: OwnersHome) -> None:
    """Results of equal shape have equal lengths, however long their rows' keys are."""
    frame = named(60).with_columns(pl.Series("customer", ["k" * (1 + row // 30 * 15) for row in range(60)]))
    table = town.publish(frame, selling())
    license = town.license(table, selling())
    lengths = []
    for rows in ((10, 30), (30, 50)):
        job = town.open(table, license, rows)
        town.serve(job)
        lengths.append(len(sealed(town, job)[1]))
        assert {len(key) for key in opened(town, job).row_keys() or ()} == {1 + rows[0] // 30 * 15}
    assert lengths[0] == lengths[1]


def test_keys_follow_appends_and_new_versions(town: OwnersHome) -> None:
    """Rows keep their keys when others are appended, in a block or beyond it; a new version has its own."""
    files = town.owner.persons.row_keys
    secret = random_keys(1)
    table = town.publish(named(BLOCK_ROWS + 10), selling())
    more = named(20, 2, 9000).with_columns(pl.lit("longer-").alias("customer") + pl.col("customer"))
    town.owner.update(table, town.file(more, "more.parquet"), selling(0), append=True)
    present = town.market.dataset(table).manifest
    around = files.read(secret, present, BLOCK_ROWS - 1, 15).tolist()
    assert [key.decode() for key in around] == [
        *(f"{MARK}{number:04}" for number in range(BLOCK_ROWS - 1, BLOCK_ROWS + 10)),
        *(f"longer-{MARK}{number}" for number in range(9000, 9004)),
    ]
    first = town.market.dataset_version(table, 1).manifest
    assert files.read(secret, first, 0, 1).tolist() == [f"{MARK}0000".encode()]
    town.update(table, named(30, 3, 5000), selling())
    assert files.read(secret, town.market.dataset(table).manifest, 29, 1).tolist() == [f"{MARK}5029".encode()]
    with pytest.raises(NotFound):
        files.read(secret, first, BLOCK_ROWS, 11)


def test_what_is_refused_before_anything_is_made(town: OwnersHome) -> None:
    """Keys that are missing, too long, published too, or taken away from those who were promised them."""
    frame = named(30)
    gone = frame.with_columns(pl.when(pl.col("customer") != f"{MARK}0004").then(pl.col("customer")).alias("customer"))
    for table, how, words in (
        (gone, selling(), "'customer' is empty in 1 rows"),
        (frame.with_columns(pl.lit("a\x00b").alias("customer")), selling(), "cannot be shown in 30 rows"),
        (frame.with_columns(pl.lit("é" * 65).alias("customer")), selling(), "takes 130 bytes; at most 128"),
        (frame, selling(15), "takes 16 bytes; 15 are sold"),
        (frame, selling(16, 'rest = "drop"\n'), "no column has them"),
        (frame, selling(16, KEYED.replace("customer", "c0")), "and is published too"),
        (frame, selling(129), "row_keys must be from 0 to 128"),
        (
            frame,
            recipe_of(KEYED, policy='row_keys = 16\nrelease = "aggregate"\nepsilon_micro_per_job = 1000\n'),
            "an aggregate names no row",
        ),
    ):
        with pytest.raises(BadRecipe, match=words) as refused:
            town.publish(table, how)
        assert MARK not in str(refused.value)
    with pytest.raises(BadRecipe, match="does not have"):
        town.publish(frame, selling(16, KEYED.replace("customer", "nobody")))
    assert not list(town.owner.actor.path("persons").glob("*.*"))

    number = town.publish(frame, selling())
    with pytest.raises(NotAllowed, match="takes 16 bytes, and this policy sells 15"):
        town.license(number, selling(15))
    town.license(number, selling(18))
    with pytest.raises(BadRecipe, match="this recipe names none"):
        town.update(number, frame, recipe_of())
    longer = frame.with_columns(pl.col("customer") + "abc")
    with pytest.raises(BadRecipe, match="takes 19 bytes; 18 are sold"):
        town.update(number, longer, selling(20))
    assert town.market.dataset(number).version == 1
    plain = town.publish(people(30, 5))
    with pytest.raises(NotAllowed, match="published without"):
        town.license(plain, selling())
    with pytest.raises(BadRecipe, match="other row keys, or none"):
        town.owner.update(plain, town.file(named(5, 6)), selling(), append=True)


def test_a_job_whose_keys_are_lost_waits(town: OwnersHome) -> None:
    """Nothing is charged, decrypted or released without the keys that were promised; with them it goes on."""
    table = town.publish(named(60), selling())
    job = town.open(table, town.license(table, selling()), (0, 30))
    town.stage.execute(town.store, job)
    (file,) = town.owner.actor.path("persons").glob("*.keys")
    kept = file.read_bytes()
    file.unlink()
    with pytest.raises(NotFound, match="not on this machine"):
        town.owner.custodian().process(job)
    assert town.market.job(job).state is JobState.COMPUTED
    assert town.owner.ledger().history(table) == []
    file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    record = town.market.dataset(table).manifest
    with pytest.raises(BadKey):
        town.owner.persons.row_keys.read(random_keys(1), record, 0, 30)
    with pytest.raises(BadKey):
        town.owner.persons.row_keys.read(random_keys(2), record, 0, 30)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Unavailable("no chain")])
def test_what_is_not_published_leaves_no_keys(
    town: OwnersHome, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | BaseException
) -> None:
    """Keys of a version that a failure or a kill cut short go, at once or with the next look, and it is published."""
    keys, folder = town.keys(), town.owner.actor.path("persons")
    path, keep = town.file(named(30)), town.owner.persons.keep

    def fail(*_args: object, **_more: object) -> None:
        assert list(folder.glob("*.keys"))
        raise error

    monkeypatch.setattr(town.owner.persons, "keep", fail)
    with pytest.raises((KeyboardInterrupt, Unavailable)):
        town.owner.publish(path, selling(), keys=keys)
    monkeypatch.setattr(town.owner.persons, "keep", keep)
    town.owner.unfinished.settle()
    assert not list(folder.glob("*.keys"))
    town.owner.publish(path, selling(), keys=keys)
    assert len(list(folder.glob("*.keys"))) == 1


def test_keys_are_read_as_they_are_written(tmp_path: Path) -> None:
    """Zeros in front stay; a table that changes under the reader is noticed."""
    path = tmp_path / "t.csv"
    path.write_text("k,x\n0071,1\n 12.0 ,2\n")
    found = read_key_column(path, recipe_of().reading, "k")
    assert [key.decode() for key in next(found.blocks()).tolist()] == ["0071", "12.0"]
    path.write_text("k,x\n0071,1\nlonger,2\n")
    with pytest.raises(BadTable, match="changed"):
        list(found.blocks())
