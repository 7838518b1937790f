"""A large index for the API's benchmark: synthetic datasets and jobs, written through the index's own tables.

    fill(database, datasets=10_000, jobs=100_000)

Everything that the catalogue and the pages read is there, as the indexer would have left it: manifests with columns and
words, policies, offers, licenses, jobs in all states with their executions and events. Titles, sizes and prices are
random from a fixed seed, so that two runs fill the same index.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session

from app.chain.address import eip55
from app.market.db.database import Database
from app.market.db.tables import (
    DatasetRow,
    EventRow,
    ExecutionRow,
    IndexTable,
    JobRow,
    LicenseRow,
    ManifestRow,
    MarkRow,
    OfferRow,
    PolicyRow,
    ProviderRow,
    SyncStateRow,
    TotalsRow,
    VersionRow,
    sql,
)
from app.market.indexer import listings
from app.market.indexer.repository import add
from app.market.indexer.rules import Rules
from app.market.text import words
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import OutputPolicy

Values = tuple[type[IndexTable], dict[str, Any]]

CHAIN_ID = 31_337
START = 1_790_000_000  # seconds since the epoch
AT_ONCE = 5_000
PROVIDERS = 40
BUYERS = 500
DURATION = 30 * 86_400  # seconds of a license
OWNERS = 300
SUBJECTS = (
    "credit",
    "cancer",
    "churn",
    "fraud",
    "housing",
    "energy",
    "traffic",
    "crop",
    "insurance",
    "sensor",
    "genome",
)
KINDS = ("records", "measurements", "survey", "ledger", "panel", "registry", "history", "cohort")
PLACES = ("north", "south", "coast", "valley", "city", "river", "island", "border", "capital", "harbour")
COLUMNS = ("age", "income", "score", "radius", "density", "balance", "duration", "distance", "weight", "rate", "count")
STATES = (
    *[JobState.SETTLED] * 88,
    *[JobState.REFUSED] * 5,
    *[JobState.EXPIRED] * 3,
    JobState.FAILED,
    JobState.OPEN,
    JobState.ASSIGNED,
    JobState.COMPUTED,
)
POLICIES = (
    OutputPolicy(),
    OutputPolicy(circuits=("linear",), release="label", approval="manual"),
    OutputPolicy(circuits=("linear", "additive"), release="aggregate", epsilon_micro_per_job=100_000, min_group=50),
    OutputPolicy(circuits=("linear", "trees", "additive", "lookup"), release="score", levels=64),
)


def fill(database: Database, *, datasets: int = 10_000, jobs: int = 100_000, seed: int = 7) -> None:
    """Fill an empty, migrated index."""
    chance = random.Random(seed)
    with database.writing() as session:
        _place(session, datasets, jobs)
        add(session, PolicyRow, [_policy(policy) for policy in POLICIES])
        add(session, ProviderRow, [_provider(number) for number in range(PROVIDERS)])
        _write(session, _datasets(datasets, jobs, chance))
    for start in range(1, datasets + 1, AT_ONCE):
        ids = range(start, min(start + AT_ONCE, datasets + 1))
        with database.writing() as session:
            listings.refresh(session, ids, words=ids)
    with database.writing() as session:
        _write_values(session, _jobs(datasets, jobs, chance))
    if database.is_sqlite:
        with database.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")


@cache
def address(kind: str, number: int) -> str:
    """An account's address."""
    return eip55("0x" + hashlib.sha256(f"{kind} {number}".encode()).hexdigest()[:40])


