"""Publications that were cut short: told apart by the chain, gone on with, or taken back.

Before a table is looked at, every journal that no process holds is settled: what the chain recorded is noted as such,
and tags of what it did not record go, since they would count as another dataset's. Keys and files stay for the next
run of the same publication, until they are taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.client.attempt import Attempt
from app.client.keyring_store import KeyringStore
from app.client.persons import Persons
from app.client.publication import PublicationJournal, Publications, PublicationState
from app.home.network import Network
from app.protocol.errors import NotFound, TryAgain
from app.protocol.ids import Digest
from app.protocol.market.entities import DatasetRecord

if TYPE_CHECKING:
    from app.chain.wallet.account import Account

PENDING_S = 15 * 60  # a transaction that is not mined by then is not waited for


@dataclass(frozen=True)
class UnfinishedPublication:
    """A publication that was cut short."""

    keys: str
    source: str
    dataset: int  # whose next version it was to be; 0 for a new one
    files: int  # that lie whole in the store
    bytes: int  # of these


class Unfinished:
    """The publications of one owner that were cut short."""

    def __init__(
        self, publications: Publications, network: Network, account: Account, cabinet: KeyringStore, persons: Persons
    ) -> None:
        self._publications, self._network, self._account = publications, network, account
        self._cabinet, self._persons = cabinet, persons
        self.market = f"{network.market.chain_id}:{network.market.address}"

    def settle(self) -> None:
        """Look every one of them up on the chain, after what was handed over is mined.

        Errors: TransactionPending, TryAgain while a transaction may still be mined.
        """
        for journal, state in self._ours():
            if not state.manifest:
                continue
            if state.sending:
                self._network.market.recorded(self._account, state.manifest)
            found = self._recorded(state)
            if found is not None:
                self._persons.settle(Digest(state.manifest), found.id, found.version)
                journal.end()
                continue
            if state.sending and not self._network.embedded and journal.age() < PENDING_S:
                raise TryAgain(
                    f"The transaction that publishes {state.source} may still be mined.",
                    "Look whether it was (darkroom dataset list), and try again in a quarter of an hour.",
                )
            self._cabinet.unbind(state.manifest)
            self._persons.forget(state.manifest)
            journal.update(manifest="", sending=False)

    def list(self) -> list[UnfinishedPublication]:
        """What is left of them, after the chain was asked."""
        self.settle()
        found = []
        for journal, state in self._ours():
            done = journal.finished().values()
            size = sum(each.check.bytes for each in done)
            found.append(UnfinishedPublication(state.keys, state.source, state.dataset, len(done), size))
        return found

    def sweep(self, keys: str) -> None:
        """Take back what the publication under a keyring made: new keys, ciphertext, tags.

        Errors: NotFound, TryAgain.
        """
        self.settle()
        journal = self._publications.of(keys)
        if (state := journal.state) is None:
            raise NotFound(
                f"No publication under the keys {keys!r} was cut short.", "See: darkroom dataset unfinished."
            )
        with Attempt(self._network.store, self._cabinet, self._persons.forget, journal, state) as attempt:
            attempt.take_back()

    def _ours(self) -> Iterator[tuple[PublicationJournal, PublicationState]]:
        """Those of this market that no process works on; each is held while it is looked at."""
        for journal in self._publications.all():
            try:
                with journal.held():
                    state = journal.state
                    if state is not None and state.market == self.market:
                        yield journal, state
            except TryAgain:
                continue

    def _recorded(self, state: PublicationState) -> DatasetRecord | None:
        market = self._network.market
        if state.dataset:
            present = market.dataset(state.dataset)
            return present if present.manifest == state.manifest else None
        mine = (each for each in market.datasets() if each.owner == self._account.address)
        return next((each for each in mine if each.manifest == state.manifest), None)
