"""A dataset's versions, and what each changed against the one before it."""

from __future__ import annotations

import json
from typing import Any, Literal

from sqlmodel import Session, col, select, tuple_

from app.market.db.tables import ChangeRow, DatasetRow, VersionRow
from app.market.queries.paging import newest_first
from app.market.queries.view import Page, View, check_id, missing
from app.protocol.errors import NotFound

ChangeStatus = Literal["first", "known", "pending", "unavailable", "invalid"]


class VersionView(View):
    """One version of a dataset, as the chain has it."""

    version: int
    epoch: int
    rows: int
    manifest: str
    data_root: str
    profile: str
    block: int
    tx: str
    at: int


class NamedColumns(View):
    """Some columns: how many, and the first of their names."""

    count: int
    names: tuple[str, ...]


class ChangeView(View):
    """What one version changed against the one before it."""

    epoch: int
    rows: int
    rows_before: int
    new_keys: bool  # every row was encrypted anew, under the keys of another epoch
    columns_added: NamedColumns
    columns_removed: NamedColumns
    columns_recoded: NamedColumns  # of the same name, under another code
    columns_changed: NamedColumns  # of the same code and keys, with other ciphertext of rows that were there
    policy_changed: bool
    words_changed: bool  # title, description, terms of use or keywords
    files: int
    files_kept: int  # that the version before has too, for the same rows
    words: tuple[str, ...]  # all of it, as parts of one sentence


class ChangedVersion(View):
    """One version and what it changed. `status`: first (nothing came before it); known; pending (not compared yet);
    unavailable (no store has one of the two manifests); invalid (one of them contradicts the chain).
    """

    version: VersionView
    status: ChangeStatus
    change: ChangeView | None  # of a known one


def versions(session: Session, dataset: int, *, limit: int = 50, after: str | None = None) -> Page[ChangedVersion]:
    """A dataset's versions, newest first. Errors: NotFound, BadInput."""
    if session.get(DatasetRow, check_id("dataset", dataset)) is None:
        raise missing("dataset", dataset)
    query = select(VersionRow).where(VersionRow.dataset == dataset)
    rows, follows = newest_first(session, query, col(VersionRow.version), limit, after)
    earlier = {row.version: row for row in rows}
    if rows and rows[-1].version > 1:
        earlier[rows[-1].version - 1] = session.exec(query.where(VersionRow.version == rows[-1].version - 1)).one()
    pairs = {(row.manifest, earlier[row.version - 1].manifest) for row in rows if row.version > 1}
    keys = tuple_(col(ChangeRow.after), col(ChangeRow.before))
    known = {(row.after, row.before): row for row in session.exec(select(ChangeRow).where(keys.in_(pairs)))}
    return Page(items=tuple(_changed(row, earlier.get(row.version - 1), known) for row in rows), next=follows)


def manifest_of(session: Session, dataset: int, version: int | None = None) -> str:
    """The digest of a version's manifest, by default of the present one. Errors: NotFound."""
    row = session.get(DatasetRow, check_id("dataset", dataset))
    if row is None:
        raise missing("dataset", dataset)
    if version is None:
        return row.manifest
    found = session.get(VersionRow, (dataset, version))
    if found is None:
        raise NotFound(f"Dataset {dataset} has no version {version} in the index.", "See the dataset's versions.")
    return found.manifest


def version_view(row: VersionRow) -> VersionView:
    """A version as the chain has it."""
    return VersionView(**row.model_dump(exclude={"dataset"}))


def said(row: VersionRow) -> list[Any]:
    """What the chain says of a version that its manifest has to say too."""
    return [row.data_root, row.profile, row.rows, row.epoch]


def _changed(row: VersionRow, before: VersionRow | None, known: dict[tuple[str, str], ChangeRow]) -> ChangedVersion:
    status: ChangeStatus = "pending"
    change = None
    if before is None:
        status = "first"
    elif (found := known.get((row.manifest, before.manifest))) is not None:
        if found.state == "unavailable":
            status = "unavailable"
        elif found.state == "present" and json.loads(found.facts) == [said(row), said(before)]:
            status, change = "known", ChangeView.model_validate_json(found.change)
        else:
            status = "invalid"
    return ChangedVersion(version=version_view(row), status=status, change=change)
