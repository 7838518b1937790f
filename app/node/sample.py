"""What a newcomer finds in a node of their own: bonded providers, an encrypted dataset, two offers, two models at hand.

Every step looks first whether it is done, so it goes on where an earlier run was cut short, and in a home in which the
demo ran it adds only what is missing. It needs a chain with a faucet, and the owner's part of Darkroom.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from app.client.custody import USUAL_BOND
from app.client.dataset import Dataset
from app.client.owner import Owner
from app.client.training import train
from app.demo import table as tables
from app.demo.models import MODELS as RECIPES
from app.demo.stage import BOND, PROVIDERS, Stage, bond, bonded, pocket_money, set_stage
from app.execution.inputs import load_manifest
from app.home.config import read_config
from app.home.home import Home, private_folder
from app.home.network import Network
from app.protocol.documents import sha256
from app.protocol.errors import NotFound, UsageError

if TYPE_CHECKING:
    from app.protocol.market.entities import DatasetRecord
    from ingestion.recipe import Recipe

LOG = logging.getLogger("darkroom.sample")
CUSTODIAN = "owner"
STEM = "sample"  # of the keyring's name
FOLDER = "samples"  # of the home, for what a newcomer takes to the pages
OWNER_FILE = "owner-account.json"
MODELS = {  # kind -> its name and words on the node's shelf
    "logistic-regression": ("Logistic regression", "Tells benign from malignant samples. Linear: the cheaper one."),
    "xgb-classifier": ("Boosted trees", "The same by decision trees, looked up under encryption: more work."),
}

__all__ = ["CUSTODIAN", "PROVIDERS", "ensure_accounts", "ensure_sample"]


def ensure_accounts(home: Home) -> None:
    """Folders, accounts and gas for the sample's roles. Errors: UsageError on a chain without a faucet."""
    network = Network.open(home)
    if not network.embedded:
        raise UsageError("A sample dataset needs a chain with a faucet.", "Set sample = false in the settings.")
    set_stage(home)


def ensure_sample(home: Home) -> int:
    """Everything that a newcomer clicks through; the dataset's id, 0 where it was published in an earlier edition.

    Errors: those of publishing.
    """
    check_parts()
    stage = set_stage(home)
    ensure_bonds(stage)
    if read_config(home).earlier:
        # It would start with the bits that its persons may still lose there.
        LOG.info("the sample stays in the earlier edition")
        return 0
    halves, recipe = tables.load(), tables.recipe()
    dataset = _dataset(stage.owner, halves, recipe)
    _offers(stage, dataset.id, recipe)
    _models(stage, dataset.id, halves)
    _shelve(stage, dataset.id)
    _account(stage)
    LOG.info("sample is there", extra={"dataset": dataset.id, "models": str(home.root / FOLDER)})
    return dataset.id


def check_parts() -> None:
    """Errors: UsageError where what trains models is not installed."""
    missing = [name for name in ("concrete", "torch", "polars", "sklearn") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"The sample trains models, which needs the buyer's part of Darkroom ({missing[0]} is missing).",
            "Install it: pip install 'darkroom-market[buyer]'; or set sample = false in the settings.",
        )


def ensure_bonds(stage: Stage) -> None:
    """A seat in the draw for every provider of the sample."""
    for part in stage.providers:
        if not bonded(stage.network, part.account):
            pocket_money(stage.network, part.account, BOND)
            bond(stage.network, part.account)
            LOG.info("bonded", extra={"provider": part.actor.name})


def titled(owner: Owner, title: str) -> DatasetRecord | None:
    """The owner's dataset that was first published under a title and still answers, in its present version."""
    market, store = owner.network.market, owner.network.store
    for each in owner.own():
        if not each.tombstoned and load_manifest(store, market.dataset_version(each.id, 1)).card.title == title:
            return each
    return None


