"""The data owner: keys, publications, offers, and the custodian's parts. The only one who holds a secret key."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from app.client.custody import ensure_custody
from app.client.home import Actor
from app.client.network import Network, threads_available
from app.execution.facts import load_manifest
from app.protocol.bits import person_limit
from app.protocol.documents import Document, Hex32
from app.protocol.errors import BadRecipe, NotAllowed, NotFound, UsageError
from app.protocol.market import DatasetRecord
from app.protocol.receipt import OutputPolicy
from app.protocol.release import policy_problems
from app.protocol.seams import Progress
from fhe.files import write_private
from fhe.keyring import Keyring
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE, find

if TYPE_CHECKING:
    from app.chain.account import Account
    from app.chain.market import Sent
    from app.custodian.agent import CustodianAgent
    from app.custodian.ledger import Ledger
    from app.custodian.seams import KeysOf
    from app.execution.execute import Execution
    from app.execution.facts import JobFacts
    from fhe.engine.core import BackendName
    from fhe.evaluation_key import EvaluationKey
    from ingestion.publish import Prepared
    from ingestion.recipe import OfferHints, Recipe

Encoding = Literal["affine", "bins"]
DAY = 86_400


class EpochRecord(Document):
    """What an owner remembers of a key epoch; nothing in it is secret."""

    kind: Literal["darkroom/epoch"] = "darkroom/epoch"
    keys: str  # the keyring's name
    epoch: int
    profile: str
    evaluation_key: str | None  # CID in the store


class KeyedManifest(Document):
    """Which keyring a manifest's ciphertexts are under; written before the manifest reaches the chain."""

    kind: Literal["darkroom/keyed-manifest"] = "darkroom/keyed-manifest"
    manifest: Hex32
    keys: str


@dataclass(frozen=True)
class Published:
    """A dataset on chain and what lies behind it."""

    sent: Sent[int]
    prepared: Prepared


