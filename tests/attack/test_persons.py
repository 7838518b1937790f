"""Nobody gets a fresh budget: whatever is done to a table between two publications, persons keep their charges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.protocol.errors import BadRecipe, BadTable, NotAllowed, NotFound, TryAgain
from app.protocol.market.entities import JobState
from app.protocol.policy.rules import spent_on
from tests.support.custody import NAMES
from tests.support.persons import BIT, BY_CODES, BY_KEY, LIMIT, ROWS, OwnersHome, chain_template, people, recipe

SPENT = 5 * BIT
KNOWN = slice(0, 100)  # rows about whose persons SPENT was released


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain to copy."""
    return chain_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def town(template: Path, tmp_path: Path) -> OwnersHome:
    """An owner's home on a chain of its own."""
    return OwnersHome(template, tmp_path)


def told(town: OwnersHome, frame: pl.DataFrame, how: str = BY_KEY) -> int:
    """A dataset, of whose first hundred rows' persons something was released."""
    number = town.publish(frame, recipe(how))
    town.released(number, 0, 100, SPENT, job=number)
    return number


def at(frame: pl.DataFrame, persons: pl.DataFrame) -> npt.NDArray[Any]:
    """Where the rows of these persons stand in a table."""
    places = {key: row for row, key in enumerate(frame["id"])}
    return np.array([places[key] for key in persons["id"]])


@pytest.mark.parametrize("how", [BY_KEY, BY_CODES], ids=["key", "codes"])
@pytest.mark.parametrize("change", ["front", "shuffled"])
def test_other_places_are_no_other_persons(town: OwnersHome, how: str, change: str) -> None:
    """Thirty rows in front, or another order, and each person still starts with what was released about them."""
    frame = people()
    number = told(town, frame, how)
    moved = (
        pl.concat([people(30, seed=2), frame]) if change == "front" else frame.sample(fraction=1, shuffle=True, seed=3)
    )
    town.update(number, moved, recipe(how))
    assert (town.starts(number)[at(moved, frame[KNOWN])] == SPENT).all()


def test_persons_are_told_apart_by_key(town: OwnersHome) -> None:
    """With a key only the block of those who were told about starts with a charge; without one, every row does."""
    frame = people()
    number = told(town, frame)
    town.update(number, frame)
    assert (town.starts(number) > 0).sum() == ROWS // 3
    assert town.table(number).carried_jobs == 0  # the chain knows no job of these
    number = told(town, people(seed=4), BY_CODES)
    town.update(number, people(seed=4), recipe(BY_CODES))
    assert (town.starts(number) == SPENT).all()


def test_a_dropped_column_is_no_fresh_budget(town: OwnersHome) -> None:
    """Neither as a new version nor as a dataset of its own does a table with fewer columns start fresh."""
    frame = people()
    number = told(town, frame, BY_CODES)
    town.update(number, frame.drop("c7"), recipe(BY_CODES, NAMES[:7]))
    assert (town.starts(number) == SPENT).all()
    again = town.publish(frame, recipe(BY_CODES, NAMES[:5]))
    assert (town.starts(again)[KNOWN] >= SPENT).all()


def test_a_person_who_left_comes_back_with_the_charges(town: OwnersHome) -> None:
    """Erased in one version and back in the next, a person starts with what the first one gave away."""
    frame = people()
    number = told(town, frame)
    erased, rest = frame[:10], frame[10:]
    town.update(number, rest)
    town.released(number, 0, 50, BIT, version=2, job=99)
    back = pl.concat([rest, erased])
    town.update(number, back)
    assert (town.starts(number)[at(back, erased)] == SPENT).all()
    assert (town.starts(number)[at(back, rest[:50])] == SPENT + BIT).all()  # charges of two versions add


def test_keys_given_anew_are_no_fresh_budget(town: OwnersHome) -> None:
    """Where not one key is found again, every row starts with the most; and a recipe may not stop to name persons."""
    frame = people()
    number = told(town, frame)
    renamed = frame.with_columns(id=pl.lit("new ") + pl.col("id"))
    town.update(number, renamed)
    assert (town.starts(number) == SPENT).all()
    with pytest.raises(BadRecipe, match="names the person of a row by its column 'id'"):
        town.update(number, frame, recipe(BY_CODES))


