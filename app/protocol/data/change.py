"""What one version of a dataset changed against the one before it, from their manifests alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.protocol.data.dataset import Codebook
from app.protocol.data.derivation import IsMissing, Member, derivation_in_words
from app.protocol.data.description import StrictManifest

MOST_NAMES = 8  # of columns, in one sentence


@dataclass(frozen=True)
class VersionChange:
    """One version against the one before it; the first one against nothing."""

    epoch: int
    rows: int
    rows_before: int
    new_keys: bool  # whether every row is encrypted anew, under the keys of another epoch
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_recoded: tuple[str, ...]  # of the same name, under another code
    columns_changed: tuple[str, ...]  # of the same code and keys, with other ciphertext of rows that were there
    policy_changed: bool
    words_changed: bool  # title, description, terms of use or keywords
    files: int
    files_kept: int  # that the version before has too, for the same rows


def changed(before: StrictManifest | None, after: StrictManifest) -> VersionChange:
    """What one version changed. Seeds follow from what files hold, so equal seeds are equal rows under equal keys.

    Of a large table the files of two shards at a time are in memory. Errors: NotFound, BadBlock where they are linked.
    """
    table, earlier = after.table, before.table if before else None
    old = _meanings(earlier.codebook) if earlier else {}
    new = _meanings(table.codebook)
    there = {shard.first_row: shard for shard in earlier.shards} if earlier else {}
    files, kept, other = 0, 0, set[str]()
    for shard in table.shards:
        same_rows = there.get(shard.first_row)
        seeds = {(file.column, file.encoding): file.seed for file in same_rows.files} if same_rows else {}
        known = set(seeds.values())
        for file in shard.files:
            files += 1
            kept += file.seed in known
            if seeds.get((file.column, file.encoding), file.seed) != file.seed:
                other.add(file.column)
    new_keys = earlier is not None and earlier.epoch != table.epoch
    same = [name for name in new if name in old]
    return VersionChange(
        epoch=table.epoch,
        rows=table.rows,
        rows_before=earlier.rows if earlier else 0,
        new_keys=new_keys,
        columns_added=tuple(name for name in new if name not in old),
        columns_removed=tuple(name for name in old if name not in new),
        columns_recoded=tuple(name for name in same if old[name] != new[name]),
        columns_changed=() if new_keys else tuple(name for name in same if old[name] == new[name] and name in other),
        policy_changed=before is not None and before.policy != after.policy,
        words_changed=before is not None and _words(before) != _words(after),
        files=files,
        files_kept=kept,
    )


# What happened to columns, for one, for several, and for more than are named.
ADDED = ("new column {names}", "new columns {names}", "new columns {names} and {more} more")
REMOVED = ("without column {names}", "without columns {names}", "without columns {names} and {more} more")
RECODED = (
    "another code of column {names}",
    "another code of columns {names}",
    "another code of columns {names} and {more} more",
)
CHANGED = (
    "other ciphertext of earlier rows in column {names}",
    "other ciphertext of earlier rows in columns {names}",
    "other ciphertext of earlier rows in columns {names} and {more} more",
)


def change_in_words(change: VersionChange) -> tuple[str, ...]:
    """What a version changed, for people: parts of one sentence, with at most eight names in each."""
    if not change.rows_before:
        return ("the first version",)
    more = change.rows - change.rows_before
    parts = [
        f"{_plural(more, 'row')} more" if more > 0 else "",
        f"{_plural(-more, 'row')} fewer" if more < 0 else "",
        _named(ADDED, change.columns_added),
        _named(REMOVED, change.columns_removed),
        _named(RECODED, change.columns_recoded),
        _named(CHANGED, change.columns_changed),
        "everything encrypted anew, under other keys" if change.new_keys else "",
        "another output policy" if change.policy_changed else "",
        "another description" if change.words_changed else "",
    ]
    told = tuple(part for part in parts if part) or ("the same table",)
    return told if change.new_keys else (*told, f"{change.files_kept:,} of {_plural(change.files, 'file')} kept")


def _meanings(codebook: Codebook) -> dict[str, tuple[object, ...]]:
    """By column, its code and what of its source decides about it: a longer list of categories leaves members alone."""
    found: dict[str, tuple[object, ...]] = {}
    for column in codebook.published:
        source: object = codebook.source(column.reads)
        if isinstance(column.derivation, Member | IsMissing):
            source = derivation_in_words(column.derivation, column.reads, codebook.source(column.reads))
        found[column.name] = (column, source)
    return found


def _words(manifest: StrictManifest) -> object:
    return manifest.card.model_copy(update={"published": "", "version": ""})


def _named(forms: tuple[str, str, str], names: Sequence[str]) -> str:
    """Columns in the form for one, for several, or for more than are named."""
    if not names:
        return ""
    more = len(names) - MOST_NAMES
    form = forms[0] if len(names) == 1 else forms[1] if more <= 0 else forms[2]
    return form.format(names=", ".join(names[:MOST_NAMES]), more=f"{more:,}")


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else noun + 's'}"
