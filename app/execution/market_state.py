"""What chain and store say now of everything that an order depends on, read once and in one place."""

from __future__ import annotations

from dataclasses import dataclass

from app.chain.contracts.entities import content_of
from app.chain.market import Market
from app.execution.inputs import load_manifest, load_policy
from app.execution.program import stated_program
from app.protocol.data.dataset import EncryptedTable
from app.protocol.data.manifest import Manifest
from app.protocol.errors import NotAllowed
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, Custody, DatasetRecord, License, Offer, ProviderRecord, check_holder
from app.protocol.market.fees import Draw
from app.protocol.market.receipt import OutputPolicy
from app.protocol.ports import Store
from fhe.circuit.circuit import Circuit
from fhe.profile import EncryptionProfile
from fhe.profiles import find


@dataclass(frozen=True)
class MarketState:
    """The market as one buyer meets it on one dataset. Amounts in token units, times in seconds."""

    dataset: DatasetRecord
    manifest: Manifest
    policy: OutputPolicy  # the license's, else the offer's, else the manifest's
    offer: Offer | None
    license: License | None
    buyer: str  # address; "" where nobody in particular asks
    balance: int | None  # of the buyer; None for nobody in particular
    providers: tuple[ProviderRecord, ...]
    draw: Draw
    custody: Custody
    commit_window: int
    paused_until: int
    now: int
    judges: bool = False  # whether a contract of the market judges results

    @property
    def table(self) -> EncryptedTable:
        """The encrypted table of the present version."""
        return self.manifest.table

    @property
    def profile(self) -> EncryptionProfile:
        """The parameters it is encrypted under."""
        return find(self.table.profile)

    def program(self, circuit: Circuit, rows: int) -> Digest:
        """What an order of a circuit on so many rows states, so that a contract can judge its results; zeros where none
        can.

        Errors: BadModel, MessageOverflow for a circuit that does not run on the table.
        """
        return stated_program(circuit, self.profile, self.table, rows) if self.judges else ZERO

    @property
    def content(self) -> str:
        """What the present version binds, as orders name it."""
        return content_of(self.dataset)


def read_market(
    market: Market,
    store: Store,
    dataset: int,
    *,
    offer: int | None = None,
    license: int = 0,
    buyer: str | None = None,
    read: tuple[Digest, Manifest] | None = None,
) -> MarketState:
    """The state that an order on a dataset meets under a license, or under an offer of which one would be bought.

    `buyer` None is the license's holder, if one is named, else nobody in particular. `read` is a manifest of the
    dataset that was read and checked before, by its digest: it is not read again while the chain names it.
    Errors: NotFound, BadBlock, BadDocument; NotYourLicense for another's; NotAllowed for a license or an offer of
    another dataset or of each other.
    """
    record = market.dataset(dataset)
    held = market.license(license) if license else None
    if held is not None and offer not in (None, held.offer):
        raise NotAllowed(f"License {license} was sold under offer {held.offer}, not {offer}.", "Leave the offer out.")
    if held is not None and buyer is not None:
        check_holder(held, buyer)
    number = held.offer if held is not None else offer
    terms = market.offer(number) if number is not None else None
    if terms is not None and terms.dataset != dataset:
        what = f"License {license}" if held is not None else f"Offer {offer}"
        raise NotAllowed(
            f"{what} is for dataset {terms.dataset}.", "Name one of this dataset's: darkroom dataset show."
        )
    manifest = read[1] if read is not None and read[0] == record.manifest else load_manifest(store, record)
    digest = held.policy if held is not None else terms.policy if terms is not None else manifest.policy.digest
    who = buyer if buyer is not None else held.buyer if held is not None else ""
    return MarketState(
        dataset=record,
        manifest=manifest,
        policy=load_policy(store, manifest, digest),
        offer=terms,
        license=held,
        buyer=who,
        balance=market.balance(who) if who else None,
        providers=tuple(market.providers()),
        draw=market.draw_for(record, who),
        custody=market.custody(dataset),
        commit_window=market.commit_window(),
        paused_until=market.paused_until(),
        now=market.now(),
        judges=market.has_disputes,
    )