def test_new_keys_of_a_dataset_are_no_fresh_budget(town: OwnersHome) -> None:
    """Under a new epoch persons start with what was released under the old one, whose keys are then destroyed."""
    frame = people()
    number = told(town, frame)
    town.next_epoch(number)
    town.owner.update(number, town.file(frame), recipe(), rotate=True)
    town.owner.retire(number, 1)
    assert (town.market.dataset(number).epoch, town.starts(number)[0]) == (2, SPENT)
    town.update(number, frame)
    assert town.starts(number)[0] == SPENT


def test_rows_that_turn_out_to_be_one_person_add_up(town: OwnersHome) -> None:
    """Where a version told rows apart and the next one names persons of two rows, these may have been told both."""
    frame = people()
    number = told(town, frame, BY_CODES)
    pairs = frame.with_columns(id=pl.Series([f"pair {row // 2}" for row in range(ROWS)]))
    with pytest.raises(BadRecipe, match="have more rows than rows_per_person = 1 says; one has 2"):
        town.update(number, pairs)
    town.update(number, pairs, recipe(BY_KEY + "rows_per_person = 2\n"))
    assert (town.starts(number) == 2 * SPENT).all()
    assert town.table(number).rows_per_person == 2


@pytest.mark.parametrize(
    ("how", "second"), [(BY_KEY, "here"), (BY_CODES, "here"), (BY_KEY, "market")], ids=["key", "codes", "market"]
)
def test_publishing_twice_sells_nobody_twice(town: OwnersHome, how: str, second: str) -> None:
    """The second dataset starts with all that the first may ever sell, on another market of this home too; once the
    first one's keys are destroyed, with what it released.
    """
    frame = people()
    number = told(town, frame, how)
    owner = town.owner if second == "here" else town.elsewhere()
    both = pl.concat([people(seed=9), frame])
    again = town.publish(both, recipe(how), owner)
    assert (town.starts(again, owner)[at(both, frame)] == LIMIT).all()
    assert (town.starts(again, owner)[: ROWS - 2048] == 0).all()  # others start fresh
    with pytest.raises(NotAllowed, match="not one license is left"):
        owner.offer(again, recipe(how).policy, recipe(how).offer)

    town.owner.retire(number, 1)
    after = town.publish(frame, recipe(how), owner)
    starts = town.starts(after, owner)
    assert starts.max() == SPENT  # and nothing of the second one, which had nothing left to sell of them
    assert (starts[KNOWN] == SPENT).all()


def test_an_owner_sells_more_by_their_own_word_only(town: OwnersHome) -> None:
    """A second dataset with a larger limit sells the difference, and then the first cannot be offered at more."""
    frame = people()
    number = town.publish(frame)
    more = recipe(policy=f"micro_bits_per_person = {LIMIT + 8 * BIT}\n")
    again = town.publish(frame, more)
    assert (town.starts(again) == LIMIT).all()
    with pytest.raises(
        NotAllowed, match=f"Dataset {again} shares persons with this one, and counts on at most 16 bits"
    ):
        town.owner.offer(number, more.policy, more.offer)
    with pytest.raises(NotAllowed, match="told, or may yet tell, 16 of the 16 bits"):
        town.owner.offer(again, recipe().policy, more.offer)


def test_other_numberings_are_other_persons(town: OwnersHome) -> None:
    """Equal keys of another numbering, and other persons of the same columns, start fresh."""
    frame = people()
    told(town, frame)
    other = people(seed=8).with_columns(frame["id"])
    assert (town.starts(town.publish(other, recipe(BY_KEY + 'numbering = "clinic b"\n'))) == 0).all()
    assert (town.starts(town.publish(people(seed=7))) == 0).all()


def test_a_job_between_statement_and_transaction_counts_on_every_row(town: OwnersHome) -> None:
    """Opened after the count and before the new version, a job is charged to all persons of the new version."""
    frame = people()
    how = recipe()
    number = town.publish(frame, how)
    license = town.license(number, how)
    early = town.open(number, license, (0, 50))
    with town.owner.plan(town.file(frame), how, number) as plan:
        late = town.open(number, license, (50, 90), bias=1)
        town.owner.update(number, plan.path, how, rotate=False, plan=plan)
    table = town.table(number)
    assert (table.carried_jobs, town.starts(number).max()) == (early, BIT)  # an open job counts in full
    for job in (early, late):
        town.serve(job)
        assert town.market.job(job).state is JobState.SETTLED
    history = town.owner.ledger().history(number)
    assert {entry.job: entry.micro_bits for entry in history} == {early: BIT, late: BIT}
    assert spent_on(table, history, 2, 0, 50) == 2 * BIT
    assert spent_on(table, history, 2, ROWS - 1, ROWS) == BIT  # the late one, on a row that it did not touch


