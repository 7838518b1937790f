"""The data owner's side: publish a table encrypted, offer licenses on it, release results, earn."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from app.protocol.errors import NotAllowed
from app.protocol.market.money import amount
from darkroom.dataset import Dataset, open_dataset
from darkroom.display import Listing, Served, Shown, encryption_bar
from darkroom.session import Party, Session
from darkroom.terms import Offer

if TYPE_CHECKING:
    from app.client import publish_plan
    from app.client.owner import Owner as OwnersMachine
    from app.protocol.vocabulary import Encoding
    from ingestion.recipe import Recipe


class Publication(Shown):
    """What was published: a dataset or a new version of one and, where licenses are sold, its offer."""

    def __init__(
        self,
        session: Session,
        published: publish_plan.PublishedDataset,
        plan: publish_plan.PublishPlan,
        offer: Offer | None,
    ) -> None:
        """Made by `Owner.publish`, `update` and `append`."""
        self._session, self._published, self._before, self.offer = session, published, plan.dataset, offer
        self.sells, self.warnings = list(plan.sells), list(plan.warnings)

    @property
    def number(self) -> int:
        """The dataset's number in the market."""
        return self._published.sent.value if self._before is None else self._before.id

    @property
    def version(self) -> int:
        """The version that this is: 1 for a new dataset."""
        return 1 if self._before is None else self._before.version + 1

    @property
    def files_kept(self) -> int:
        """How many files of ciphertext were there already, and were not made again."""
        return self._published.prepared.kept

    @property
    def dataset(self) -> Dataset:
        """The dataset, as everybody sees it."""
        return open_dataset(self._session, self.number)

    @property
    def manifest(self) -> str:
        """The manifest's CID, under which the whole dataset is found."""
        return self._published.prepared.cid

    @property
    def transaction(self) -> str:
        """The transaction that recorded it."""
        return self._published.sent.tx

    def _facts(self) -> Mapping[str, Any]:
        return {
            "number": self.number,
            "version": self.version,
            "manifest": self.manifest,
            "offer": None if self.offer is None else self.offer.number,
            "sells": self.sells,
            "warnings": self.warnings,
        }


class Revenue(Shown):
    """What an owner has earned and not taken out yet, in test dollars."""

    def __init__(self, offers: Mapping[int, Decimal], claimable: Decimal) -> None:
        """Made by `Owner.revenue`."""
        self.offers, self.claimable = dict(offers), claimable

    @property
    def total(self) -> Decimal:
        """All of it: what `Owner.withdraw` would pay, where the offers have no other beneficiaries."""
        return self.claimable + sum(self.offers.values(), Decimal(0))

    def _facts(self) -> Mapping[str, Any]:
        earned = {f"offer_{number}": each for number, each in self.offers.items()}
        return {"total": self.total, "claimable": self.claimable, **earned}


