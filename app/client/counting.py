"""What the persons of a new table were told about before: earlier versions and other datasets, matched by tags.

`ingestion.carry` joins tags and adds charges; here is decided which versions count, for how much, and on which rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.client.charges import JobCharge, job_charges, ledger_charges, sold_limit
from app.client.person_records import PersonRecords, PersonsRecord
from app.home.network import Network
from app.protocol.data.table import MAX_ROWS
from app.protocol.errors import BadRecipe, NotFound
from app.protocol.ids import Digest
from app.protocol.market.entities import DatasetRecord
from app.protocol.policy.bits import describe_bits
from fhe.arrays import U64
from ingestion.carry import Charge, Earlier, most_charged, shared
from ingestion.identity import Identity

if TYPE_CHECKING:
    from app.custodian.ledger import Ledger
    from ingestion.read import Reading

LedgerOf = Callable[[str], "Ledger"]  # the custodian's ledger of a market (chain id and contract)
KeysHere = Callable[[Digest, int], bool]  # whether the keys of an epoch, for the ciphertexts of a manifest, are here


@dataclass
class Tagging:
    """One table's tags, made under each identity that is asked for, once."""

    path: Path
    reading: Reading
    identity: Identity
    rows_per_person: int
    key: bytes
    folder: Path

    def comparable(self, earlier: Identity) -> Identity | None:
        """How this table is tagged so that its tags can be compared with an earlier one's; None when it cannot be."""
        from ingestion.tags import taggable

        if earlier.person and self.identity.person:
            return self.identity if earlier.numbering == self.identity.numbering else None
        return earlier if taggable(earlier, self.path, self.reading) else None

    def tags(self, identity: Identity) -> U64:
        """This table's tags under an identity. Errors: BadTable."""
        from ingestion.tags import read_tags, write_tags

        file = self.folder / tag_file(identity)
        if not file.is_file():
            write_tags(self.path, self.reading, {file: identity}, self.key)
        return read_tags(file)


@dataclass
class AppendedTagging(Tagging):
    """Tags of a table to which rows are appended: those of its present version are kept, the new rows' are made."""

    old: U64

    def comparable(self, earlier: Identity) -> Identity | None:
        """As for a whole table. Errors: BadRecipe where the rows that are not at hand would have to be tagged anew."""
        made = super().comparable(earlier)
        if made is not None and made != self.identity:
            raise BadRecipe(
                "Another dataset of this home has columns of this one, and knows its rows by other codes.",
                "Give the whole table instead: darkroom dataset update.",
            )
        return made

    def tags(self, identity: Identity) -> U64:
        """The whole table's tags. Errors: BadTable."""
        from ingestion.tags import join_tags, read_tags, write_tags

        file = self.folder / tag_file(identity)
        if not file.is_file():
            part = self.folder / "appended.npy"
            write_tags(self.path, self.reading, {part: identity}, self.key)
            join_tags(file, [self.old, read_tags(part)])
        return read_tags(file)


def tag_file(identity: Identity) -> str:
    """The name of the file for tags under an identity, while a table is looked at."""
    return f"{identity.digest}.npy"


@dataclass
class PersonCounts:
    """What counts for a new table's statement."""

    versions: list[Earlier] = field(default_factory=list)  # of the same dataset
    others: list[Earlier] = field(default_factory=list)
    everywhere: int = 0  # micro-bits on every row
    jobs: int = 0  # the greatest number of a job that is counted
    limits: dict[tuple[str, int], int] = field(default_factory=dict)  # what another dataset was taken to sell at most
    words: list[str] = field(default_factory=list)


