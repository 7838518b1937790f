"""The owner's memory of persons: tags of every published row, and what a new table's persons were told about before.

Tags and records (`app.client.person_records`) never leave the actor's folder. Only the statement does: the greatest
charge in stretches of at least 2,048 rows (`ingestion.carry`). A person's charge is the sum of
- what jobs on earlier versions of the same dataset released, or may still: every job up to `carried_jobs`. The
  custodian counts a later one on every row, so no job falls between the statement and its transaction;
- for every other dataset of this home, on any market, all that it may ever release about the person, as long as its
  keys exist: else two datasets of one table, served side by side, would each spend a whole budget. Retiring its keys
  leaves what was released.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.client.counting import AppendedTagging, Counting, KeysHere, LedgerOf, Tagging, tag_file
from app.client.person_records import Counted, PersonRecords, PersonsRecord
from app.client.row_keys import RowKeyFiles
from app.files.locks import held
from app.home.home import Actor
from app.home.network import Network
from app.protocol.data.dataset import Carried
from app.protocol.errors import BadRecipe, NotAllowed, NotFound, TryAgain
from app.protocol.ids import Digest
from app.protocol.market.entities import DatasetRecord
from app.protocol.policy.bits import describe_bits
from fhe.arrays import U64
from ingestion.carry import carry
from ingestion.identity import Identity

if TYPE_CHECKING:
    from app.protocol.data.dataset import Codebook
    from ingestion.recipe import Recipe

_SCRATCH_S = 10  # seconds that a new folder has to be locked in


@dataclass(frozen=True)
class Survey:
    """The persons of a table that is about to be published: its tags, and the statement."""

    tags: Path  # in a scratch folder, until it is kept
    identity: Identity
    rows: int
    carried: tuple[Carried, ...]
    carried_jobs: int
    elsewhere: int
    counted: tuple[Counted, ...]
    seen: frozenset[str]  # manifests that were counted
    words: tuple[str, ...]  # what the owner should know before publishing

    @property
    def most(self) -> int:
        """Micro-bits that some row starts with."""
        return max((each.micro_bits for each in self.carried), default=0)


class Persons:
    """The persons of one owner's tables."""

    def __init__(
        self, actor: Actor, network: Network, ledger: LedgerOf, live: KeysHere, passphrase: Callable[[], str]
    ) -> None:
        self._files = PersonRecords(actor, passphrase)
        self.row_keys = RowKeyFiles(self._files)
        self._network, self._ledger, self._live = network, ledger, live
        self._market = f"{network.market.chain_id}:{network.market.address}"

    @contextmanager
    def survey(
        self,
        path: Path,
        recipe: Recipe,
        codebook: Codebook,
        dataset: DatasetRecord | None = None,
        *,
        append: bool = False,
    ) -> Iterator[Survey]:
        """Tag a table, check its persons and state what was released about them; `dataset`: whose next version it is.

        With `append` the rows of `path` come after those of the present version, whose tags are here.

        Errors: BadRecipe where a person has too many rows or none is named any more; BadTable; NotFound where tags of
        what was published before are missing; WrongPassphrase.
        """
        from ingestion.tags import check_persons

        rules = recipe.table
        named = Identity(person=rules.person, numbering=rules.numbering)
        identity = named if rules.person else Identity(codebook=codebook)
        with self._scratch() as scratch:
            made = (path, recipe.reading, identity, rules.rows_per_person, self._files.key, Path(scratch))
            tagging = AppendedTagging(*made, self._tags_of(dataset, identity)) if append and dataset else Tagging(*made)
            tags = tagging.tags(identity)
            if rules.person:
                check_persons(tags, rules.person, rules.rows_per_person)
            seen = frozenset(self._files.all())
            counting = Counting(self._network, self._market, self._files, self._ledger, self._live, tagging)
            if dataset is not None:
                counting.count_versions(dataset)
            counting.count_others(dataset)
            found, rows = counting.found, len(tags)
            others = carry(found.others, rows) if found.others else ()
            yield Survey(
                tags=Path(scratch) / tag_file(identity),
                identity=identity,
                rows=rows,
                carried=carry([*found.versions, *found.others], rows, everywhere=found.everywhere),
                carried_jobs=found.jobs,
                elsewhere=max((each.micro_bits for each in others), default=0),
                counted=tuple(
                    Counted(market=market, dataset=number, micro_bits=bits)
                    for (market, number), bits in sorted(found.limits.items())
                ),
                seen=seen,
                words=tuple(found.words),
            )

    def _tags_of(self, dataset: DatasetRecord, identity: Identity) -> U64:
        """The tags of a dataset's present rows, made as `identity` makes them. Errors: NotFound, BadRecipe."""
        record = self._files.all().get(dataset.manifest)
        if record is None:
            raise NotFound(f"The tags of dataset {dataset.id} are not here.", "Append where it was published.")
        if record.identity != identity:
            raise BadRecipe(
                f"Dataset {dataset.id} knows its persons by another column or numbering.",
                "Append by the recipe it was published by, or give the whole table: darkroom dataset update.",
            )
        return self._files.tags(record)

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        """A folder for tags that are not kept yet; those that killed processes left are removed first."""
        for left in self._files.folder.glob(".survey-*"):
            if time.time() - left.stat().st_mtime > _SCRATCH_S:
                with held(left / "lock") as mine:
                    if mine:
                        shutil.rmtree(left, ignore_errors=True)
        with (
            tempfile.TemporaryDirectory(prefix=".survey-", dir=self._files.folder) as scratch,
            held(Path(scratch) / "lock"),
        ):
            yield scratch

    def keep(
        self,
        survey: Survey,
        manifest: Digest,
        epoch: int,
        limit: int,
        *,
        row_key: str = "",
        key_bytes: int = 0,
        before: Digest | None = None,
    ) -> None:
        """Remember a surveyed version before its transaction is sent. `row_key`, `key_bytes`: of its row keys, if it
        has some; `before`: the version that it follows.

        Errors: TryAgain when another table was published from here since the survey, which did not count it.
        """
        earlier = self._files.all().get(before) if before else None
        record = PersonsRecord(
            manifest=manifest,
            market=self._market,
            dataset=0,
            version=0,
            epoch=epoch,
            identity=survey.identity,
            rows=survey.rows,
            carried=survey.carried,
            elsewhere=survey.elsewhere,
            counted=survey.counted,
            limit=limit,
            row_key=row_key,
            key_bytes=key_bytes,
            keys_offered=earlier.keys_offered if earlier else 0,
        )
        self._files.add(record, survey.tags)
        if set(self._files.all()) != survey.seen | {manifest}:
            self._files.remove(manifest)
            raise TryAgain("Another table was published from here meanwhile.", "Publish again: it will be counted.")

    def forget(self, manifest: str) -> None:
        """Forget a version whose transaction was not sent, or was refused."""
        self._files.remove(manifest)

    def settle(self, manifest: Digest, dataset: int, version: int) -> None:
        """Note what the chain calls a version that was kept."""
        self._files.write(self._files.all()[manifest].model_copy(update={"dataset": dataset, "version": version}))

    def elsewhere(self, dataset: DatasetRecord) -> int:
        """Micro-bits about some person of a dataset's present version that other datasets account for."""
        record = self._files.all().get(dataset.manifest)
        return record.elsewhere if record else 0

    def allow(self, dataset: DatasetRecord, limit: int) -> None:
        """Note that a dataset will be offered under a policy that sells so many micro-bits about a person.

        Errors: NotAllowed when another dataset that shares its persons counted on less.
        """
        record = self._files.all().get(dataset.manifest)
        if record is None:
            return
        for other in self._files.all().values():
            for each in other.counted:
                if (each.market, each.dataset) == (self._market, dataset.id) and each.micro_bits < limit:
                    raise NotAllowed(
                        f"Dataset {other.dataset} shares persons with this one, and counts on at most"
                        f" {describe_bits(each.micro_bits)} bits about each from here, not {describe_bits(limit)}.",
                        "Offer under a policy that sells less, or publish the other dataset again afterwards.",
                    )
        if limit > record.limit:
            self._files.write(record.model_copy(update={"limit": limit}))