class Owner(Party):
    """An owner on its own machine, the only one where its tables and secret keys are."""

    def datasets(self) -> Listing[Dataset]:
        """This owner's datasets that still answer. Errors: as `Market.dataset`'s."""
        return Listing(open_dataset(self._session, each.id) for each in self._owner.own() if not each.tombstoned)

    def preview(
        self,
        path: str | Path,
        recipe: str | Path | Recipe,
        *,
        dataset: int | Dataset | None = None,
        append: bool = False,
    ) -> list[str]:
        """What publishing a table would make public, sell and reveal, one sentence each; nothing is made or sent.

        `path` is a table (docs/recipe.md): a file, a pattern, a folder; `recipe` a TOML file or one that was read.
        `dataset` is the one whose next version it would be: the whole table, or with `append` the rows that come after
        the present ones. Errors: BadTable, BadRecipe, OutOfRange, TooLarge; NotFound.
        """
        from app.client.publishing import reveals

        with self._owner.plan(Path(path), _read(recipe), _number(dataset), append=append) as plan:
            public = [f"Public: {row['name']}: {row['public']} ({row['from']})." for row in reveals(plan)]
            return [*public, *plan.sells, *plan.warnings]

    def publish(
        self,
        path: str | Path,
        recipe: str | Path | Recipe,
        *,
        consent: bool = False,
        keys: str | None = None,
        offer: bool = True,
        bins: bool = True,
        lookups: bool = True,
        progress: bool = True,
    ) -> Publication:
        """Encrypt a table on this machine, publish ciphertext, manifest and preview, and offer it by the recipe.

        `consent=True` says that you have read what `preview` lists and that it may become public: without it nothing is
        made. `keys` names the keyring, by default a new one after the file; its keys are made through Concrete in some
        ten seconds. Without `bins` no comparison bits are published, without `lookups` no evaluation key (220 MB): then
        only linear and additive models can run. Where publishing fails, nothing of it stays, keys included. Errors: as
        `preview`'s, before anything is made; NotAllowed without consent, and where the table's persons have nothing
        left to sell; TryAgain, Reverted.
        """
        from app.client.publishing import check_offer, publish_plan
        from ingestion.completeness import check_filled

        table, read = Path(path), _read(recipe)
        check_filled(read, offered=offer)
        _check_consent(consent, "owner.preview(path, recipe)")
        with self._owner.plan(table, read) as plan, encryption_bar(progress) as report:
            if offer:
                check_offer(self._owner, plan)
            published = publish_plan(self._owner, plan, keys=keys, bins=bins, lookups=lookups, progress=report)
        made = self.offer(published.sent.value, read) if offer else None
        return Publication(self._session, published, plan, made)

    def update(
        self,
        dataset: int | Dataset,
        path: str | Path,
        recipe: str | Path | Recipe,
        *,
        consent: bool = False,
        rotate: bool = False,
        bins: bool = True,
        progress: bool = True,
    ) -> Publication:
        """Publish a new version of a dataset from the whole table: rows corrected, columns added or replaced.

        Files that stay the same keep their ciphertext; with `rotate` everything is encrypted anew under a new epoch of
        the dataset's keys. Open jobs go on with the version they name, offers stay. `consent=True` says that you have
        read what `preview` with this `dataset` lists. Errors: as `publish`'s; NotFound where the dataset or its keys
        are not here.
        """
        return self._next_version(dataset, path, recipe, consent, progress, rotate=rotate, bins=bins)

    def append(
        self,
        dataset: int | Dataset,
        path: str | Path,
        recipe: str | Path | Recipe,
        *,
        consent: bool = False,
        progress: bool = True,
    ) -> Publication:
        """Publish a new version of a dataset with more rows, those of a table, under the dataset's own codebook.

        The present rows keep their numbers and their ciphertext, and come first; columns and encodings stay. Otherwise
        as `update`, with `preview(..., append=True)`; OutOfRange where a value does not fit the codebook.
        """
        return self._next_version(dataset, path, recipe, consent, progress, append=True)

    def offer(self, dataset: int | Dataset, recipe: str | Path | Recipe) -> Offer:
        """Offer licenses on a published dataset, by the policy and the terms of a recipe.

        The custodian's bond that jobs need is put down where there is none. Errors: BadRecipe; NotAllowed where too
        few bits are left; Reverted.
        """
        read = _read(recipe)
        sent = self._owner.offer(_number(dataset), read.policy, read.offer)
        return Offer(self._session.network.market.offer(sent.value))

    def revenue(self) -> Revenue:
        """What was earned and not taken out yet, by offer."""
        market, address = self._session.network.market, self.address
        offers = {number: amount(market.earnings(number)) for number in market.offers_of(address)}
        return Revenue(offers, amount(market.claim(address)))

    def serve_once(self) -> Listing[Served]:
        """Verify, decrypt, seal and release what can be released of this owner's jobs now, or refuse it with a reason.

        `darkroom custodian serve` does this for as long as it runs. From here on this process leaves no core dumps,
        since the secret key was in its memory. Errors: WrongPassphrase, BadKey, Unavailable.
        """
        from app.custodian.unlocked_keys import harden

        harden()
        return Listing(Served(each.job, str(each.what), each.detail) for each in self._owner.custodian().step())

    def _next_version(
        self,
        dataset: int | Dataset,
        path: str | Path,
        recipe: str | Path | Recipe,
        consent: bool,
        progress: bool,
        *,
        rotate: bool = False,
        append: bool = False,
        bins: bool = True,
    ) -> Publication:
        more = ", append=True" if append else ""
        _check_consent(consent, f"owner.preview(path, recipe, dataset={_number(dataset)}{more})")
        table, read, number = Path(path), _read(recipe), _number(dataset)
        how: list[Encoding] = ["affine", "bins"] if bins else ["affine"]
        with (
            self._owner.plan(table, read, number, append=append) as plan,
            encryption_bar(progress) as report,
        ):
            published = self._owner.update(
                number, table, read, rotate=rotate, append=append, plan=plan, encodings=how, progress=report
            )
        return Publication(self._session, published, plan, None)

    @property
    def _owner(self) -> OwnersMachine:
        return self._session.owner


def _check_consent(consent: bool, preview: str) -> None:
    if not consent:
        raise NotAllowed(
            "Publishing cannot be undone, and nobody has consented to what it makes public.",
            f"Read what {preview} lists, then publish with consent=True.",
        )


@overload
def _number(dataset: int | Dataset) -> int: ...
@overload
def _number(dataset: int | Dataset | None) -> int | None: ...
def _number(dataset: int | Dataset | None) -> int | None:
    return dataset.number if isinstance(dataset, Dataset) else dataset


def _read(recipe: str | Path | Recipe) -> Recipe:
    from ingestion.recipe import read_recipe

    return read_recipe(recipe) if isinstance(recipe, str | Path) else recipe