def _dataset(owner: Owner, halves: tables.Halves, recipe: Recipe) -> DatasetRecord:
    """The sample's dataset, published when there is none yet."""
    if (known := titled(owner, recipe.title)) is not None:
        return known
    name = unused_keys(owner, STEM)
    file = owner.actor.path("measurements.csv")
    tables.write_csv(file, halves.columns, halves.owner)
    LOG.info("encrypting", extra={"rows": len(halves.owner), "columns": len(halves.columns)})
    number = owner.publish(file, recipe, keys=name).sent.value
    LOG.info("published", extra={"dataset": number})
    return owner.network.market.dataset(number)


def unused_keys(owner: Owner, stem: str, *, lookups: bool = True) -> str:
    """A keyring of this stem under which nothing was published: one that an earlier run left, or a new one."""
    cabinet = owner.cabinet
    used = {cabinet.name_of(each.manifest) for each in owner.own()}
    for name in cabinet.names():
        try:
            if name.startswith(stem) and name not in used and cabinet.epoch(name).epoch == 1:
                return name
        except NotFound:
            continue  # its making was cut short
    name = cabinet.free_name(stem)
    LOG.info("making keys", extra={"keyring": name})
    owner.new_epoch(name, lookups=lookups)
    return name


def _offers(stage: Stage, dataset: int, recipe: Recipe) -> None:
    """One offer whose jobs are served at once, and a cheaper one whose jobs wait for the owner's word."""
    market = stage.network.market
    manual = recipe.policy.model_copy(update={"approval": "manual"})
    cheap = recipe.offer.model_copy(update={"price_license": recipe.offer.price_license // 5, "max_jobs": 3})
    offered = {offer.policy for offer in market.offers(dataset) if offer.active}
    for policy, terms in ((recipe.policy, recipe.offer), (manual, cheap)):
        if policy.digest not in offered:
            pocket_money(stage.network, stage.owner.account, USUAL_BOND)
            number = stage.owner.offer(dataset, policy, terms).value
            LOG.info("offered", extra={"offer": number, "approval": policy.approval})


def _models(stage: Stage, dataset: int, halves: tables.Halves) -> None:
    """Compiled models as files, for a newcomer to upload: trained on the buyer's half of the table."""
    folder = private_folder(stage.home.root / FOLDER)
    missing = [kind for kind in MODELS if not model_file(folder, dataset, kind).is_file()]
    if not missing:
        return
    from app.files.private import write_private
    from fhe.circuit.codec import encode

    sample = stage.buyer.actor.path("sample.csv")
    tables.write_csv(sample, halves.columns, halves.buyer, halves.labels)
    open_dataset = Dataset.open(stage.network, dataset)
    for kind in missing:
        trained = train(open_dataset, sample, tables.TARGET, RECIPES[kind], held_out=0)
        stage.buyer.models.keep(trained.compiled, target=tables.TARGET)
        write_private(model_file(folder, dataset, kind), encode(trained.compiled.circuit))
        LOG.info("trained", extra={"model": kind})


def _shelve(stage: Stage, dataset: int) -> None:
    """The same models published, and named on this node's shelf, so that a page offers them without any upload."""
    from app.market.web.featured_models import OfferedModel
    from app.node.featured_models import offer

    models = []
    for kind, (name, about) in MODELS.items():
        data = model_file(stage.home.root / FOLDER, dataset, kind).read_bytes()
        stage.network.store.put(data)
        models.append(
            OfferedModel(
                dataset=dataset, circuit=sha256(data), name=f"Sample: {name}", about=about, outcomes=tables.OUTCOMES
            )
        )
    offer(stage.home, tuple(models))


def _account(stage: Stage) -> None:
    """The sample owner's account for the pages' demo wallet, so that a newcomer can stand on that side too.

    On the embedded chain alone: its money is worth nothing, and the account's passphrase lies in the same home.
    """
    from app.chain.evm.embedded import EmbeddedChain
    from app.files.private import write_private

    if not isinstance(stage.network.market.node, EmbeddedChain):
        return
    file = private_folder(stage.home.root / FOLDER) / OWNER_FILE
    write_private(file, stage.owner.account.test_account(stage.network.market.chain_id, "the sample's owner"))


def model_file(folder: Path, dataset: int, kind: str) -> Path:
    """Where a model for a dataset lies."""
    return folder / f"dataset-{dataset}-{kind}.circuit"
