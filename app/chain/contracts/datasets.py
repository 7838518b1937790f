"""Publishing datasets and reading what the registry says of them."""

from __future__ import annotations

from collections.abc import Iterator

from app.chain.contracts.client import ContractClient, Sent
from app.chain.contracts.entities import RAW_CODEC, as_dataset, as_dataset_version
from app.chain.wallet.account import Account
from app.protocol.errors import NotFound, Unavailable
from app.protocol.market.entities import DatasetRecord

REGISTRY = "DatasetRegistry"


class Datasets:
    """Dataset actions and reads. Manifests, roots and profiles are digests, 64 hex digits."""

    client: ContractClient

    def publish_dataset(
        self, account: Account, *, manifest: str, data_root: str, profile: str, rows: int, custodian: str | None = None
    ) -> Sent[int]:
        """Publish a dataset; the value is its id. The custodian is the owner's account unless another is named."""
        who = custodian or account.address
        said = (manifest, RAW_CODEC, data_root, profile, rows, who)
        sent = self.client.send(account, REGISTRY, "publish", *said, purpose=_purpose(manifest), again=True)
        return sent.with_value(int(sent.event("DatasetVersion").args["dataset"]))

    def new_version(
        self, account: Account, dataset: int, *, manifest: str, data_root: str, profile: str, rows: int
    ) -> Sent[int]:
        """Replace a dataset's manifest under the same keys; the value is the new version."""
        said = (dataset, manifest, RAW_CODEC, data_root, profile, rows)
        sent = self.client.send(account, REGISTRY, "newVersion", *said, purpose=_purpose(manifest), again=True)
        return sent.with_value(int(sent.event("DatasetVersion").args["version"]))

    def new_epoch(
        self, account: Account, dataset: int, *, manifest: str, data_root: str, profile: str, rows: int
    ) -> Sent[int]:
        """Replace a dataset's manifest and its keys; the value is the new epoch."""
        said = (dataset, manifest, RAW_CODEC, data_root, profile, rows)
        sent = self.client.send(account, REGISTRY, "newEpoch", *said, purpose=_purpose(manifest), again=True)
        return sent.with_value(int(sent.event("DatasetVersion").args["epoch"]))

    def recorded(self, account: Account, manifest: str) -> bool:
        """Whether a manifest was recorded from here before; a transaction that is still on its way is waited for.

        Errors: TransactionPending, Unavailable.
        """
        return self.client.ordered(account, _purpose(manifest)) is not None

    def set_custodian(self, account: Account, dataset: int, custodian: str) -> Sent[None]:
        """Name the account that may release and refuse jobs on a dataset."""
        return self.client.send(account, REGISTRY, "setCustodian", dataset, custodian)

    def tombstone(self, account: Account, dataset: int, epoch: int, digest: str) -> Sent[None]:
        """State that an epoch's key was destroyed; `digest` is that of the statement."""
        return self.client.send(account, REGISTRY, "tombstone", dataset, epoch, digest)

    def set_royalty(self, account: Account, dataset: int, receiver: str, basis_points: int) -> Sent[None]:
        """State an ERC-2981 royalty, once."""
        return self.client.send(account, REGISTRY, "setRoyalty", dataset, receiver, basis_points)

    def dataset(self, id: int) -> DatasetRecord:
        """A dataset's current version. Errors: NotFound, Unavailable."""
        if not 1 <= id <= self.dataset_count():
            raise NotFound(f"There is no dataset {id}.", "List them: darkroom dataset list.")
        stored = self.client.read(REGISTRY, "get", id)
        block = stored["versionBlock"]
        # A block can hold several versions of one dataset; the storage word tells which one counts.
        versions = self.client.find(REGISTRY, "DatasetVersion", block, block, id)
        for event in reversed(versions):
            if event.args["version"] == stored["version"]:
                return as_dataset(id, stored, event.args)
        raise Unavailable(
            f"The node has no event of dataset {id}'s version.", "Try again, or use a node with full history."
        )

    def dataset_version(self, id: int, version: int) -> DatasetRecord:
        """A dataset as of an earlier version, from its events. Errors: NotFound, Unavailable."""
        current = self.dataset(id)
        if version == current.version:
            return current
        stored = self.client.read(REGISTRY, "get", id)
        events = self.client.find(REGISTRY, "DatasetVersion", self.first_block, stored["versionBlock"], id, version)
        if not events:
            raise NotFound(f"Dataset {id} has no version {version}.", "List them: darkroom dataset show.")
        return as_dataset_version(id, stored, events[-1].args)

    def datasets(self) -> Iterator[DatasetRecord]:
        """All datasets, by id."""
        return (self.dataset(number) for number in range(1, self.dataset_count() + 1))

    def dataset_count(self) -> int:
        """How many datasets were ever published; ids run from 1 to this."""
        return int(self.client.read(REGISTRY, "count"))

    @property
    def first_block(self) -> int:
        """The block from which on there can be events."""
        raise NotImplementedError


def _purpose(manifest: str) -> str:
    """What a transaction that records a manifest is for, by which it is found again."""
    return f"record {manifest}"