class Counting:
    """One table's count; `live` says what can still be served from here."""

    def __init__(
        self, network: Network, market: str, records: PersonRecords, ledger: LedgerOf, live: KeysHere, tagging: Tagging
    ) -> None:
        self._network, self._market, self._files, self._ledger, self._live = network, market, records, ledger, live
        self._tagging, self._records, self.found = tagging, records.all(), PersonCounts()
        self._jobs: dict[tuple[str, int], list[JobCharge]] = {}

    def count_versions(self, dataset: DatasetRecord) -> None:
        """Earlier versions of the same dataset: by key, row by row; else the most of any row counts on every row.

        Errors: BadRecipe where a version names persons and the new recipe does not.
        """
        jobs = [job for job in job_charges(self._network, self._ledger(self._market), dataset.id) if job.final]
        self.found.jobs = max((job.job for job in jobs), default=0)
        for version in range(1, dataset.version + 1):
            record = self._records.get(self._network.market.dataset_version(dataset.id, version).manifest)
            self._count_version(version, record, _on(jobs, version))

    def _count_version(self, version: int, record: PersonsRecord | None, charges: tuple[Charge, ...]) -> None:
        tagging, found = self._tagging, self.found
        times = tagging.rows_per_person  # rows of one person that the version told apart
        if record is not None and record.identity.person:
            times = 1
            if not tagging.identity.person:
                raise BadRecipe(
                    f"Version {version} names the person of a row by its column {record.identity.person!r};"
                    " this recipe names none.",
                    f'Add under [table]: person = "{record.identity.person}".',
                )
            made = tagging.comparable(record.identity)
            old, new = self._files.tags(record), tagging.tags(made) if made else None
            if new is not None and (again := shared(old, new)):  # none at all: the keys were given anew
                found.versions.append(Earlier(old, charges, new))
                found.words.append(f"{again:,} of the rows are of persons that version {version} had.")
                return
        bits = most_charged(charges, record.rows if record else MAX_ROWS) * times
        found.everywhere += bits
        if bits:
            found.words.append(
                f"The persons of version {version} are not known again, so every row starts with"
                f" {describe_bits(bits)} bits, the most of any of them."
            )

    def count_others(self, dataset: DatasetRecord | None) -> None:
        """Every other dataset of this home, on the rows whose persons it shares.

        Errors: NotFound where a dataset can be served from here and its tags are missing; BadTable.
        """
        tagging, found = self._tagging, self.found
        for record in self._placed(dataset):
            made = tagging.comparable(record.identity)
            if made is None:
                continue
            old, new = self._files.tags(record), tagging.tags(made)
            again = shared(old, new)
            if not again:
                continue
            charges, limit = self._charges(record)
            times = 1 if record.identity.person else tagging.rows_per_person
            found.others.append(Earlier(old, charges, new, times))
            if limit:
                key = (record.market, record.dataset)
                found.limits[key] = max(found.limits.get(key, 0), limit)
            bits = describe_bits(most_charged(charges, record.rows) * times)
            which = f"dataset {record.dataset}" + ("" if record.market == self._market else " of another market")
            what = "are sold there (retire it, and only what was released counts)" if limit else "were released there"
            found.words.append(f"{again:,} of the rows are of persons of {which}; {bits} bits about each {what}.")

    def _charges(self, record: PersonsRecord) -> tuple[tuple[Charge, ...], int]:
        """(what another dataset's version released of its rows, or may ever release; then its limit, else 0)."""
        here, live = record.market == self._market, self._live(record.manifest, record.epoch)
        current = here and self._network.market.dataset(record.dataset).manifest == record.manifest
        if live and (current or not here):
            limit = max(record.limit, sold_limit(self._network, record.dataset) if here else 0)
            return _remainder(record, limit), limit
        key = (record.market, record.dataset)
        if key not in self._jobs:
            ledger = self._ledger(record.market)
            self._jobs[key] = (
                job_charges(self._network, ledger, record.dataset) if here else ledger_charges(ledger, record.dataset)
            )
        return _on(self._jobs[key], record.version), 0

    def _placed(self, dataset: DatasetRecord | None) -> Iterator[PersonsRecord]:
        """The records of other datasets that are on chain; of another market, even before a transaction is known."""
        unknown = {each.manifest for each in self._records.values() if each.market == self._market and not each.dataset}
        tagless = self._files.bound() - self._records.keys()
        found = self._on_chain() if unknown or tagless else {}
        for record in self._records.values():
            if record.manifest in unknown:
                if record.manifest not in found:
                    continue  # its transaction was never mined
                placed = found[record.manifest]
                record = record.model_copy(update={"dataset": placed.id, "version": placed.version})  # noqa: PLW2901
                self._files.write(record)
            if dataset is None or (record.market, record.dataset) != (self._market, dataset.id):
                yield record
        for manifest in sorted(tagless & found.keys()):
            number = found[manifest].id
            if dataset is not None and number == dataset.id:
                continue
            if self._live(Digest(manifest), found[manifest].epoch):
                raise NotFound(
                    f"Dataset {number} is served from here, but the tags of its persons are missing.",
                    f"Restore the folder {self._files.folder.name} from a backup, or: darkroom dataset retire.",
                )
            self.found.words.append(f"The tags of dataset {number} are gone, so its persons are not known again.")

    def _on_chain(self) -> dict[str, DatasetRecord]:
        """Every version of every dataset of the market, by manifest."""
        market = self._network.market
        versions = (
            market.dataset_version(each.id, version)
            for each in market.datasets()
            for version in range(1, each.version + 1)
        )
        return {record.manifest: record for record in versions}


def _on(jobs: list[JobCharge], version: int) -> tuple[Charge, ...]:
    return tuple(Charge(job.first, job.end, job.micro_bits) for job in jobs if job.version == version)


def _remainder(record: PersonsRecord, limit: int) -> tuple[Charge, ...]:
    """What a version may ever release of its rows: up to the limit, less what it started with."""
    carried = (
        Charge(each.first_row, each.first_row + each.rows, -min(each.micro_bits, limit)) for each in record.carried
    )
    return Charge(0, record.rows, limit), *carried
