"""The data owner: keys, publications, offers, and the custodian's parts. The only one who holds a secret key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.client.home import Actor
from app.client.network import Network, threads_available
from app.protocol.documents import Document
from app.protocol.errors import NotFound
from app.protocol.receipt import OutputPolicy
from app.protocol.seams import Progress
from fhe.files import write_private
from fhe.keyring import Keyring
from fhe.keys import SecretKeys
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE, find

if TYPE_CHECKING:
    from app.chain.account import Account
    from app.chain.market import Sent
    from app.custodian.agent import CustodianAgent
    from app.custodian.ledger import Ledger
    from fhe.evaluation_key import EvaluationKey
    from ingestion.publish import Prepared
    from ingestion.recipe import OfferHints, Recipe

DAY = 86_400


class EpochRecord(Document):
    """What an owner remembers of a key epoch; nothing in it is secret."""

    kind: Literal["darkroom/epoch"] = "darkroom/epoch"
    epoch: int
    profile: str
    evaluation_key: str | None  # CID in the store


@dataclass(frozen=True)
class Published:
    """A dataset on chain and what lies behind it."""

    sent: Sent[int]
    prepared: Prepared


class OwnerKeys:
    """`app.custodian.seams.Keys` over the owner's keyring, opened with the passphrase that the owner gave once."""

    def __init__(self, keyring: Keyring, passphrase: str) -> None:
        self._keyring, self._passphrase = keyring, passphrase

    def __repr__(self) -> str:
        return f"OwnerKeys(epochs={self._keyring.epochs()})"

    def epochs(self) -> frozenset[int]:
        """Epochs that can be opened."""
        return frozenset(self._keyring.epochs())

    def open(self, epoch: int) -> SecretKeys:
        """The keys of an epoch. Errors: NotFound, WrongPassphrase, BadKey."""
        return self._keyring.open(epoch, self._passphrase)


class Owner:
    """One owner on one machine."""

    def __init__(self, network: Network, actor: Actor, account: Account) -> None:
        self.network, self.actor, self.account = network, actor, account
        self.keyring = Keyring(actor.path("keys"))

    def new_epoch(self, profile: EncryptionProfile = REFERENCE, *, lookups: bool = True) -> EpochRecord:
        """Make the next epoch's keys through Concrete, seal the secret ones, publish the evaluation key.

        Without `lookups` only linear and additive circuits can run, and no evaluation key (about 230 MB) is published.
        Errors: BadKey where Concrete's optimizer no longer agrees with the profile.
        """
        from fhe.keys import generate
        from fhe.packing_key import with_packing

        epoch = self.keyring.next_epoch()
        secret, evaluation = generate(profile, epoch)
        self.keyring.add(secret, self.actor.passphrase())
        cid = self._keep(with_packing(evaluation, secret, profile)) if lookups else None
        record = EpochRecord(epoch=epoch, profile=profile.digest, evaluation_key=cid)
        write_private(self._epoch_file(epoch), record.to_bytes())
        return record

    def epoch(self, number: int | None = None) -> EpochRecord:
        """What is known of an epoch, by default the newest. Errors: NotFound before any keys were made."""
        epochs = self.keyring.epochs()
        wanted = number if number is not None else (epochs[-1] if epochs else 0)
        path = self._epoch_file(wanted)
        if not path.is_file():
            raise NotFound("This owner has no keys of that epoch.", "Make keys: darkroom keys create.")
        return EpochRecord.from_bytes(path.read_bytes())

    def publish(
        self,
        path: Path,
        recipe: Recipe,
        *,
        encodings: Sequence[Literal["affine", "bins"]] = ("affine", "bins"),
        progress: Progress | None = None,
    ) -> Published:
        """Encrypt a table under the newest epoch and record it on chain; the value is the dataset's id.

        Errors: BadTable, BadRecipe, OutOfRange, TooLarge before anything is kept; WrongPassphrase; Reverted.
        """
        from ingestion.publish import prepare

        record = self.epoch()
        profile = find(record.profile)
        prepared = prepare(
            path,
            recipe,
            self.keyring.open(record.epoch, self.actor.passphrase()),
            profile,
            self.network.store,
            epoch=record.epoch,
            published=datetime.fromtimestamp(self.network.market.now(), UTC).date().isoformat(),
            evaluation_key_cid=record.evaluation_key,
            encodings=tuple(encodings),
            threads=threads_available(),
            progress=progress,
        )
        table = prepared.manifest.table
        sent = self.network.market.publish_dataset(
            self.account,
            manifest=prepared.digest,
            data_root=table.data_root,
            profile=table.profile,
            rows=table.rows,
        )
        return Published(sent, prepared)

    def offer(self, dataset: int, policy: OutputPolicy, terms: OfferHints) -> Sent[int]:
        """Offer licenses under a policy, which goes into the store for all to read; the value is the offer's id."""
        self.network.store.put(policy.to_bytes())
        return self.network.market.create_offer(
            self.account,
            dataset,
            price_license=terms.price_license,
            price_job=terms.price_job,
            price_row=terms.price_row,
            max_jobs=terms.max_jobs,
            max_rows=terms.max_rows,
            duration=terms.days * DAY,
            policy=policy.digest,
        )

    def ledger(self) -> Ledger:
        """The custodian's ledger of this market."""
        from app.custodian.ledger import Ledger

        market = self.network.market
        return Ledger(self.actor.path("ledger.sqlite"), f"{market.chain_id}:{market.address}", market.now)

    def custodian(self, *, progress: Progress | None = None) -> CustodianAgent:
        """The agent that releases results of this owner's datasets."""
        from app.custodian.agent import CustodianAgent
        from app.custodian.market_chain import MarketChain
        from app.execution.execute import execute

        store, threads = self.network.store, threads_available()
        return CustodianAgent(
            MarketChain(self.network.market, self.account),
            store,
            OwnerKeys(self.keyring, self.actor.passphrase()),
            self.ledger(),
            self.account.sign_digest,
            execute=lambda facts: execute(facts, store, threads=threads, progress=progress),
            threads=threads,
        )

    def _keep(self, key: EvaluationKey) -> str:
        scratch = self.actor.path("evaluation.key")
        try:
            key.to_file(scratch)
            return self.network.store.put_file(scratch)
        finally:
            scratch.unlink(missing_ok=True)

    def _epoch_file(self, epoch: int) -> Path:
        return self.actor.path(f"epoch-{epoch:04d}.json")