def _digest(kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()


def _write(session: Session, rows: Iterator[IndexTable]) -> None:
    while batch := list(islice(rows, AT_ONCE)):
        by_entity: dict[type[IndexTable], list[IndexTable]] = {}
        for row in batch:
            by_entity.setdefault(type(row), []).append(row)
        for entity, each in by_entity.items():
            add(session, entity, each)


def _row(entity: type[IndexTable], **values: Any) -> Values:
    """A row without its model: a million of them would take a minute to build."""
    return entity, values


def _write_values(session: Session, rows: Iterator[Values]) -> None:
    while batch := list(islice(rows, AT_ONCE)):
        for entity in (JobRow, ExecutionRow, EventRow):
            if values := [each for kind, each in batch if kind is entity]:
                session.execute(insert(sql(entity)), values)


def _place(session: Session, datasets: int, jobs: int) -> None:
    height = datasets + 10 * jobs
    tip = _digest("block", height)
    rules = Rules(draw_window=3600, heartbeat_window=86_400, stake_floor=10_000_000, stake_multiple=10)
    names = ("TestUSD", "DatasetRegistry", "LicenseMarket", "ProviderRegistry", "JobMarket")
    addresses = {name: address("contract", number) for number, name in enumerate(names)}
    add(
        session,
        SyncStateRow,
        [
            SyncStateRow(
                chain_id=CHAIN_ID,
                market=addresses["JobMarket"],
                addresses=json.dumps(addresses),
                rules=rules.to_text(),
                start=1,
                height=height,
                hash=tip,
                head=height,
                seen_at=START + height,
                revision=1,
            )
        ],
    )
    add(session, MarkRow, [MarkRow(number=height, hash=tip)])
    add(session, TotalsRow, [TotalsRow(events=9 * jobs, datasets=datasets, licenses=datasets, jobs=jobs)])


def _policy(policy: OutputPolicy) -> PolicyRow:
    return PolicyRow(digest=policy.digest, state="present", document=policy.to_bytes().decode())


def _provider(number: int) -> ProviderRow:
    return ProviderRow(
        address=address("provider", number),
        bond=10**9,
        fixed_fee=1000,
        price=(3 + number) * 10**6,
        capacity=10**7,
        heartbeat=START,
        seat=number + 1,
        seated=True,
        since=START,
    )


def _datasets(count: int, jobs: int, chance: random.Random) -> Iterator[IndexTable]:
    for number in range(1, count + 1):
        subject, kind, place = chance.choice(SUBJECTS), chance.choice(KINDS), chance.choice(PLACES)
        names = [f"{chance.choice(COLUMNS)} {index}" for index in range(chance.randint(3, 40))]
        rows, policy = chance.randint(500, 2_000_000), chance.choice(POLICIES)
        title = f"{subject.capitalize()} {kind} of the {place}, {2000 + number % 26}"
        description = f"{title}. " + " ".join(chance.choices(SUBJECTS + KINDS + PLACES + COLUMNS, k=60)) + "."
        digest, creator = _digest("manifest", number), f"Institute {number % OWNERS}"
        common: dict[str, Any] = {
            "data_root": _digest("root", number),
            "profile": _digest("profile", 1),
            "rows": rows,
            "epoch": 1,
        }
        owner, tx, at = address("owner", number % OWNERS), "0x" + _digest("tx", number), START + number
        yield ManifestRow(
            digest=digest,
            state="present",
            title=title,
            description=description,
            license_text="For research only.",
            creator=creator,
            published="2026-01-31",
            keywords=json.dumps([subject, kind, place]),
            columns=len(names),
            bytes=rows * 8 * len(names),
            affine=True,
            bins=number % 2 == 0,
            evaluation_key="b" + _digest("key", number)[:58] if number % 2 == 0 else None,
            codebook=_digest("codebook", number),
            codes=json.dumps([_column(name) for name in names]),
            policy=policy.digest,
            words=" ".join(words([title, subject, kind, place, *names, creator, description])),
            **common,
        )
        yield DatasetRow(
            id=number,
            owner=owner,
            custodian=owner,
            version=1,
            manifest=digest,
            licenses=1,
            jobs=jobs // count,
            jobs_settled=chance.randint(0, jobs // count),
            published_at=at,
            published_tx=tx,
            updated_at=at,
            **common,
        )
        yield VersionRow(dataset=number, version=1, manifest=digest, block=number, tx=tx, at=at, **common)
        yield OfferRow(
            id=number,
            dataset=number,
            seller=owner,
            price_license=chance.randint(1, 500) * 10**6,
            price_job=10**6,
            price_row=100,
            policy=policy.digest,
            shares="[]",
            active=number % 10 != 0,
            micro_bits=policy.micro_bits_per_license,
            licenses=1,
            licenses_left=0 if number % 10 == 0 else 5,
            created_at=at,
            tx=tx,
            max_jobs=1000,
            max_rows=10**9,
            duration=DURATION,
        )
        yield LicenseRow(
            id=number,
            offer=number,
            dataset=number,
            buyer=address("buyer", number % BUYERS),
            valid_from=at,
            valid_until=at + DURATION,
            jobs_left=500,
            rows_left=10**8,
            price=10**6,
            micro_bits=policy.micro_bits_per_license,
            tx=tx,
        )


def _column(name: str) -> dict[str, Any]:
    """`app.market.queries.dataset.ColumnView`."""
    return {
        "name": name,
        "dtype": "real",
        "low": 0.0,
        "step": 0.5,
        "levels": 256,
        "bins": None,
        "missing": "reject",
        "impute": None,
        "outside": "clip",
        "declared": True,
        "encodings": ["affine"],
    }


def _jobs(datasets: int, count: int, chance: random.Random) -> Iterator[Values]:
    for number in range(1, count + 1):
        license, block = chance.randint(1, datasets), datasets + 10 * number
        state, at, buyer = chance.choice(STATES), START + block, address("buyer", license % BUYERS)
        receipt, rows = _digest("receipt", number), chance.randint(20, 100_000)
        drawn = state not in (JobState.OPEN, JobState.EXPIRED)
        yield _row(
            JobRow,
            id=number,
            license=license,
            offer=license,
            dataset=license,
            version=1,
            buyer=buyer,
            state=state,
            circuit=_digest("circuit", number % 5_000),
            first_row=0,
            rows=rows,
            sealing_key=_digest("key", number % BUYERS),
            units=rows * 30,
            replicas=2,
            price=10**6,
            max_fee=10**5,
            seed_block=block + 1,
            executors=2 if drawn else 0,
            deadline=0 if state.terminal else at + 86_400,
            receipt=receipt if state in (JobState.COMPUTED, JobState.SETTLED, JobState.REFUSED) else "",
            sealed=_digest("sealed", number) if state is JobState.SETTLED else "",
            decision=_digest("decision", number) if state in (JobState.SETTLED, JobState.REFUSED) else "",
            reason="rank-budget" if state is JobState.REFUSED else "",
            opened_block=block,
            opened_tx="0x" + _digest("opening", number),
            opened_at=at,
            changed_at=at + 60,
            closed_at=at + 60 if state.terminal else 0,
        )
        executors = [address("provider", (number + place) % PROVIDERS) for place in range(2)] if drawn else []
        for place, provider in enumerate(executors):
            revealed = state not in (JobState.ASSIGNED, JobState.FAILED)
            yield _row(
                ExecutionRow,
                job=number,
                position=place,
                provider=provider,
                round=0,
                fee=5 * 10**4,
                commitment=_digest("commitment", number),
                receipt=receipt if revealed else "",
                outcome="agreed" if revealed else "",
                paid=5 * 10**4 if revealed else 0,
                committed_at=at + 20,
                revealed_at=at + 40 if revealed else 0,
            )
        yield from _events(number, license, block, at, buyer, rows, executors, state)


def _events(
    job: int, dataset: int, block: int, at: int, buyer: str, rows: int, executors: list[str], state: JobState
) -> Iterator[Values]:
    """The events of a job, one a block."""
    told: list[tuple[str, dict[str, Any]]] = [
        ("JobOpened", {"buyer": buyer, "rows": rows, "circuit": _digest("circuit", job), "sealingKey": ""})
    ]
    if executors:
        told.append(("JobAssigned", {"providers": executors}))
        told += [("Committed", {"provider": each, "commitment": _digest("commitment", job)}) for each in executors]
    if state in (JobState.COMPUTED, JobState.SETTLED, JobState.REFUSED):
        told += [("Revealed", {"provider": each, "receipt": _digest("receipt", job)}) for each in executors]
        told.append(("JobComputed", {"receipt": _digest("receipt", job)}))
    if state is JobState.SETTLED:
        told.append(("JobReleased", {"sealedDigest": _digest("sealed", job), "decision": _digest("decision", job)}))
        told.append(("JobSettled", {}))
    for place, (name, args) in enumerate(told):
        yield _row(
            EventRow,
            block=block + place,
            log_index=0,
            block_hash="0x" + _digest("block", block + place),
            tx="0x" + _digest(name, job),
            at=at + 5 * place,
            contract="JobMarket",
            name=name,
            args=json.dumps({"job": job, **args}),
            dataset=dataset,
            job=job,
            license=dataset,
            offer=dataset,
        )
