"""The story: an owner publishes, a buyer buys, providers compute blind, a custodian releases, an auditor checks.

The narrator is the only one who sees all sides, and only to compare them at the end.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from app.client.custody import USUAL_BOND
from app.client.dataset import Dataset
from app.client.training import Trained, train
from app.demo import table as tables
from app.demo.again import check_room, retire_earlier
from app.demo.closing import closing
from app.demo.models import MODELS
from app.demo.record import StoryRecord
from app.demo.stage import BOND, DOLLAR, PROVIDERS, Stage, bond, bonded, pocket_money, set_stage
from app.home.network import threads_available
from app.policy.explain import describe_leakage
from app.protocol.errors import VerificationFailed
from app.protocol.policy.bits import MICRO
from app.provider.actions import Done
from app.provider.agent import ProviderAgent
from darkroom.model import Model
from darkroom.orders import Job, Result

if TYPE_CHECKING:
    from app.console.output import Terminal
    from app.home.home import Home

GAS_NAMES = {Done.COMMITTED: "commit", Done.REVEALED: "reveal", Done.DECLINED: "decline", Done.DREW: "draw"}
TREE_ROWS = 8  # a row of the tree model takes 40 bootstraps, and four parties evaluate each row
JOBS = (("logistic-regression", None), ("xgb-classifier", TREE_ROWS))


def tell(home: Home, output: Terminal) -> None:
    """Play the whole story in `home` and show what came out. Errors: VerificationFailed if anything is not equal."""
    begun = time.perf_counter()
    record = StoryRecord(None if output.as_json else output.out)
    record.say("[bold]Darkroom[/]: negatives go in, prints come out, and nobody turns the light on.")
    halves = tables.load()
    with record.step("Everyone", "gets a folder, an account and a few test dollars"):
        stage = set_stage(home)
    for each in stage.deployed:
        record.gas[f"deploy {each.name}"] = each.gas
    dataset_id, offer_id = _publish(stage, record, halves)
    _bond(stage, record)
    dataset = Dataset.open(stage.network, dataset_id)
    with record.step("Buyer", "buys a license: one transaction, the payment signed as a permit"):
        pocket_money(stage.network, stage.buyer.account, 1000 * DOLLAR)
        license_id = record.paid("buy_license", stage.buyer.buy_license(offer_id))
        bits = describe_leakage(dataset.policy(offer_id).micro_bits_per_license)
        left = stage.network.market.license(license_id).jobs_left
        record.say(f"  license {license_id}: {left} jobs, which may say {bits} about a person")
    jobs = [_job(stage, record, dataset, halves, license_id, kind, rows) for kind, rows in JOBS]
    _withdraw(stage, record)
    closing(record, output, jobs, dataset_id, time.perf_counter() - begun)
    wrong = [job["model"] for job in jobs if not (job["equal"] and job["audit"]["complete"])]
    if wrong:
        raise VerificationFailed(f"The encrypted results of {', '.join(wrong)} are not what they should be.")


def _publish(stage: Stage, record: StoryRecord, halves: tables.Halves) -> tuple[int, int]:
    owner, recipe = stage.owner, tables.recipe()
    retire_earlier(stage, record, recipe.title)
    file = owner.actor.path("measurements.csv")
    tables.write_csv(file, halves.columns, halves.owner)
    with owner.plan(file, recipe) as plan:
        check_room(plan)
    name = owner.cabinet.free_name("measurements")
    with record.step("Owner", "makes keys through Concrete and seals the secret ones under a passphrase") as step:
        epoch = owner.new_epoch(name)
        assert epoch.evaluation_key is not None
        step.bytes = stage.network.store.size(epoch.evaluation_key)
        record.say(f"  the public evaluation key takes {step.bytes / 2**20:,.0f} MiB; the secret key stays here")
    with record.step(
        "Owner", f"encrypts {len(halves.owner)} rows of {len(halves.columns)} columns and publishes"
    ) as step:
        published = owner.publish(file, recipe, keys=name)
        files = [part for shard in published.prepared.manifest.table.shards for part in shard.files]
        step.bytes = sum(stage.network.store.size(part.cid) for part in files)
    number = record.paid("publish", published.sent)
    record.say(f"  dataset {number}: {step.bytes / 2**20:,.1f} MiB of ciphertext, manifest {published.prepared.cid}")
    pocket_money(stage.network, owner.account, USUAL_BOND)
    offer = record.paid("offer", owner.offer(number, recipe.policy, recipe.offer))
    _what_is_seen(stage, record, halves, files[0].cid)
    return number, offer


def _what_is_seen(stage: Stage, record: StoryRecord, halves: tables.Halves, cid: str) -> None:
    words = np.frombuffer(stage.network.store.read(cid, 0, 24, limit=24), "<u8")
    record.say(f"  the owner sees     {halves.columns[0]}: {', '.join(f'{value:g}' for value in halves.owner[:3, 0])}")
    record.say(f"  everyone else sees {halves.columns[0]}: {', '.join(f'{int(word):016x}' for word in words)}")


def _bond(stage: Stage, record: StoryRecord) -> None:
    market = stage.network.market
    with record.step("Providers", f"{len(PROVIDERS)} of them bond {BOND // DOLLAR} dollars each"):
        for part in stage.providers:
            if bonded(stage.network, part.account):
                market.heartbeat(part.account)
                continue
            pocket_money(stage.network, part.account, BOND)
            record.paid("bond", bond(stage.network, part.account))


def _job(
    stage: Stage,
    record: StoryRecord,
    dataset: Dataset,
    halves: tables.Halves,
    license_id: int,
    kind: str,
    rows: int | None,
) -> dict[str, Any]:
    count = rows or dataset.record.rows
    trained, model = _train(stage, record, dataset, halves, kind)
    job, told = _order(stage, record, model, license_id, kind, count)
    number = job.number
    _compute(stage, record, number, kind)
    with record.step("Custodian", f"recomputes job {number}, checks the policy, decrypts, seals to the buyer's key"):
        outcomes = [each for each in stage.owner.custodian().step() if each.job == number]
        for outcome in outcomes:
            record.say(f"  job {outcome.job}: {outcome.what}")
    with record.step("Buyer", f"opens the result of job {number}") as step:
        result = job.result(timeout=0, progress=False)
        step.bytes = result.values.nbytes
    with record.step("Auditor", f"re-executes job {number} with no key at all"):
        audit = job.audit(progress=False)
    for fact in audit.to_dicts():
        record.say(f"  {fact['status']}: {fact['claim']}")
    record.gas[f"release ({kind})"] = _closing_gas(stage, number)
    compared = _compare(result, trained, dataset, halves, kind, count)
    record.say(f"  the labels are those of Concrete ML in the clear on {compared['equal_rows']} of {count} rows")
    return {"job": number, "model": kind, "rows": count, "micro_bits": told, **compared, "audit": audit.to_dict()}


def _train(
    stage: Stage, record: StoryRecord, dataset: Dataset, halves: tables.Halves, kind: str
) -> tuple[Trained, Model]:
    sample = stage.buyer.actor.path("sample.csv")
    tables.write_csv(sample, halves.columns, halves.buyer, halves.labels)
    with record.step("Buyer", f"trains Concrete ML's {kind} on {len(halves.buyer)} rows of its own") as step:
        trained = train(dataset, sample, tables.TARGET, MODELS[kind], held_out=0)
        kept = stage.buyer.models.keep(trained.compiled, target=tables.TARGET)
        step.bytes = len(kept.data)
    model = stage.market.model(kept.digest)
    with record.step("Buyer", "rehearses on the synthetic preview, for free"):
        rehearsed = stage.market.dataset(dataset.record.id).rehearse(model)
        record.say(f"  {len(rehearsed)} synthetic rows, {int(np.sum(rehearsed == 1))} of them class 1")
    return trained, model


def _order(stage: Stage, record: StoryRecord, model: Model, license_id: int, kind: str, rows: int) -> tuple[Job, int]:
    market = stage.market
    with record.step("Buyer", f"reads the quote and opens a job on {rows} rows"):
        dataset = market.dataset(stage.network.market.license(license_id).dataset)
        quote = dataset.quote(model, rows, license=license_id)
        record.say(
            f"  {quote.multiply_adds:,} multiply-adds, {quote.bootstraps:,} bootstraps:"
            f" {quote.total or 0:.2f} dollars, all fees included"
        )
        told = round(quote.bits * MICRO)
        record.say(f"  the result says {describe_leakage(told)} about each person")
        job = dataset.run(model, rows, license=license_id, max_price=quote.total)
    record.gas[f"open ({kind})"] = job.gas or 0
    return job, told


def _compute(stage: Stage, record: StoryRecord, number: int, kind: str) -> None:
    agents = {
        part.account.address: ProviderAgent(
            stage.network.market, stage.network.store, part.account, part.actor.folder, threads=threads_available()
        )
        for part in stage.providers
    }
    with record.step("Chance", f"draws two providers for job {number}"):
        drawn = record.paid(f"draw ({kind})", stage.network.market.draw(stage.buyer.account, number))
        record.say(f"  {' and '.join(drawn)}")
    for what in ("commit", "reveal"):
        for place, address in enumerate(drawn):
            verb = "evaluates on ciphertext and commits" if what == "commit" else "reveals its receipt"
            with record.step(f"Provider {address[:8]}", f"{verb} (job {number})"):
                for action in agents[address].step():
                    if action.sent is not None and action.job == number:
                        record.gas[f"{GAS_NAMES[action.what]} {place + 1} ({kind})"] = action.sent.gas


def _closing_gas(stage: Stage, number: int) -> int:
    """What the transaction that ended a job used."""
    market = stage.network.market
    job = market.job(number)
    events = [event for event in market.events(job.closed_block, job.closed_block) if event.args.get("job") == number]
    return market.node.receipt(events[-1].tx).gas


def _compare(
    result: Result, trained: Trained, dataset: Dataset, halves: tables.Halves, kind: str, rows: int
) -> dict[str, Any]:
    """What only the narrator can do: the same model on the owner's rows in the clear, and the owner's labels.

    Under the default policy nothing but labels is released. A row is equal when the label that came out of the
    encrypted run is the one that Concrete ML's clear quantized inference predicts.
    """
    codes = dataset.encode(halves.owner[:rows], MODELS[kind].encoding).astype(np.float32)
    labels = result.labels()
    same = np.asarray(trained.compiled.model.predict(codes)) == labels
    accuracy = float(np.mean(labels == halves.truth[:rows]))
    return {"released": result.released, "equal_rows": int(same.sum()), "equal": bool(same.all()), "accuracy": accuracy}


def _withdraw(stage: Stage, record: StoryRecord) -> None:
    market = stage.network.market
    with record.step("Owner and providers", "withdraw what they earned"):
        for name, account in (
            ("owner", stage.owner.account),
            *((part.actor.name, part.account) for part in stage.providers),
        ):
            sent = market.withdraw(account, market.offers_of(account.address))
            paid = sum(each.value for each in sent)
            if sent:
                record.gas[f"withdraw {name}"] = sum(each.gas for each in sent)
                record.say(f"  {name}: {paid / DOLLAR:.2f} dollars")
