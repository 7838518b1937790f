"""`darkroom model`: compiling, quoting and rehearsing, all on the buyer's machine and for free."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from app.cli.context import AsBuyer, AsJson, CommandContext, FirstRow, Replicas
from app.cli.model_card import described, faithfulness_in_words, for_people
from app.cli.model_sums import evaluate_model, fit_model
from app.console.output import facts_table, rows_table
from app.files.private import write_private
from app.protocol.errors import UsageError
from app.protocol.market.money import dollars

if TYPE_CHECKING:
    from ingestion.reading import Reading

app = typer.Typer(
    no_args_is_help=True,
    help="Models: compile for a dataset, fit, test, import, sum, label, list, show, export, quote, rehearse.",
)
app.command("fit")(fit_model)
app.command("test")(evaluate_model)
Digest = Annotated[str, typer.Argument(help="The model's digest, or how it begins.")]
ReadingFile = Annotated[
    Path | None,
    typer.Option("--reading", help="TOML whose table section says how your rows are read, as a recipe's.", exists=True),
]
PRICES = ("price_license", "price_job", "fixed_fees", "max_fee", "total")


@app.command("compile")
def compile_model(
    dataset: Annotated[int, typer.Argument(help="The dataset's number.", min=1)],
    sample: Annotated[Path, typer.Argument(help="Your own labelled rows: CSV, NDJSON, Parquet or Arrow.", exists=True)],
    target: Annotated[str, typer.Option(help="The label's column in the sample.")],
    kind: Annotated[str, typer.Option(help="The sort of model; an unknown one lists them.")] = "logistic-regression",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A hyperparameter; may be repeated. An unknown one lists all."
        ),
    ] = None,
    held_out: Annotated[
        float, typer.Option(help="The share of your rows to keep back, for the score.", min=0, max=0.9)
    ] = 0.25,
    seed: Annotated[int, typer.Option(help="Which rows are kept back.", min=0)] = 0,
    reading: ReadingFile = None,
    levels: Annotated[
        int | None,
        typer.Option(help="Tell which of so many levels the score is in, cut at the quantiles of your rows.", min=2),
    ] = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Train a model on your own rows with Concrete ML, score it on those kept back, and compile it for a dataset."""
    from app.cli import kinds
    from app.client.dataset import Dataset
    from app.client.training import train

    session, recipe = CommandContext(role, as_json), kinds.kind(kind)
    chosen = kinds.settings_of(recipe, settings or [])
    published = Dataset.open(session.network, dataset)
    trained = train(
        published, sample, target, recipe, chosen, levels=levels, held_out=held_out, seed=seed, reading=_meant(reading)
    )
    kept = session.buyer.models.keep(trained.compiled, target=target, training=trained.report)
    value = {"kind": kind} | described(kept) | {"log2_failure": round(trained.compiled.report.log2_failure, 1)}
    session.out.show(value, lambda out: out.print(facts_table(for_people(value))))


def _meant(file: Path | None) -> Reading | None:
    """How a sample is meant. Errors: BadRecipe."""
    from ingestion.recipe import read_table_rules

    return None if file is None else read_table_rules(file).reading


