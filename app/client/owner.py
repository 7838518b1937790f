"""The data owner: keys, publications, offers, and the custodian's parts. The only one who holds a secret key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.client.attempt import Attempt
from app.client.custody import ensure_custody
from app.client.keyring_store import EpochRecord, KeyringStore
from app.client.licenses import check_licenses, left_to_sell
from app.client.persons import Persons
from app.client.publication import Publications, PublicationState
from app.client.publish_plan import PublishedDataset, PublishPlan
from app.client.stated_roots import roots_kept, stated_roots
from app.client.unfinished import Unfinished
from app.execution.inputs import load_manifest
from app.home.home import Actor
from app.home.network import Network, threads_available
from app.protocol.errors import BadRecipe, BadTable, NotAllowed, NotFound
from app.protocol.market.entities import DatasetRecord
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import person_limit
from app.protocol.policy.rules import policy_problems
from app.protocol.ports import EncryptionProgress, Progress, Store
from app.protocol.vocabulary import Encoding
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE, find

if TYPE_CHECKING:
    from app.chain.market import Sent
    from app.chain.wallet.account import Account
    from app.custodian.agent import CustodianAgent
    from app.custodian.ledger import Ledger
    from app.execution.execute import Evaluation
    from app.execution.inputs import JobInputs
    from fhe.engine.core import BackendName
    from ingestion.publish import PreparedTable
    from ingestion.recipe import OfferHints, Recipe

DAY = 86_400


class Owner:
    """One owner on one machine."""

    def __init__(self, network: Network, actor: Actor, account: Account) -> None:
        self.network, self.actor, self.account = network, actor, account
        self.cabinet = KeyringStore(actor)
        self._publications = Publications(actor)

    def new_epoch(
        self, keys: str, profile: EncryptionProfile = REFERENCE, *, lookups: bool = True, packing: bool = True,
        store: Store | None = None,
    ) -> EpochRecord:  # fmt: skip
        """Make a keyring's next epoch through Concrete, seal the secret keys, publish the evaluation key.

        Without `lookups` only linear and additive circuits can run, and no evaluation key (about 220 MB) is put into
        `store`, by default the network's. Without `packing` a result of lookups takes 7 kB a value.
        Errors: BadKey where Concrete's optimizer no longer agrees with the profile.
        """
        from fhe.ciphertexts.packing_key import with_packing
        from fhe.keys.secret_keys import generate

        keyring, passphrase = self.cabinet.keyring(keys), self.actor.passphrase()
        epoch = keyring.next_epoch()
        secret, evaluation = generate(profile, epoch)
        keyring.add(secret, passphrase)
        cid = None
        if lookups:
            published = with_packing(evaluation, secret, profile) if packing else evaluation
            cid = (store or self.network.store).put_pieces(published.stream())
        record = EpochRecord(keys=keys, epoch=epoch, profile=profile.digest, evaluation_key=cid, packing=packing)
        self.cabinet.note(record)
        return record

    @cached_property
    def persons(self) -> Persons:
        """The memory of whose rows were published from here."""
        return Persons(self.actor, self.network, self._ledger_of, self.cabinet.serves, self.actor.passphrase)

    @cached_property
    def unfinished(self) -> Unfinished:
        """Publications from here that were cut short."""
        return Unfinished(self._publications, self.network, self.account, self.cabinet, self.persons)

    def attempt(self, keys: str, path: Path, dataset: int = 0) -> Attempt:
        """A try at publishing a table under a keyring, which takes back what it made where it fails."""
        state = PublicationState(keys=keys, market=self.unfinished.market, source=str(path.absolute()), dataset=dataset)
        journal = self._publications.of(keys)
        return Attempt(self.network.store, self.cabinet, self.persons.forget, journal, state)

    def keys_for(self, path: Path) -> str:
        """The keyring for a new dataset of this table: that of a publication that was cut short, else a new one's."""
        return self._publications.keys_for(self.unfinished.market, path) or self.cabinet.free_name(path.stem)

    @contextmanager
    def plan(
        self, path: Path, recipe: Recipe, dataset: int | None = None, *, append: bool = False
    ) -> Iterator[PublishPlan]:
        """Look at a table before anything is made of it; `dataset`: whose next version it would be.

        With `append` the file holds rows that come after those of the present version, under its codebook.

        Errors: BadTable, BadRecipe (also for a draft, or a person with too many rows), OutOfRange, TooLarge; NotFound
        where tags of what was published before are missing; WrongPassphrase.
        """
        from ingestion.completeness import check_filled
        from ingestion.publish import survey, survey_more

        check_filled(recipe)
        _check_policy(recipe.policy)
        self.unfinished.settle()
        stamp = _stamp(path)
        present = None if dataset is None else self.network.market.dataset(dataset)
        if present is not None and append:
            surveyed = survey_more(path, recipe, load_manifest(self.network.store, present).codebook)
        else:
            surveyed = survey(path, recipe)
        codebook = surveyed.built.codebook
        with self.persons.survey(path, recipe, codebook, present, append=append) as persons:
            limit = person_limit(recipe.policy, codebook)
            before = None if present is None else present.manifest
            keys = self.persons.row_keys.survey(path, recipe, before, append=append)
            yield PublishPlan(path, recipe, present, surveyed, persons, limit, stamp, append, keys)

    def publish(
        self,
        path: Path,
        recipe: Recipe,
        *,
        keys: str,
        plan: PublishPlan | None = None,
        encodings: Sequence[Encoding] = ("affine", "bins"),
        progress: EncryptionProgress | None = None,
        attempt: Attempt | None = None,
    ) -> PublishedDataset:
        """Encrypt a table under a keyring's first epoch and record it on chain; the value is the dataset's id.

        Where it fails, what it made goes again; with an `attempt`, that one sees to it, and to the keys.

        Errors: those of `plan` before anything is kept; NotAllowed for a keyring that another dataset uses; TryAgain
        when another table was published meanwhile; Reverted.
        """
        record = self.cabinet.epoch(keys)
        if record.epoch != 1 or any(self.cabinet.name_of(each.manifest) == keys for each in self.own()):
            raise NotAllowed(
                f"The keyring {keys!r} belongs to another dataset.", "Publish under a new one: --keys NAME."
            )
        owned = nullcontext(attempt) if attempt else self.attempt(keys, path)
        with nullcontext(plan) if plan else self.plan(path, recipe) as looked, owned as current:
            prepared = self._prepare(looked, record, encodings, progress, current)
            current.sends()
            sent = self.network.market.publish_dataset(self.account, **_digests(prepared))
            self.persons.settle(prepared.digest, sent.value, 1)
            current.recorded(prepared.objects)
        return PublishedDataset(sent, prepared)

    def update(
        self,
        dataset: int,
        path: Path,
        recipe: Recipe,
        *,
        rotate: bool = False,
        append: bool = False,
        plan: PublishPlan | None = None,
        encodings: Sequence[Encoding] = ("affine", "bins"),
        progress: EncryptionProgress | None = None,
    ) -> PublishedDataset:
        """Publish a new version of a dataset: under its present keys, or with `rotate` under a new epoch of them.

        With `append` the file holds more rows, which come after the present ones; all that is there stays as it is.
        Jobs that are open go on with the version they name. The value is the new version or epoch. Errors: as
        `publish`; NotFound when the dataset's keys are not here.
        """
        market, present = self.network.market, self.network.market.dataset(dataset)
        name = self.cabinet.name_of(present.manifest)
        if name is None:
            raise NotFound(f"The keys of dataset {dataset} are not here.", "Update it where it was published.")
        if rotate and append:
            raise NotAllowed(
                "New keys encrypt every row again.", "Append first; or give the whole table with --rotate."
            )
        with nullcontext(plan) if plan else self.plan(path, recipe, dataset, append=append) as looked:
            # An earlier try may have made the new epoch's keys already.
            if rotate and self.cabinet.keyring(name).next_epoch() == present.epoch + 1:
                before = self.cabinet.epoch(name, present.epoch)
                self.new_epoch(name, lookups=before.evaluation_key is not None, packing=before.packing)
            record = self.cabinet.epoch(name, present.epoch + rotate)
            with self.attempt(name, path, dataset) as attempt:
                prepared = self._prepare(looked, record, encodings, progress, attempt)
                attempt.sends()
                send = market.new_epoch if rotate else market.new_version
                sent = send(self.account, dataset, **_digests(prepared))
                self.persons.settle(prepared.digest, dataset, present.version + 1)
                attempt.recorded(prepared.objects)
        return PublishedDataset(sent, prepared)

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
        plan: PublishPlan,
        record: EpochRecord,
        encodings: Sequence[Encoding],
        progress: EncryptionProgress | None,
        attempt: Attempt,
    ) -> PreparedTable:
        from ingestion.publish import prepare

        present = plan.dataset
        same_keys = present is not None and present.epoch == record.epoch
        before = load_manifest(self.network.store, present) if present and same_keys else None
        secret = self.cabinet.keyring(record.keys).open(record.epoch, self.actor.passphrase())
        prepared = prepare(
            plan.path,
            plan.recipe,
            secret,
            find(record.profile),
            attempt.store,
            epoch=record.epoch,
            published=datetime.fromtimestamp(self.network.market.now(), UTC).date().isoformat(),
            surveyed=plan.surveyed,
            carried=plan.persons.carried,
            carried_jobs=plan.persons.carried_jobs,
            evaluation_key_cid=record.evaluation_key,
            key_roots=stated_roots(self.network, self.actor, record),
            encodings=encodings,
            before=before,
            append=plan.append,
            known=attempt.known,
            finished=attempt.finished,
            threads=threads_available(),
            progress=progress,
        )
        attempt.makes(prepared.digest)
        named: dict[str, Any] = {"before": None if present is None else present.manifest}
        if plan.row_keys is not None:
            after = present.manifest if present and plan.append else None
            width = self.persons.row_keys.keep(secret, prepared.digest, plan.row_keys, after)
            named |= {"row_key": plan.row_keys.name, "key_bytes": width}
        if _stamp(plan.path) != plan.stamp:
            raise BadTable(
                f"{plan.path.name} changed while it was published.", "Publish again when nobody writes to it."
            )
        self.cabinet.bind(prepared.digest, record.keys)
        self.persons.keep(plan.persons, prepared.digest, record.epoch, plan.limit, **named)
        return prepared

    def offer(self, dataset: int, policy: OutputPolicy, terms: OfferHints) -> Sent[int]:
        """Offer licenses under a policy, which goes into the store for all to read; the value is the offer's id.

        The custodian's bond that jobs need is put down where there is none. Errors: BadRecipe for a policy that cannot
        be used; NotAllowed where too few bits are left for the licenses, or where another dataset that shares persons
        counted on less being sold here; Reverted.
        """
        _check_policy(policy)
        market, present = self.network.market, self.network.market.dataset(dataset)
        limit = person_limit(policy, load_manifest(self.network.store, present).codebook)
        budget = left_to_sell(policy, limit, self.persons.elsewhere(present))
        self.persons.allow(present, limit)
        self.persons.row_keys.offer(present.manifest, policy.row_keys)
        sold = market.budget(dataset)
        budget = max(budget, sold.micro_bits)  # what was once sold stays sold
        count = check_licenses(policy, budget - sold.reserved, terms)
        self.network.store.put(policy.to_bytes())
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
            micro_bits=policy.micro_bits_per_license,
            licenses=count,
            budget=budget,
        )

    def ledger(self) -> Ledger:
        """The custodian's ledger of this market."""
        return self._ledger_of(f"{self.network.market.chain_id}:{self.network.market.address}")

    def _ledger_of(self, scope: str) -> Ledger:
        from app.custodian.ledger import Ledger

        return Ledger(self.actor.path("ledger.sqlite"), scope, self.network.market.now)

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
        from app.dispute.bench import Bench
        from app.dispute.player import Player
        from app.execution.checkpoint import Checkpoints
        from app.execution.execute import execute
        from app.execution.tracing import spans_for

        market, store, threads = self.network.market, self.network.store, threads_available()
        runner, checkpoints = self.network.runner(device), Checkpoints(self.actor.folder / "blocks")

        def run(inputs: JobInputs, watch: Progress) -> Evaluation:
            def told(done: int, total: int) -> None:
                watch(done, total)
                if progress is not None:
                    progress(done, total)

            checkpoints.sweep()
            return execute(
                inputs, store, threads=threads, progress=told, backend=device, runner=runner, checkpoints=checkpoints
            )

        court = Bench(Player(market, store, self.account), market, roots_kept(self.network, self.actor))
        return CustodianAgent(
            MarketChain(self.network.market, self.account, self.actor.folder),
            store,
            self.cabinet.vaults(self.actor.passphrase),
            self.ledger(),
            self.account.sign_digest,
            execute=run,
            row_keys=self.persons.row_keys,
            threads=threads,
            charge_missing=charge_missing,
            spans=spans_for("custodian", self.actor.name, market.chain_id, market.address),
            court=court if market.has_disputes else None,
        )


def _check_policy(policy: OutputPolicy) -> None:
    if problems := policy_problems(policy):
        raise BadRecipe(f"The policy cannot be used: {'; '.join(problems)}.", "Correct it under [policy].")


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when a table's files do. Errors: BadTable."""
    from ingestion.files import table_files

    try:
        found = [each.path.stat() for each in table_files(path)]
    except OSError:
        raise BadTable(f"There is no file {path}.", "Check the path.") from None
    return tuple(fact for each in found for fact in (each.st_ino, each.st_size, each.st_mtime_ns))


def _digests(prepared: PreparedTable) -> dict[str, Any]:
    table = prepared.manifest.table
    return {
        "manifest": prepared.digest,
        "data_root": table.data_root,
        "profile": table.profile,
        "rows": table.rows,
    }
