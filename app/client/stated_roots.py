"""What an owner's manifests say of evaluation keys, and where its machine keeps what it worked out of them."""

from __future__ import annotations

from app.client.keyring_store import EpochRecord
from app.execution.key_roots import KeyRootsKept
from app.home.home import Actor
from app.home.network import Network
from app.protocol.data.dataset import KeyRoots
from fhe.profiles import find


def roots_kept(network: Network, actor: Actor) -> KeyRootsKept:
    """The roots of evaluation keys, kept in an actor's folder."""
    return KeyRootsKept(network.store, actor.folder / "roots")


def stated_roots(network: Network, actor: Actor, record: EpochRecord) -> KeyRoots | None:
    """What a manifest says of an epoch's evaluation key, in a market whose contracts judge lookups by it.

    Errors: BadKey, NotFound, BadBlock.
    """
    if record.evaluation_key is None or not network.market.has_disputes:
        return None
    return roots_kept(network, actor).of(record.evaluation_key, find(record.profile), record.epoch)