@app.command("import")
def import_model(
    dataset: Annotated[int, typer.Argument(help="The dataset's number.", min=1)],
    file: Annotated[Path, typer.Argument(help="An ONNX file, XGBoost's JSON or LightGBM's text; never a pickle.")],
    fitted_on: Annotated[
        str | None, typer.Option(help="What it was fitted on: codes, bins or values; asked for where nothing tells.")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--column", help="The dataset's column of each feature, in order; repeatable.")
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option("--check", help="Rows of your own to compare on as well: CSV, NDJSON, Parquet or Arrow."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="What it predicts; with --check, the label's column there.")
    ] = None,
    n_bits: Annotated[int | None, typer.Option(help="Bits of a weight; the fewest that do by default.", min=2)] = None,
    reading: ReadingFile = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Compile a model that was trained elsewhere, from a file that holds numbers and no program.

    The circuit is held against the model itself, and refused where they differ.
    """
    from app.client.dataset import Dataset
    from app.client.training import read_sample
    from fhe.compile.importers.files import read_model

    if fitted_on not in (None, "codes", "bins", "values"):
        raise UsageError(f"A model is not fitted on {fitted_on!r}.", "Say codes, bins or values.")
    session = CommandContext(role, as_json)
    published = Dataset.open(session.network, dataset)
    sample = None if rows is None else read_sample(published, rows, target, _meant(reading))
    compiled = published.compile(
        read_model(file),
        columns=columns,
        n_bits=n_bits,
        check=None if sample is None else sample.select(published.sources),
        target=None if sample is None or target is None else sample[target].to_numpy(),
        fitted_on=fitted_on,  # type: ignore[arg-type]  # compared above
    )
    kept = session.buyer.models.keep(compiled, target=target)
    value = described(kept) | {"log2_failure": round(compiled.report.log2_failure, 1)}
    session.out.show(value, lambda out: out.print(facts_table(for_people(value))))


@app.command("sum")
def sum_model(
    dataset: Annotated[int, typer.Argument(help="The dataset's number.", min=1)],
    digest: Digest,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """The sum of a model's scores over the rows, as a model of its own: what offers of aggregates release, with noise.

    It is added up on ciphertext, in blocks as long as the published values allow, so that nobody decrypts a row.
    """
    from app.client.dataset import Dataset

    session = CommandContext(role, as_json)
    model = session.buyer.models.find(digest)
    compiled = Dataset.open(session.network, dataset).summed(model)
    kept = session.buyer.models.keep(compiled, target=model.card.target, training=model.card.training)
    value = described(kept) | {"block": kept.circuit.block}
    session.out.show(value, lambda out: out.print(facts_table(for_people(value))))


@app.command("label")
def label_model(
    dataset: Annotated[int, typer.Argument(help="The dataset's number.", min=1)],
    digest: Digest,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """A classifier that ends in its label, as a model of its own: nobody sees the scores, the custodian included.

    Scores are compared under encryption, exactly: of two to four classes, at five to nine lookups a comparison.
    """
    from app.client.dataset import Dataset

    session = CommandContext(role, as_json)
    model = session.buyer.models.find(digest)
    compiled = Dataset.open(session.network, dataset).with_label(model)
    kept = session.buyer.models.keep(compiled, target=model.card.target, training=model.card.training)
    value = described(kept) | {"log2_failure": round(compiled.report.log2_failure, 1)}
    session.out.show(value, lambda out: out.print(facts_table(for_people(value))))


@app.command("export")
def export(
    digest: Digest,
    out: Annotated[Path, typer.Option(help="The file to write, for the result's page.")],
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Write a model's card to a file: what its circuit's integers mean. It says nothing of any row."""
    session = CommandContext(role, as_json)
    model = session.buyer.models.find(digest)
    write_private(out, model.card.to_bytes())
    value = {"model": model.digest, "circuit": model.circuit_digest, "file": str(out)}
    session.out.show(value, lambda console: console.print(facts_table(value)))


@app.command("show")
def show(digest: Digest, role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """One of your models: what it reads and predicts, how it was trained, how faithful its circuit is."""
    session = CommandContext(role, as_json)
    value = described(session.buyer.models.find(digest))
    session.out.show(value, lambda out: out.print(facts_table(for_people(value))))


@app.command("list")
def list_models(role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """The models that this role has compiled."""
    session = CommandContext(role, as_json)
    rows = [
        {
            "model": model.digest,
            "class": model.decoder.model,
            "target": model.card.target,
            "features": len(model.card.features),
            "circuit": model.circuit_digest,
        }
        for model in session.buyer.models.all()
    ]
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No model yet.")))


@app.command("quote")
def quote(
    digest: Digest,
    offer: Annotated[int | None, typer.Option("--offer", help="The offer to quote under.", min=1)] = None,
    license: Annotated[
        int | None, typer.Option("--license", help="The license to use: what it was told counts.", min=1)
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Rows of the job; as many as a job may have by default.", min=1)
    ] = None,
    first_row: FirstRow = 0,
    replicas: Replicas = 2,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """What a job with this model costs and tells: work, bytes and price are exact, time is an estimate.

    It makes every check of a real order, under a license or an offer, and says what keeps it from going through.
    """
    from app.client.dataset import Dataset

    if offer is None and license is None:
        raise UsageError("A quote needs terms.", "Name --offer NUMBER (darkroom dataset show) or --license NUMBER.")
    session = CommandContext(role, as_json)
    market = session.network.market
    number = market.license(license).dataset if license else market.offer(offer or 0).dataset
    model = session.buyer.models.find(digest)
    found = session.buyer.check(
        Dataset.open(session.network, number), model, rows, first_row=first_row, offer=offer, license=license or 0,
        replicas=replicas,
    )  # fmt: skip
    price, said = found.price, found.said
    value: dict[str, Any] = {
        "model": model.digest,
        "faithfulness": described(model)["faithfulness"],
        "rows": price.rows,
        "replicas": replicas,
        "providers": price.providers,
        "providers_alive": price.alive,
        "multiply_adds": found.cost.multiply_adds,
        "bootstraps": found.cost.bootstraps,
        "bytes_in": found.cost.bytes_in,
        "bytes_out": found.cost.bytes_out,
        "units": found.cost.units,
        "core_seconds": round(price.core_seconds, 4),
        "slowest_seconds": None if price.slowest_seconds is None else round(price.slowest_seconds, 4),
        "rows_that_fit": price.rows if price.problem is None else price.rows_that_fit,
        "price_license": price.price_license,
        "price_job": None if price.price_job is None else price.price_job + (price.price_rows or 0),
        "fixed_fees": price.fixed_fees,
        "max_fee": price.max_fee,
        "total": price.job_total if license else price.total,
        "allowed": said.allowed,
        "reason": str(said.reason or ""),
        "micro_bits": said.micro_bits,
        "ready": found.ready,
        "problems": found.listed(),
    }
    amounts = {key: "-" if value[key] is None else dollars(value[key]) for key in PRICES}
    shown = {key: each for key, each in (value | amounts).items() if key not in ("problems", "faithfulness")}
    if value["faithfulness"] is not None:
        shown["as the model says"] = faithfulness_in_words(value["faithfulness"])

    def draw(out: Any) -> None:
        out.print(facts_table(shown))
        out.print("\n".join(found.sentences()), markup=False)

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
    """Run a model in the clear on the dataset's synthetic preview, and hear what an order of it would meet."""
    from app.client.dataset import Dataset

    session = CommandContext(role, as_json)
    published, model = Dataset.open(session.network, dataset), session.buyer.models.find(digest)
    predicted = session.buyer.rehearse(published, model)
    found = session.buyer.check(published, model, offer=offer)
    values, counts = np.unique(predicted, return_counts=True)
    most = np.argsort(-counts)[:10]
    rows = [{"prediction": values[i].item(), "rows": int(counts[i])} for i in most]
    value = {
        "model": model.digest,
        "rows": len(predicted),
        "predictions": rows,
        "allowed": found.said.allowed,
        "ready": found.ready,
        "problems": found.listed(),
        "verdict": found.sentences(),
    }

    def draw(out: Any) -> None:
        out.print(rows_table(rows, title=f"{len(predicted)} synthetic rows"))
        out.print("\n".join(found.sentences()), markup=False)

    session.out.show(value, draw)