class KeyCabinet:
    """An owner's keyrings, one a dataset: keys of one dataset can be destroyed without touching another's."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def names(self) -> list[str]:
        """The keyrings that are here."""
        folder = self._actor.path("keys")
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []

    def keyring(self, name: str) -> Keyring:
        """The keyring of this name, empty when there is none yet. Errors: UsageError."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name):
            raise UsageError(f"{name!r} cannot be a keyring's name.", "Use lower-case letters, digits and dashes.")
        return Keyring(self._actor.path("keys") / name)

    def epoch(self, name: str, number: int | None = None) -> EpochRecord:
        """What is known of an epoch, by default the newest. Errors: NotFound before any keys were made."""
        epochs = self.keyring(name).epochs()
        wanted = number if number is not None else (epochs[-1] if epochs else 0)
        path = self.keyring(name).folder / f"epoch-{wanted:04d}.json"
        if not path.is_file():
            raise NotFound(f"The keyring {name!r} has no keys of that epoch.", "Make them: darkroom keys create.")
        return EpochRecord.from_bytes(path.read_bytes())

    def note(self, record: EpochRecord) -> None:
        """Remember the public side of an epoch."""
        path = self.keyring(record.keys).folder / f"epoch-{record.epoch:04d}.json"
        write_private(path, record.to_bytes())

    def free_name(self, stem: str) -> str:
        """A keyring's name that is not taken, after a file's."""
        base = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:48] or "table"
        taken = set(self.names())
        numbered = (f"{base}-{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain([base], numbered) if name not in taken)

    def bind(self, manifest: str, name: str) -> None:
        """Remember which keyring a manifest's ciphertexts are under."""
        folder = self._actor.path("manifests")
        folder.mkdir(mode=0o700, exist_ok=True)
        write_private(folder / f"{manifest}.json", KeyedManifest(manifest=manifest, keys=name).to_bytes())

    def vaults(self, passphrase: Callable[[], str]) -> KeysOf:
        """The keys of each manifest's dataset, for a custodian that runs; opened when they are first needed.

        Errors, when a dataset's keys are asked for that are not here: NotFound.
        """
        from app.custodian.vault import Vault

        @cache
        def vault(name: str) -> Vault:
            return Vault(self.keyring(name), passphrase)

        def of(manifest: str) -> Vault:
            name = self.name_of(manifest)
            if name is None:
                raise NotFound("No keyring here belongs to this dataset.", "Serve it where it was published.")
            return vault(name)

        return of

    def name_of(self, manifest: str) -> str | None:
        """The keyring of a manifest that was published here; None for another's."""
        path = self._actor.path("manifests") / f"{manifest}.json"
        return KeyedManifest.from_bytes(path.read_bytes()).keys if path.is_file() else None


class Owner:
    """One owner on one machine."""

    def __init__(self, network: Network, actor: Actor, account: Account) -> None:
        self.network, self.actor, self.account = network, actor, account
        self.cabinet = KeyCabinet(actor)

    def new_epoch(self, keys: str, profile: EncryptionProfile = REFERENCE, *, lookups: bool = True) -> EpochRecord:
        """Make a keyring's next epoch through Concrete, seal the secret keys, publish the evaluation key.

        Without `lookups` only linear and additive circuits can run, and no evaluation key (about 220 MB) is published.
        Errors: BadKey where Concrete's optimizer no longer agrees with the profile.
        """
        from fhe.keys import generate
        from fhe.packing_key import with_packing

        keyring, passphrase = self.cabinet.keyring(keys), self.actor.passphrase()
        epoch = keyring.next_epoch()
        secret, evaluation = generate(profile, epoch)
        keyring.add(secret, passphrase)
        cid = self._keep(with_packing(evaluation, secret, profile)) if lookups else None
        record = EpochRecord(keys=keys, epoch=epoch, profile=profile.digest, evaluation_key=cid)
        self.cabinet.note(record)
        return record

    def publish(
        self,
        path: Path,
        recipe: Recipe,
        *,
        keys: str,
        encodings: Sequence[Encoding] = ("affine", "bins"),
        progress: Progress | None = None,
    ) -> Published:
        """Encrypt a table under a keyring's first epoch and record it on chain; the value is the dataset's id.

        Errors: BadTable, BadRecipe, OutOfRange, TooLarge before anything is kept; WrongPassphrase; Reverted; NotAllowed
        for a keyring that another dataset uses.
        """
        record = self.cabinet.epoch(keys)
        if record.epoch != 1 or any(self.cabinet.name_of(each.manifest) == keys for each in self.own()):
            raise NotAllowed(
                f"The keyring {keys!r} belongs to another dataset.", "Publish under a new one: --keys NAME."
            )
        prepared = self._prepare(path, recipe, record, encodings, progress)
        digests = _digests(prepared)
        return Published(self.network.market.publish_dataset(self.account, **digests), prepared)

    def update(
        self,
        dataset: int,
        path: Path,
        recipe: Recipe,
        *,
        rotate: bool,
        encodings: Sequence[Encoding] = ("affine", "bins"),
        progress: Progress | None = None,
    ) -> Published:
        """Publish a new version of a dataset: under its present keys, or with `rotate` under a new epoch of them.

        Jobs that are open go on with the version they name. The value is the new version or epoch. Errors: as
        `publish`; NotFound when the dataset's keys are not here.
        """
        present = self.network.market.dataset(dataset)
        name = self.cabinet.name_of(present.manifest)
        if name is None:
            raise NotFound(f"The keys of dataset {dataset} are not here.", "Update it where it was published.")
        if not rotate:
            prepared = self._prepare(path, recipe, self.cabinet.epoch(name, present.epoch), encodings, progress)
            return Published(self.network.market.new_version(self.account, dataset, **_digests(prepared)), prepared)
        if self.cabinet.keyring(name).next_epoch() == present.epoch + 1:  # else an earlier try made it already
            self.new_epoch(name, lookups=self.cabinet.epoch(name, present.epoch).evaluation_key is not None)
        prepared = self._prepare(path, recipe, self.cabinet.epoch(name, present.epoch + 1), encodings, progress)
        return Published(self.network.market.new_epoch(self.account, dataset, **_digests(prepared)), prepared)

    def retire(self, dataset: int, epoch: int) -> str:
        """Destroy an epoch's secret keys for good and say so on chain; the transaction. It may be repeated.

        Errors: TryAgain while open jobs need the epoch; NotFound when the dataset's keys are not here.
        """
        from app.custodian.market_chain import MarketChain
        from app.custodian.rotation import retire

        market = self.network.market
        name = self.cabinet.name_of(market.dataset(dataset).manifest)
        if name is None:
            raise NotFound(f"The keys of dataset {dataset} are not here.", "Retire them where they are.")
        return retire(
            MarketChain(market, self.account),
            self.network.store,
            self.cabinet.keyring(name),
            dataset,
            epoch,
            market.now,
            lambda number, ended, digest: market.tombstone(self.account, number, ended, digest).tx,
        )

    def own(self) -> list[DatasetRecord]:
        """This owner's datasets."""
        return [each for each in self.network.market.datasets() if each.owner == self.account.address]

    def _prepare(
        self,
        path: Path,
        recipe: Recipe,
        record: EpochRecord,
        encodings: Sequence[Encoding],
        progress: Progress | None,
    ) -> Prepared:
        from ingestion.publish import prepare

        prepared = prepare(
            path,
            recipe,
            self.cabinet.keyring(record.keys).open(record.epoch, self.actor.passphrase()),
            find(record.profile),
            self.network.store,
            epoch=record.epoch,
            published=datetime.fromtimestamp(self.network.market.now(), UTC).date().isoformat(),
            evaluation_key_cid=record.evaluation_key,
            encodings=tuple(encodings),
            threads=threads_available(),
            progress=progress,
        )
        self.cabinet.bind(prepared.digest, record.keys)
        return prepared

    def offer(self, dataset: int, policy: OutputPolicy, terms: OfferHints) -> Sent[int]:
        """Offer licenses under a policy, which goes into the store for all to read; the value is the offer's id.

        It sells half of the licenses that the dataset's budget of bits has room for, puts down the custodian's bond
        that jobs need where there is none, and never takes back what an earlier offer promised. Errors: BadRecipe;
        NotAllowed where other offers and licenses have taken the budget; Reverted.
        """
        if problems := policy_problems(policy):
            raise BadRecipe(f"The policy cannot be used: {'; '.join(problems)}.", "Correct it under [policy].")
        self.network.store.put(policy.to_bytes())
        market = self.network.market
        codebook = load_manifest(self.network.store, market.dataset(dataset)).codebook
        sold, bits = market.budget(dataset), policy.micro_bits_per_license
        budget = max(person_limit(policy, codebook), sold.micro_bits)
        if budget - sold.reserved < bits:
            raise NotAllowed(
                f"Other offers and licenses have taken the bits of dataset {dataset}: {budget - sold.reserved} of"
                f" {budget} micro-bits about each person are left, and one license takes {bits}.",
                "Close an offer, settle licenses that are over (darkroom license settle), or sell more.",
            )
        ensure_custody(market, self.account, dataset)
        return market.create_offer(
            self.account,
            dataset,
            price_license=terms.price_license,
            price_job=terms.price_job,
            price_row=terms.price_row,
            max_jobs=terms.max_jobs,
            max_rows=terms.max_rows,
            duration=terms.days * DAY,
            policy=policy.digest,
            micro_bits=bits,
            licenses=max(1, (budget - sold.reserved) // bits // 2),  # and as many again under another offer
            budget=budget,
        )

    def ledger(self) -> Ledger:
        """The custodian's ledger of this market."""
        from app.custodian.ledger import Ledger

        market = self.network.market
        return Ledger(self.actor.path("ledger.sqlite"), f"{market.chain_id}:{market.address}", market.now)

    def rebuild_ledger(self, *, charge_missing: bool = False) -> tuple[Path | None, dict[int, int]]:
        """Put the ledger aside and make a new one from the chain: the old file's place, and how many releases the new
        one learned of, by dataset.

        With `charge_missing` a release whose circuit no store has costs all that its license was guaranteed; without
        it that is an error, and its dataset is not served. Errors: Unavailable.
        """
        from app.custodian.ledger_file import put_aside

        aside = put_aside(self.actor.path("ledger.sqlite"), f"until-{self.network.market.now()}")
        return aside, self.custodian(charge_missing=charge_missing).follow_all()

    def custodian(
        self, *, progress: Progress | None = None, device: BackendName = "auto", charge_missing: bool = False
    ) -> CustodianAgent:
        """The agent that releases results of this owner's datasets; `device` evaluates what it checks."""
        from app.custodian.agent import CustodianAgent
        from app.custodian.market_chain import MarketChain
        from app.execution.execute import execute

        store, threads = self.network.store, threads_available()

        def run(facts: JobFacts, watch: Progress) -> Execution:
            def told(done: int, total: int) -> None:
                watch(done, total)
                if progress is not None:
                    progress(done, total)

            return execute(facts, store, threads=threads, progress=told, backend=device)

        return CustodianAgent(
            MarketChain(self.network.market, self.account, self.actor.folder),
            store,
            self.cabinet.vaults(self.actor.passphrase),
            self.ledger(),
            self.account.sign_digest,
            execute=run,
            threads=threads,
            charge_missing=charge_missing,
        )

    def _keep(self, key: EvaluationKey) -> str:
        scratch = self.actor.path("evaluation.key")
        try:
            key.to_file(scratch)
            return self.network.store.put_file(scratch)
        finally:
            scratch.unlink(missing_ok=True)


def _digests(prepared: Prepared) -> dict[str, Any]:
    table = prepared.manifest.table
    return {
        "manifest": prepared.digest,
        "data_root": table.data_root,
        "profile": table.profile,
        "rows": table.rows,
    }
