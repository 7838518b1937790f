"""The shell around `fold`: asks the chain and the store, writes whole steps, and can be killed anywhere.

Everything that a step changes is written in one transaction together with the new place in the chain, so there is
nothing to repair after a crash. Two indexers on one database do not harm each other: the second to finish a step finds
that the place has moved, and drops its work.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Mapped, aliased
from sqlmodel import Session, col, func, or_, select

from app.chain.contracts.client import ContractClient
from app.chain.contracts.token import COIN
from app.chain.cursor import MAX_BLOCKS, BlockRef, Checkpoint, Cursor, CursorStep
from app.chain.events import Event
from app.chain.market import Market
from app.market.db.database import Database
from app.market.db.tables import (
    ChangeRow,
    DatasetRow,
    ManifestRow,
    MarkRow,
    OfferRow,
    PolicyRow,
    SyncStateRow,
    VersionRow,
    sql,
)
from app.market.indexer import listings
from app.market.indexer.documents import FoundDocument, look_for_change, look_for_manifest, look_for_policy
from app.market.indexer.indexed_event import IndexedEvent
from app.market.indexer.projections.project import fold
from app.market.indexer.repository import add, loader, rollback_to, save_checkpoint, store
from app.market.indexer.rules import Rules
from app.market.indexer.unit_of_work import UnitOfWork
from app.protocol.errors import BadInput, DarkroomError, NotFound, Unavailable
from app.protocol.ports import Clock, Store

POLL_SECONDS = 0.5
LONGEST_PAUSE = 30.0  # after failures
DOCUMENTS = 64  # looked for in one go
TRIES = 5  # a chain that changes while it is read, or another indexer on the same database


@dataclass(frozen=True)
class Synced:
    """What `sync` did and where it stands."""

    height: int  # the last block in the index; -1 before the first
    behind: int  # blocks of the chain that are not in it
    events: int  # added
    reorganisations: int  # survived on the way
    documents: int  # manifests, policies and changes of versions looked for


class Indexer:
    """Follows one market into one database."""

    def __init__(self, market: Market, store: Store, database: Database, *, clock: Clock | None = None) -> None:
        """`clock` spaces out looks for missing documents; by default this machine's.

        Errors: BadInput when the database is the index of another market; Unavailable.
        """
        self._market, self._store, self._database = market, store, database
        self._clock: Clock = clock or (lambda: int(time.time()))
        # The token's own transfers and approvals are not the market's business, and of a real one there are millions.
        self._client = ContractClient(
            market.node, [each for name, each in market.client.contracts.items() if name != COIN]
        )
        database.migrate()
        self._rules = self._claim()

    def sync(self, *, limit: int = MAX_BLOCKS, documents: bool = True) -> Synced:
        """Follow the chain to its head, at most `limit` blocks in one transaction, then look for missing documents.

        Errors: Unavailable, VerificationFailed.
        """
        events = lost = 0
        while True:
            step = self._step(limit)
            events += len(step.events)
            lost += step.forget_after is not None
            if step.behind == 0:
                break
        looked = self.fetch_documents() if documents else 0
        height = step.checkpoint.marks[-1].number if step.checkpoint.marks else -1
        return Synced(height, step.behind, events, lost, looked)

    def run(self, stop: threading.Event, *, every: float = POLL_SECONDS) -> None:
        """Follow the chain until `stop` is set; what fails is written into the status and tried again.

        Documents are fetched in a thread of their own, so that a slow store does not hold up the chain.
        """
        broken: list[BaseException] = []
        fetching = threading.Thread(target=self._fetch_until, args=(stop, every, broken), name="documents", daemon=True)
        fetching.start()
        pause = every
        while not stop.is_set():
            try:
                self.sync(documents=False)
                pause = every
            except DarkroomError as error:
                pause = min(2 * max(pause, every), LONGEST_PAUSE)
                self._note_failure(error)
            if broken:
                raise broken[0]
            stop.wait(pause)
        fetching.join()

    def rebuild(self) -> Synced:
        """Throw away everything that follows from the chain, and read it again. Errors: as `sync`."""
        with self._database.writing() as session:
            touched, _ = rollback_to(session, -1)
            listings.refresh(session, touched, words=touched)
            place = session.exec(select(SyncStateRow).with_for_update()).one()
            place.height, place.hash, place.revision = -1, "", place.revision + 1
            session.add(place)
        return self.sync()

    def fetch_documents(self, most: int = DOCUMENTS) -> int:
        """Look for manifests, policies and changes of versions that are named and not there; how many.

        Errors: Unavailable.
        """
        now = self._clock()
        with self._database.session() as session:
            manifests = _wanted(session, col(DatasetRow.manifest), ManifestRow, now, most)
            policies = _wanted(session, col(OfferRow.policy), PolicyRow, now, most)
            changes = _wanted_changes(session, now, most)
        found = [look_for_manifest(self._store, digest, tries, now) for digest, tries in manifests]
        found += [look_for_policy(self._store, digest, tries, now) for digest, tries in policies]
        found += [look_for_change(self._store, after, before, tries, now) for after, before, tries in changes]
        if found:
            self._keep(found)
        return len(found)

    def _claim(self) -> Rules:
        """Make sure that the database is this market's index; the rules that it was begun with."""
        market = self._market
        with self._database.session() as session:
            place = session.get(SyncStateRow, 1)
        if place is None:
            rules = Rules.of(market)
            with self._database.writing() as session:
                if session.get(SyncStateRow, 1) is None:
                    session.add(
                        SyncStateRow(
                            chain_id=market.chain_id,
                            market=market.address,
                            addresses=json.dumps(market.addresses),
                            rules=rules.to_text(),
                            start=market.first_block,
                        )
                    )
            with self._database.session() as session:
                place = session.exec(select(SyncStateRow)).one()
        if (place.chain_id, place.market, place.start) != (market.chain_id, market.address, market.first_block):
            raise BadInput(
                f"This database is the index of market {place.market} on chain {place.chain_id}, not of"
                f" {market.address} on chain {market.chain_id}.",
                "Name another database for this market, or remove that one: an index can always be rebuilt.",
            )
        if place.addresses != (addresses := json.dumps(market.addresses)):  # mandates came beside the market
            with self._database.writing() as session:
                session.exec(select(SyncStateRow)).one().addresses = addresses
        return Rules.from_text(place.rules)

    def _step(self, limit: int) -> CursorStep:
        for _ in range(TRIES):
            with self._database.session() as session:
                place = session.exec(select(SyncStateRow)).one()
                seen, start = (place.hash, place.height), place.start
                marks = tuple(
                    BlockRef(row.number, row.hash)
                    for row in session.exec(select(MarkRow).order_by(col(MarkRow.number)))
                )
            step = Cursor(self._client, Checkpoint(start, marks)).poll(limit)
            happened = self._timed(step.events)
            if happened is not None and self._write(step, happened, seen):
                return step
        raise Unavailable("The chain or the index keeps changing while a step is made.", "Try again.")

    def _timed(self, events: Iterable[Event]) -> list[IndexedEvent] | None:
        """The events with their blocks' times; None when a block was replaced since."""
        times: dict[int, int] = {}
        happened = []
        for event in events:
            if event.block not in times:
                try:
                    block = self._market.node.block(event.block)
                except NotFound:
                    return None
                if block.hash != event.block_hash:
                    return None
                times[event.block] = block.time
            happened.append(
                IndexedEvent(
                    event.contract, event.name, event.args, event.block, event.block_hash, event.tx, event.index,
                    times[event.block],
                )
            )  # fmt: skip
        return happened

    def _write(self, step: CursorStep, happened: Sequence[IndexedEvent], seen: tuple[str, int]) -> bool:
        """One step in one transaction; False when another indexer was faster."""
        trail = step.checkpoint
        last = trail.marks[-1] if trail.marks else BlockRef(-1, "")
        with self._database.writing() as session:
            place = session.exec(select(SyncStateRow).with_for_update()).one()
            if (place.hash, place.height) != seen:
                return False
            touched: set[int] = set()
            if step.forget_after is not None:
                touched, _ = rollback_to(session, step.forget_after)
                place.reorganisations += 1
            work = UnitOfWork(
                loader(session), self._rules, journal_from=trail.marks[0].number + 1 if trail.marks else 0
            )
            fold(work, happened)
            store(session, work)
            if (last.number, last.hash) != (place.height, place.hash):
                save_checkpoint(session, [(mark.number, mark.hash) for mark in trail.marks])
            listings.refresh(session, work.datasets | touched, words=work.renewed | touched)
            place.height, place.hash, place.head = last.number, last.hash, last.number + step.behind
            place.seen_at, place.error = self._clock(), ""
            if happened or step.forget_after is not None:
                place.revision += 1
            session.add(place)
        return True

    def _keep(self, found: Sequence[FoundDocument]) -> None:
        manifests = {each.manifest.digest: each.manifest for each in found if each.manifest}
        policies = {each.policy.digest: each.policy for each in found if each.policy}
        changes = {(each.change.after, each.change.before): each.change for each in found if each.change}
        with self._database.writing() as session:
            place = session.exec(select(SyncStateRow).with_for_update()).one()
            news = _replace(session, ManifestRow, manifests) | _replace(session, PolicyRow, policies)
            news |= _replace_changes(session, changes)
            if not news:
                return
            of_manifests = set(session.exec(select(DatasetRow.id).where(col(DatasetRow.manifest).in_(manifests))))
            of_policies = set(session.exec(select(OfferRow.dataset).where(col(OfferRow.policy).in_(policies))))
            listings.refresh(session, of_manifests | of_policies, words=of_manifests)
            place.revision += 1
            session.add(place)

    def _fetch_until(self, stop: threading.Event, every: float, broken: list[BaseException]) -> None:
        try:
            while not stop.is_set():
                try:
                    busy = self.fetch_documents() >= DOCUMENTS
                except DarkroomError as error:
                    self._note_failure(error)
                    busy = False
                stop.wait(0 if busy else every)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for this one
            broken.append(error)

    def _note_failure(self, error: DarkroomError) -> None:
        """Write down why the index stands still; when even that fails, readers see it by `seen_at`."""
        try:
            with self._database.writing() as session:
                place = session.exec(select(SyncStateRow).with_for_update()).one()
                place.error = str(error)[:500]
                session.add(place)
        except DarkroomError:
            return


