"""What each version of a dataset changed, read from chain and store."""

from __future__ import annotations

from app.execution.inputs import load_manifest
from app.home.network import Network
from app.protocol.data.change import VersionChange, changed
from app.protocol.data.manifest import Manifest


def history(network: Network, dataset: int) -> list[VersionChange]:
    """Every version, the first one first. Errors: NotFound, BadBlock, BadDocument."""
    market, found = network.market, list[VersionChange]()
    before: Manifest | None = None
    for version in range(1, market.dataset(dataset).version + 1):
        manifest = load_manifest(network.store, market.dataset_version(dataset, version))
        found.append(changed(before, manifest))
        before = manifest
    return found
