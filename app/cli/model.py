"""`darkroom model`: compiling, quoting and rehearsing, all on the buyer's machine and for free."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from app.cli.account import dollars
from app.cli.context import AsBuyer, AsJson, CommandContext
from app.console.output import facts_table, rows_table

app = typer.Typer(no_args_is_help=True, help="Models: compile for a dataset, list, quote, rehearse.")
Digest = Annotated[str, typer.Argument(help="The circuit's digest, or how it begins.")]
Offer = Annotated[int, typer.Option("--offer", help="The offer to quote under.", min=1)]


@app.command("compile")
def compile_model(
    dataset: Annotated[int, typer.Argument(help="The dataset's number.", min=1)],
    sample: Annotated[Path, typer.Argument(help="Your own labelled rows: CSV, Parquet or Arrow.", exists=True)],
    target: Annotated[str, typer.Option(help="The label's column in the sample.")],
    kind: Annotated[str, typer.Option(help="The sort of model; an unknown one lists them.")] = "logistic-regression",
    levels: Annotated[
        int | None,
        typer.Option(help="Tell which of so many levels the score is in, cut at the quantiles of your rows.", min=2),
    ] = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Train a model on your own rows with Concrete ML and compile it for a dataset."""
    from app.client.dataset import Dataset
    from app.client.training import train

    session = CommandContext(role, as_json)
    trained = train(Dataset.open(session.network, dataset), sample, target, kind, levels)
    kept = session.buyer.models.keep(trained.compiled)
    value = {
        "circuit": kept.digest,
        "kind": kind,
        "trained_on": trained.rows,
        "score": round(trained.score, 4),
        "outputs": list(kept.circuit.outputs),
        "labels": kept.circuit.readout.labels(len(kept.circuit.outputs)),
        "bytes": len(kept.data),
        "log2_failure": round(trained.compiled.report.log2_failure, 1),
    }
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("list")
def list_models(role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """The models that this role has compiled."""
    session = CommandContext(role, as_json)
    shelf = session.buyer.models
    rows = []
    for digest in shelf.digests():
        model = shelf.find(digest)
        rows.append({"circuit": digest, "model": model.decoder.model, "inputs": len(model.circuit.inputs)})
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No model yet.")))


@app.command("quote")
def quote(
    digest: Digest,
    offer: Offer,
    rows: Annotated[int | None, typer.Option(help="Rows of the job; the whole dataset by default.", min=1)] = None,
    replicas: Annotated[int, typer.Option(help="Executors that must agree.", min=1, max=5)] = 2,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """What a job with this model costs and tells: work, bytes and price are exact, time is an estimate."""
    from app.client.dataset import Dataset
    from app.client.verdict import verdict

    session = CommandContext(role, as_json)
    terms = session.network.market.offer(offer)
    dataset = Dataset.open(session.network, terms.dataset)
    model = session.buyer.models.find(digest)
    price = session.buyer.quote(dataset, model, offer, rows or dataset.record.rows, replicas)
    said = verdict(dataset, model.circuit, dataset.policy(offer), price.rows)
    value: dict[str, Any] = {
        "rows": price.rows,
        "replicas": replicas,
        "providers": price.providers,
        "multiply_adds": price.cost.multiply_adds,
        "bootstraps": price.cost.bootstraps,
        "bytes_in": price.cost.bytes_in,
        "bytes_out": price.cost.bytes_out,
        "units": price.cost.units,
        "core_seconds": round(price.core_seconds, 4),
        "slowest_seconds": None if price.slowest_seconds is None else round(price.slowest_seconds, 4),
        "price_license": price.price_license,
        "price_job": price.price_job + price.price_rows,
        "max_fee": price.max_fee,
        "total": price.total,
        "allowed": said.allowed,
        "reason": str(said.reason or ""),
        "micro_bits": said.micro_bits,
    }
    shown = value | {key: dollars(value[key]) for key in ("price_license", "price_job", "max_fee", "total")}

    def draw(out: Any) -> None:
        out.print(facts_table(shown))
        out.print("\n".join(said.sentences()))

    session.out.show(value, draw)


@app.command("rehearse")
def rehearse(
    dataset: Annotated[int, typer.Argument(help="The dataset's number.", min=1)],
    digest: Digest,
    offer: Annotated[
        int | None, typer.Option(help="Judge it under this offer's policy instead of the manifest's.", min=1)
    ] = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Run a model in the clear on the dataset's synthetic preview, and hear what the custodian would say to it."""
    from app.client.dataset import Dataset
    from app.client.verdict import verdict

    session = CommandContext(role, as_json)
    published, model = Dataset.open(session.network, dataset), session.buyer.models.find(digest)
    predicted = session.buyer.rehearse(published, model)
    policy = published.policy(offer)
    said = verdict(published, model.circuit, policy, min(published.record.rows, policy.max_rows_per_job))
    values, counts = np.unique(predicted, return_counts=True)
    most = np.argsort(-counts)[:10]
    rows = [{"prediction": values[i].item(), "rows": int(counts[i])} for i in most]
    value = {"rows": len(predicted), "predictions": rows, "allowed": said.allowed, "verdict": said.sentences()}

    def draw(out: Any) -> None:
        out.print(rows_table(rows, title=f"{len(predicted)} synthetic rows"))
        out.print("\n".join(said.sentences()))

    session.out.show(value, draw)