def _wanted(
    session: Session, named: Mapped[str], kind: type[ManifestRow] | type[PolicyRow], now: int, most: int
) -> list[tuple[str, int]]:
    """Digests that rows name and whose documents are not there and are due, with the tries so far."""
    due = or_(col(kind.digest).is_(None), (col(kind.state) == "unavailable") & (col(kind.next_try) <= now))
    query = (
        select(named, func.coalesce(col(kind.tries), 0))
        .outerjoin(kind, col(kind.digest) == named)
        .where(due)
        .distinct()
        .limit(most)
    )
    return [(str(digest), int(tries)) for digest, tries in session.exec(query)]


def _wanted_changes(session: Session, now: int, most: int) -> list[tuple[str, str, int]]:
    """Digests of a version's manifest and of the one before it, where what changed is not there and due; tries."""
    before = aliased(VersionRow)
    there = (col(ChangeRow.after) == VersionRow.manifest) & (col(ChangeRow.before) == before.manifest)
    due = or_(
        col(ChangeRow.after).is_(None), (col(ChangeRow.state) == "unavailable") & (col(ChangeRow.next_try) <= now)
    )
    query = (
        select(VersionRow.manifest, before.manifest, func.coalesce(col(ChangeRow.tries), 0))
        .join(before, (col(VersionRow.dataset) == before.dataset) & (col(VersionRow.version) == before.version + 1))
        .outerjoin(ChangeRow, there)
        .where(due)
        .distinct()
        .limit(most)
    )
    return [(str(after), str(earlier), int(tries)) for after, earlier, tries in session.exec(query)]


def _replace(
    session: Session, kind: type[ManifestRow] | type[PolicyRow], rows: Mapping[str, ManifestRow | PolicyRow]
) -> bool:
    """Write documents over what was known under their digests; what is present stays. Whether anything changed."""
    table = sql(kind)
    known = {row.digest: row for row in session.execute(table.select().where(table.c.digest.in_(rows))).all()}
    fresh = {digest: row for digest, row in rows.items() if digest not in known or known[digest].state != "present"}
    if fresh:
        session.execute(table.delete().where(table.c.digest.in_(fresh)))
        add(session, kind, fresh.values())
    return any(digest not in known or known[digest].state != row.state for digest, row in fresh.items())


def _replace_changes(session: Session, rows: Mapping[tuple[str, str], ChangeRow]) -> bool:
    """The same for what versions changed."""
    news = False
    for key, row in rows.items():
        known = session.get(ChangeRow, key)
        if known is not None and known.state == "present":
            continue
        news |= known is None or known.state != row.state
        session.merge(row)
    return news
