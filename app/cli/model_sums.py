"""`darkroom model fit` and `model test`: a model from sums over a dataset's rows, and figures of one by such sums."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.context import AsBuyer, AsJson, CommandContext, FirstRow, Replicas
from app.console.output import facts_table, rows_table
from app.protocol.errors import BadModel
from app.protocol.market.money import dollars, token_units

DatasetNumber = Annotated[int, typer.Argument(help="The dataset's number.", min=1)]
Label = Annotated[str | None, typer.Option(help="The published column that is predicted.")]
MaxPrice = Annotated[str | None, typer.Option(help="The most it may cost, in test dollars, a new license included.")]
Explain = Annotated[bool, typer.Option("--explain", help="Tell what it would cost and how loud the noise is; free.")]
License = Annotated[int | None, typer.Option("--license", help="The license to use.", min=1)]
Offer = Annotated[int | None, typer.Option("--offer", help="The offer to buy a license of.", min=1)]
Rows = Annotated[int | None, typer.Option(help="How many rows; all from the first by default.", min=1)]
Buckets = Annotated[
    int, typer.Option(help="Buckets of scores for each of two classes, of a model whose scores are compared.", min=1)
]
Job = Annotated[int | None, typer.Option(help="A job that was ordered before, to be read.", min=1)]
Timeout = Annotated[float | None, typer.Option(help="Seconds to wait for the answer; forever by default.")]


def fit_model(
    dataset: DatasetNumber,
    label: Label = None,
    kind: Annotated[str, typer.Option(help="The sort of model; an unknown one lists them.")] = "linear-regression",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter; may be repeated.")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--column", help="A column that the model reads; may be repeated.")
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="The epsilon that it may cost each person: no other terms are taken.")
    ] = None,
    max_price: MaxPrice = None,
    explain: Explain = False,
    license: License = None,
    offer: Offer = None,
    rows: Rows = None,
    first_row: FirstRow = 0,
    replicas: Replicas = 2,
    job: Job = None,
    timeout: Timeout = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Fit a model to a dataset that nobody reads: sums over rows of published products, noise, and the solution here.

    No row of your own is needed. The model is compiled for the dataset and kept, as far as it has a circuit.
    """
    from app.cli import kinds
    from app.client.dataset import Dataset
    from app.client.fit.fitting import check_epsilon, explain_fit, fit, plan_fit
    from app.client.place import OrderPlace

    session, recipe = CommandContext(role, as_json), kinds.fitted_kind(kind)
    estimator = recipe.make(**kinds.settings_of(recipe, settings or []))
    published = Dataset.open(session.network, dataset)
    plan = plan_fit(published.codebook, published.profile, estimator, label=label, columns=columns)
    place = OrderPlace(rows, first_row, replicas, license, offer)
    if explain:
        told = explain_fit(session.buyer, published, plan, place)
        check_epsilon([told], epsilon)
        value = {"kind": kind, "columns": list(plan.columns), "label": label} | told.to_dict()
        session.out.show(value, lambda out: out.print(facts_table(costs_in_words(value))))
        return
    most = None if max_price is None else token_units(max_price)
    model = fit(
        session.buyer,
        [published],
        plan,
        most=most,
        places=[place],
        epsilon=epsilon,
        jobs=[job] if job else (),
        timeout=timeout,
    )
    report = model.report_.to_dict()
    made = {"kind": kind, "model": _kept(session, published, model, label), "report": report} | _weights(model)
    shown = {**made, **report, "weights": None, "report": None}
    facts = {name: value for name, value in shown.items() if value is not None}

    def show(out: Any) -> None:
        out.print(facts_table(facts))
        out.print(rows_table([{"column": n, "weight": w} for n, w in made.get("weights", {}).items()], empty=""))

    session.out.show(made, show)


def _kept(session: CommandContext, published: Any, model: Any, label: str | None) -> str | None:
    """The digest under which the model is kept here; None for a kind that has no circuit."""
    report = model.report_
    fitted_on = "codes" if report.encoding == "affine" else "bins"
    try:
        compiled = published.compile(model, columns=report.columns, fitted_on=fitted_on)
    except BadModel:
        return None
    return str(session.buyer.models.keep(compiled, target=label).digest)


def _weights(model: Any) -> dict[str, Any]:
    """The weight of each column's code and the intercept, of a model of one line."""
    if not hasattr(model, "coef_") or model.coef_.size != len(model.report_.columns):
        return {}
    values = [float(value) for value in model.coef_.ravel()]
    named = dict(zip(model.report_.columns, values, strict=True))
    intercept = model.intercept_
    return {"weights": named | {"intercept": float(intercept if isinstance(intercept, float) else intercept[0])}}


def costs_in_words(told: dict[str, Any]) -> dict[str, Any]:
    """What sums would cost, for people."""
    problems = "; ".join(f"{each['message']} {each['next_step']}" for each in told["problems"])
    listed = {name: ", ".join(map(str, value)) for name, value in told.items() if isinstance(value, list)}
    return told | listed | {"price": dollars(told["price"]), "problems": problems or "none"}


def evaluate_model(
    dataset: DatasetNumber,
    digest: Annotated[str, typer.Argument(help="The model's digest, or how it begins.")],
    label: Annotated[str, typer.Option(help="The published column that it is tested against.")],
    max_price: MaxPrice = None,
    explain: Explain = False,
    license: License = None,
    offer: Offer = None,
    rows: Rows = None,
    first_row: FirstRow = 0,
    replicas: Replicas = 2,
    buckets: Buckets = 4,
    job: Job = None,
    timeout: Timeout = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Test a model on a dataset's label: how often it is right, and how sure; nothing else is released.

    Of a classifier: confusion, accuracy, precision, recall, of two classes the area under the ROC curve and calibration
    too. Of a linear regression on codes: mean squared error and R^2. Every figure has the interval in
    which it lies with 95 %.
    """
    from app.client.dataset import Dataset
    from app.client.evaluate.planning import plan_test
    from app.client.evaluate.testing import explain_test, in_words, run_test
    from app.client.place import OrderPlace

    session = CommandContext(role, as_json)
    model = session.buyer.models.find(digest)
    published = Dataset.open(session.network, dataset)
    plan = plan_test(model.circuit, model.decoder, published.codebook, published.profile, label, buckets=buckets)
    place = OrderPlace(rows, first_row, replicas, license, offer)
    if explain:
        told, widths = explain_test(session.buyer, published, plan, place)
        value = {"model": model.digest, "label": label} | told.to_dict() | {"half_widths": widths}
        session.out.show(value, lambda out: out.print(facts_table(costs_in_words(value))))
        return
    most = None if max_price is None else token_units(max_price)
    found, report = run_test(session.buyer, published, plan, place, most=most, job=job, timeout=timeout)
    value = {"model": model.digest, "label": label} | found.to_dict() | {"report": report.to_dict()}

    def show(out: Any) -> None:
        out.print(facts_table({name: in_words(figure) for name, figure in found.figures.items()} | report.to_dict()))
        if found.classes:
            out.print(rows_table(value["confusion"], title="Confusion, with noise"))
        if found.calibration:
            out.print(rows_table(value["calibration"], title="Calibration"))
        for remark in found.remarks:
            out.print(remark)

    session.out.show(value, show)
