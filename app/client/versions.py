"""What each version of a dataset changed, from its manifests alone."""

from __future__ import annotations

from dataclasses import dataclass

from app.execution.inputs import load_manifest
from app.home.network import Network
from app.protocol.data.dataset import EncryptedTable, Shard


@dataclass(frozen=True)
class VersionChange:
    """One version against the one before it; the first one against nothing."""

    version: int
    epoch: int
    rows: int
    rows_before: int
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_recoded: tuple[str, ...]  # of the same name, under another code
    columns_changed: tuple[str, ...]  # of the same code, with other ciphertext of rows that were there
    files: int
    files_kept: int  # that the version before has too


def history(network: Network, dataset: int) -> list[VersionChange]:
    """Every version, oldest first. Errors: NotFound, BadBlock, BadDocument."""
    market, found = network.market, list[VersionChange]()
    before: EncryptedTable | None = None
    for version in range(1, market.dataset(dataset).version + 1):
        table = load_manifest(network.store, market.dataset_version(dataset, version)).table
        found.append(changed(version, before, table))
        before = table
    return found


def changed(version: int, before: EncryptedTable | None, after: EncryptedTable) -> VersionChange:
    """What one version changed. Seeds follow from what files hold, so equal seeds are equal rows under equal keys."""
    old = {column.name: column for column in before.codebook.columns} if before else {}
    new = {column.name: column for column in after.codebook.columns}
    there = {
        (shard.first_row, file.column, file.encoding): file.seed for shard in _shards(before) for file in shard.files
    }
    seeds, files, kept = set(there.values()), 0, 0
    other: dict[str, None] = {}
    for shard in after.shards:
        for file in shard.files:
            files += 1
            kept += file.seed in seeds
            if there.get((shard.first_row, file.column, file.encoding), file.seed) != file.seed:
                other[file.column] = None
    same = [name for name in new if name in old]
    return VersionChange(
        version=version,
        epoch=after.epoch,
        rows=after.rows,
        rows_before=before.rows if before else 0,
        columns_added=tuple(name for name in new if name not in old),
        columns_removed=tuple(name for name in old if name not in new),
        columns_recoded=tuple(name for name in same if old[name] != new[name]),
        columns_changed=tuple(name for name in same if old[name] == new[name] and name in other)
        if before and before.epoch == after.epoch
        else (),
        files=files,
        files_kept=kept,
    )


def _shards(table: EncryptedTable | None) -> tuple[Shard, ...]:
    return table.shards if table else ()