def test_a_job_that_is_not_final_counts_on_every_row(town: OwnersHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reorganisation may give its number to another job, so the statement does not claim to have counted it."""
    frame, how = people(), recipe()
    number = town.publish(frame, how)
    license = town.license(number, how)
    sure = town.open(number, license, (0, 50))
    last = town.market.block_number
    town.open(number, license, (50, 90), bias=1)
    monkeypatch.setattr(EmbeddedChain, "finalized", lambda chain: chain.block(last))
    town.update(number, frame)
    assert (town.table(number).carried_jobs, town.starts(number).max()) == (sure, BIT)


def test_a_lost_ledger_forgets_nobody(town: OwnersHome) -> None:
    """What the chain says was released, and jobs whose circuit is nowhere, count in full without the ledger."""
    frame, how = people(), recipe()
    number = town.publish(frame, how)
    license = town.license(number, how)
    town.serve(town.open(number, license, (0, 50)))
    town.owner.actor.path("ledger.sqlite").unlink()
    town.open(number, license, (3000, 3010), bias=2, keep=False)
    town.update(number, frame)
    starts = town.starts(number)
    assert (starts[0], starts[3000], starts[-1]) == (BIT, how.policy.micro_bits_per_license, 0)


def test_two_publications_at_once_do_not_miss_each_other(town: OwnersHome) -> None:
    """A table that was published between another's count and its transaction makes that one be counted again."""
    frame = people()
    keys = town.keys()
    with town.owner.plan(town.file(frame, "same.parquet"), recipe()) as plan:
        number = town.publish(
            frame.reverse()
        )  # another table: keyrings here share their keys, and equal tables are equal
        with pytest.raises(TryAgain, match="published from here meanwhile"):
            town.owner.publish(plan.path, recipe(), keys=keys, plan=plan)
    assert town.market.dataset_count() == number
    again = town.owner.publish(plan.path, recipe(), keys=keys).sent.value
    assert (town.starts(again) == LIMIT).all()


def test_a_table_that_changes_after_the_count_is_not_published(town: OwnersHome) -> None:
    """Persons who come into the file between the count and the transaction are not published uncounted."""
    keys = town.keys()
    with town.owner.plan(town.file(people()), recipe()) as plan:
        town.file(people(seed=2))
        with pytest.raises(BadTable, match="changed while it was published"):
            town.owner.publish(plan.path, recipe(), keys=keys, plan=plan)
    assert town.market.dataset_count() == 1  # the stranger's


def test_without_tags_nothing_more_is_published(town: OwnersHome) -> None:
    """Lost tags, or a lost secret of the tags, are no fresh start: publishing waits for them, or for the keys' end."""
    frame = people()
    number = town.publish(frame)
    folder, secret = town.owner.actor.path("persons"), town.owner.actor.path("persons.key")
    secret.rename(kept := secret.with_name("kept"))
    with pytest.raises(NotFound, match=r"tags but no persons\.key"):
        town.publish(frame, owner=town.restarted())
    kept.rename(secret)
    for file in list(folder.iterdir()):
        file.unlink()
    with pytest.raises(NotFound, match=f"Dataset {number} is served from here, but the tags"):
        town.publish(people(seed=2))
    town.owner.retire(number, 1)
    assert (town.starts(town.publish(people(seed=2))) == 0).all()


def test_tags_and_keys_stay_at_home(town: OwnersHome) -> None:
    """No published byte holds a tag, the secret of the tags or a person's key; the files are the owner's alone."""
    number = town.publish(people())
    record = town.market.dataset(number)
    folder = town.owner.actor.path("persons")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in folder.iterdir())
    assert {file.suffix for file in folder.iterdir()} == {".npy", ".json"}
    tags = np.load(folder / f"{record.manifest}.npy")
    assert tags.nbytes == 8 * ROWS
    published = b"".join(
        file.read_bytes() for file in sorted(town.folder.joinpath("store").rglob("*")) if file.is_file()
    )
    assert len(published) > 8 * ROWS * len(NAMES)
    assert not any(tag.tobytes() in published for tag in tags[:50])
    assert b"p1-" not in published
    assert b'"id"' not in published
