"""The way in: a market as one role of this machine sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from app.home.home import Home
from app.home.network import Network
from app.protocol.errors import NotFound
from app.protocol.market.money import token_units
from app.protocol.vocabulary import CircuitClass, ReleaseKind
from darkroom.dataset import Dataset, open_dataset
from darkroom.display import Listing
from darkroom.model import Model
from darkroom.orders import Job
from darkroom.session import Party, Session
from darkroom.terms import License

if TYPE_CHECKING:
    from darkroom.computing import Provider
    from darkroom.mandates import Mandates
    from darkroom.selling import Owner

Sort = Literal["newest", "title", "price", "rows", "columns", "jobs"]


def connect(
    home: str | Path | None = None,
    *,
    role: str = "buyer",
    node: str | None = None,
    create: bool = False,
    mandate: str | Path | None = None,
) -> Market:
    """The market that a home is set up for, as one of the home's roles.

    `home` is the folder that `darkroom init`, `darkroom up` or the demo set up; None takes $DARKROOM_HOME, else
    ~/.darkroom. `role` names whose account signs and pays; its passphrase is looked for as every command does, when an
    account is first needed: DARKROOM_PASSPHRASE, DARKROOM_PASSPHRASE_FILE, the home, the system's keyring, the
    terminal. `create` makes the role where there is none yet, on a chain for demonstrations with gas. `node` is the
    http(s) address of a node whose index `search` asks; None takes $DARKROOM_NODE, the home's settings, or the node
    that runs in this home. With a `mandate` (a signed one's file, or how the digest of one that the role keeps begins)
    the role is its agent: it buys and orders with the mandate's money and within its limits.

    Errors: NotFound for a home that is not set up; Unavailable for a chain that does not answer; VerificationFailed for
    contracts that are not this version's.
    """
    place = Home.default() if home is None else Home(Path(home).absolute())
    return Market(Session(place, Network.open(place), role, create=create, mandate=mandate), node=node)


def owner(home: str | Path | None = None, *, role: str = "owner", create: bool = False) -> Owner:
    """The owner's side of the market that a home is set up for; parameters and errors as for `connect`."""
    from darkroom.selling import Owner

    return Owner(connect(home, role=role, create=create)._session)


class Market(Party):
    """One market, as one role sees it. Reading needs no account; what signs or pays opens it when it is needed."""

    def __init__(self, session: Session, *, node: str | None = None) -> None:
        """Made by `connect`."""
        super().__init__(session)
        self._node, self._chain = node, session.network.market

    def dataset(self, number: int) -> Dataset:
        """A dataset by its number, read from chain and store. Errors: NotFound, BadBlock, BadDocument."""
        return open_dataset(self._session, number)

    def datasets(self) -> Listing[Dataset]:
        """All datasets that still answer, each read from chain and store. Errors: as `dataset`'s."""
        records = self._chain.datasets()
        return Listing(self.dataset(each.id) for each in records if not each.tombstoned)

    def search(
        self,
        text: str = "",
        *,
        rows_min: int | None = None,
        rows_max: int | None = None,
        columns_min: int | None = None,
        columns_max: int | None = None,
        price_max: Decimal | float | str | None = None,
        models: Sequence[CircuitClass] = (),
        releases: Sequence[ReleaseKind] = (),
        offered: bool = False,
        sort: Sort = "newest",
        most: int = 20,
    ) -> Listing[Dataset]:
        """Datasets that fit: a node's index says where to look, chain and store what is there.

        `text` is looked for in title, keywords, columns and description; `price_max` is test dollars, of the cheapest
        license; `models` and `releases` what offers allow; `offered` wants an active offer; at most `most` come.
        Errors: NotFound where no node is known; Unavailable; BadInput; VerificationFailed for another market's node.
        """
        from app.client.index.client import IndexClient, find_node

        index = IndexClient.of(find_node(self._session.home, self._node), self._chain)
        wanted = {
            "text": text,
            "rows_min": rows_min,
            "rows_max": rows_max,
            "columns_min": columns_min,
            "columns_max": columns_max,
            "price_max": None if price_max is None else token_units(price_max),
            "classes": tuple(models),
            "releases": tuple(releases),
            "offered": offered or None,
            "sort": sort,
        }
        return Listing(self._confirmed(entry.id for entry in index.search(wanted, most)))

    def job(self, number: int) -> Job:
        """A job by its number: also one that another program of yours opened. Errors: NotFound."""
        self._chain.job(number)
        return Job(self._session, number)

    def jobs(self) -> Listing[Job]:
        """The role's jobs, oldest first. Errors as for `address`."""
        return Listing(Job(self._session, each.id) for each in self._chain.jobs(buyer=self._session.holder))

    def licenses(self) -> Listing[License]:
        """The role's licenses, oldest first. Errors as for `address`."""
        now = self._chain.now()
        return Listing(License(each, now) for each in self._chain.licenses(buyer=self._session.holder))

    def models(self) -> Listing[Model]:
        """The models that are kept in the role's folder. Errors: NotFound without the role; BadDocument."""
        return Listing(Model(each) for each in self._session.models.all())

    def model(self, digest: str) -> Model:
        """The one whose digest begins so. Errors: NotFound where there is none, or more than one; BadDocument."""
        return Model(self._session.models.find(digest))

    @property
    def mandates(self) -> Mandates:
        """What the role lets agents buy, and what it may buy for others. Errors as for `address`."""
        from darkroom.mandates import Mandates

        return Mandates(self._session)

    @property
    def owner(self) -> Owner:
        """The owner's side, as the role `owner` of the same home; `darkroom.owner(role=...)` takes another role."""
        from darkroom.selling import Owner

        return Owner(self._session.as_role("owner"))

    def provider(self, role: str = "provider") -> Provider:
        """The provider's side, as a role of the same home."""
        from darkroom.computing import Provider

        return Provider(self._session.as_role(role))

    def _confirmed(self, numbers: Iterator[int]) -> Iterator[Dataset]:
        for number in numbers:
            try:
                yield self.dataset(number)
            except NotFound:
                continue  # the index knows what chain or store do not have: nobody can use it

    def _facts(self) -> Mapping[str, Any]:
        return {
            "chain": self._chain.chain_id,
            "contract": self._chain.address,
            "datasets": self._chain.dataset_count(),
            "home": str(self._session.home.root),
            "role": self._session.role,
        }
