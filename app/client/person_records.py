"""The files in which an owner remembers persons: the secret of the tags, and tags and a record of each version.

persons.key            the secret that tags are made under, sealed under the actor's passphrase
persons/MANIFEST.npy   a version's tags (`ingestion.tags`), 8 bytes a row
persons/MANIFEST.json  its record: how its tags were made, what it carries, what it sells
persons/MANIFEST.keys  its row keys, where it has some, sealed under the epoch's key (`app.client.row_keys`)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from app.files.private import write_private
from app.files.sealed import MAX_SEALED_BYTES, open_sealed, seal
from app.home.home import Actor, private_folder
from app.protocol.data.dataset import Carried
from app.protocol.documents import Document, GrownDocument, Sha256
from app.protocol.errors import NotFound
from fhe.arrays import U64
from ingestion.identity import Identity

HOLDS = "darkroom/persons-key"


class Counted(Document):
    """How much another dataset that shares persons was taken to release about each of them, at most."""

    market: str
    dataset: int
    micro_bits: int


class PersonsRecord(GrownDocument):
    """What an owner remembers of the persons of one version; its tags lie beside it."""

    later: ClassVar[frozenset[str]] = frozenset({"row_key", "key_bytes", "keys_offered"})

    kind: Literal["darkroom/persons"] = "darkroom/persons"
    manifest: Sha256
    market: str  # chain id and address of the job market
    dataset: int  # 0 until its transaction is known
    version: int
    epoch: int
    identity: Identity
    rows: int
    carried: tuple[Carried, ...]
    elsewhere: int  # the most of it, in micro-bits, that other datasets account for
    counted: tuple[Counted, ...]
    limit: int  # micro-bits about a person that its policies sell at most
    row_key: str = ""  # the column that names a row to buyers; "" where none does
    key_bytes: int = 0  # of its longest value
    keys_offered: int = 0  # the fewest bytes that a policy on offer has for it; 0: none sells it


class PersonRecords:
    """One actor's files about persons."""

    def __init__(self, actor: Actor, passphrase: Callable[[], str]) -> None:
        self._actor, self._passphrase = actor, passphrase

    @property
    def folder(self) -> Path:
        """Where tags and records lie; made when it is first needed, for this user alone."""
        return private_folder(self._actor.path("persons"))

    @cached_property
    def key(self) -> bytes:
        """The secret of the tags, made when there is none yet. Errors: NotFound when it was lost; WrongPassphrase."""
        from ingestion.tags import KEY_BYTES

        file = self._actor.path("persons.key")
        if file.is_file():
            return open_sealed(file.read_bytes()[: MAX_SEALED_BYTES + 1], self._passphrase(), HOLDS)
        if self.all():
            raise NotFound(f"There are tags but no {file.name}.", "Restore it from a backup: it makes the tags.")
        key = os.urandom(KEY_BYTES)
        write_private(file, seal(key, self._passphrase(), HOLDS))
        return key

    def all(self) -> dict[str, PersonsRecord]:
        """What is remembered, by manifest. Errors: BadDocument for a damaged record."""
        found = (PersonsRecord.from_bytes(file.read_bytes()) for file in sorted(self.folder.glob("*.json")))
        return {record.manifest: record for record in found}

    def tags(self, record: PersonsRecord) -> U64:
        """The tags of a version's rows, mapped. Errors: BadTable."""
        from ingestion.tags import read_tags

        return read_tags(self._path(record.manifest, "npy"))

    def write(self, record: PersonsRecord) -> None:
        """Keep a record, in place of an earlier one of the same manifest."""
        write_private(self._path(record.manifest, "json"), record.to_bytes())

    def add(self, record: PersonsRecord, tags: Path) -> None:
        """Keep a new version's record, and its tags, which are moved here from a file in this folder."""
        tags.rename(self._path(record.manifest, "npy"))
        self.write(record)

    def remove(self, manifest: str) -> None:
        """Forget a version that will not be published after all."""
        for suffix in ("json", "npy", "keys"):
            self._path(manifest, suffix).unlink(missing_ok=True)

    def key_file(self, manifest: str) -> Path:
        """Where a version's row keys lie."""
        return self._path(manifest, "keys")

    def bound(self) -> set[str]:
        """Manifests that were made here, whether or not there are tags of them."""
        return {file.stem for file in self._actor.path("manifests").glob("*.json")}

    def _path(self, manifest: str, suffix: str) -> Path:
        return self.folder / f"{manifest}.{suffix}"
