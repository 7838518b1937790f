"""Ending a key epoch: old jobs finish, then the key is destroyed, then the chain is told.

A new epoch begins with the owner publishing the dataset again under new keys; jobs opened before name the older version
and are served with its keys. `retire` ends an epoch only when no job on it can still be served. The statement is
written before the key goes, so that a crash in between leaves a key that is destroyed again, never a silent tombstone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from app.protocol.documents import Document
from app.protocol.errors import NotFound, TryAgain
from app.protocol.market.entities import Job
from app.protocol.ports import Clock, Store
from fhe.keys.keyring import Keyring

Tombstone = Callable[[int, int, str], str]  # (dataset, epoch, digest of the statement) -> transaction


class Destroyed(Document):
    """The owner's statement that an epoch's secret key was destroyed."""

    kind: Literal["darkroom/destroyed"] = "darkroom/destroyed"
    chain_id: int
    market: str
    dataset: int
    epoch: int
    time: int


class JobReader(Protocol):
    """The reads that say whether an epoch is still needed."""

    @property
    def chain_id(self) -> int:
        """EIP-155 identifier of the chain."""

    @property
    def address(self) -> str:
        """EIP-55 address of the job contract."""

    def open_jobs(self, dataset: int) -> Iterable[tuple[Job, int]]:
        """Jobs on a dataset that are not over, each with the key epoch of its version."""


def retire(
    chain: JobReader, store: Store, keyring: Keyring, dataset: int, epoch: int, clock: Clock, say: Tombstone
) -> str:
    """Destroy an epoch's key and record it on chain; the transaction.

    May be repeated after a crash. Errors: TryAgain while jobs of the epoch are open.
    """
    waiting = [job.id for job, of in chain.open_jobs(dataset) if of == epoch]
    if waiting:
        numbers = ", ".join(str(number) for number in waiting[:5])
        raise TryAgain(
            f"Epoch {epoch} is still needed by {len(waiting)} job(s): {numbers}.",
            "Serve them first, or let their deadlines pass: darkroom custodian serve.",
        )
    said = Destroyed(chain_id=chain.chain_id, market=chain.address, dataset=dataset, epoch=epoch, time=clock())
    store.put(said.to_bytes())
    try:
        keyring.destroy(epoch)
    except NotFound:
        if epoch >= keyring.next_epoch():
            raise
    return say(dataset, epoch, said.digest)
