"""Tools that make something to order, and try it: compile a model or a question, rehearse it. Nothing is sent.

What an agent hands in is text: numbers in JSON, a booster's own text, ONNX in base64, SQL, or the name of what is
published. No form of it holds a program, and none is unpickled.
"""

from __future__ import annotations

import base64
import binascii
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.client.dataset import Dataset
from app.mcp.desk import Desk, Prepared, of_model
from app.mcp.schema import Arguments, DatasetNumber, Handle, Quoted, ToolAnswer, quoted, then
from app.mcp.tool import AgentTool
from app.protocol.documents import first_fault
from app.protocol.errors import BadModel, BadQuery, NotFound
from fhe.circuit.clear import evaluate_clear, sum_blocks
from fhe.circuit.compatible import check_compatible
from fhe.compile.space import FittedOn

MAX_MODEL = 1 << 20  # characters
MOST_GROUPS = 50
MOST_PREDICTIONS = 10
Form = Literal["featured", "question", "linear", "xgboost", "lightgbm", "onnx"]
ENDINGS = {"xgboost": ".json", "lightgbm": ".txt", "onnx": ".onnx"}
FORMS = (
    "featured: the circuit's digest from dataset_card. question: SQL. linear: JSON like"
    ' {"intercept": -2.5, "weights": {"age": 0.04}, "classes": ["no", "yes"]}, without classes a regression;'
    " weights are of the columns' own values. xgboost: its JSON. lightgbm: its text. onnx: base64. Never a pickle."
)


class CompileArguments(Arguments):
    """A model or a question, and the dataset that it is for."""

    dataset: DatasetNumber
    form: Form
    model: Annotated[str, Field(min_length=1, max_length=MAX_MODEL, description=FORMS)]
    columns: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None,
        Field(max_length=4096, description="The dataset's column of each feature, in order, where the model has none."),
    ] = None
    fitted_on: Annotated[FittedOn | None, Field(description="What a model of yours was fitted on.")] = None


class CompileAnswer(ToolAnswer):
    """Something to order, under its handle. It is kept here and published only when it is ordered."""

    dataset: int
    model: Handle
    form: Form
    columns_read: int
    outputs: int
    lookups: int
    sums_rows: bool
    labels_differing: Annotated[int | None, Field(description="Of rows compared with the model that was given.")]
    rows_compared: int | None


class _Linear(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    intercept: float = 0.0
    weights: Annotated[dict[str, float], Field(min_length=1, max_length=4096)]
    classes: Annotated[tuple[int | str, ...] | None, Field(min_length=2, max_length=2)] = None


def compile_model(desk: Desk, asked: CompileArguments) -> CompileAnswer:
    """Compile what was handed in, or refuse it with what would do."""
    dataset = desk.dataset(asked.dataset)
    if asked.form == "featured":
        made = _featured(desk, dataset, asked.model)
    elif asked.form == "question":
        question, _ = desk.asked(dataset, asked.model)
        if question is None:
            raise BadQuery("The answer to this question is public already.", "Read it for nothing: ask.")
        made = question
    else:
        fitted, columns, on = _fitted(asked)
        compiled = dataset.compile(fitted, columns=columns, fitted_on=on)
        made = desk.keep(of_model(asked.dataset, desk.models.keep(compiled)))
    return _compiled(asked.form, made)


def _compiled(form: Form, made: Prepared) -> CompileAnswer:
    from fhe.circuit.circuit import rotating

    faithful = made.model.card.faithfulness if made.model else None
    return CompileAnswer(
        dataset=made.dataset,
        model=made.digest,
        form=form,
        columns_read=len({wire.column for wire in made.circuit.inputs}),
        outputs=len(made.circuit.outputs),
        lookups=sum(len(each.source) for each in rotating(made.circuit.layers)),
        sums_rows=bool(made.circuit.block),
        labels_differing=None if faithful is None else faithful.labels_differing,
        rows_compared=None if faithful is None else faithful.rows,
        next=then(
            "quote", "Hear price, bits, and what the custodian would say.", dataset=made.dataset, model=made.digest
        ),
    )


def _featured(desk: Desk, dataset: Dataset, name: str) -> Prepared:
    """A published circuit by its digest, or by its name on the node's shelf."""
    word = name.strip()
    if not _is_digest(word):
        named = [each.circuit for each in desk.index.shelf(dataset.record.id) if each.name == word]
        if len(named) != 1:
            raise NotFound("No published model of this dataset has that name.", "Take a digest from dataset_card.")
        word = named[0]
    made = desk.published(dataset, word)
    check_compatible(made.circuit, dataset.profile.digest, dataset.codebook.digest)
    return made


def _is_digest(word: str) -> bool:
    return len(word) == 64 and not set(word) - set("0123456789abcdef")


def _fitted(asked: CompileArguments) -> tuple[Any, tuple[str, ...] | None, FittedOn | None]:
    """An estimator of the numbers that were handed in, its columns, what it was fitted on. Errors: BadModel."""
    if asked.form == "linear":
        return _linear(asked)
    from fhe.compile.importers.files import read_model

    text = asked.model
    data = _decoded(text) if asked.form == "onnx" else text.encode()
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:  # its libraries read files
        path = Path(folder) / f"model{ENDINGS[asked.form]}"
        path.write_bytes(data)
        return read_model(path), asked.columns, asked.fitted_on


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadModel("This ONNX model is not in base64.", "Encode the file's bytes in base64.") from None


def _linear(asked: CompileArguments) -> tuple[Any, tuple[str, ...], FittedOn]:
    try:
        told = _Linear.model_validate(json.loads(asked.model))
    except ValidationError as error:
        raise BadModel(f"Not a linear model: {first_fault(error, 'the model')}.", FORMS) from None
    except (ValueError, RecursionError):
        raise BadModel("A linear model is given in JSON, and this is none.", FORMS) from None
    from sklearn.linear_model import LinearRegression, LogisticRegression

    weights = np.array(list(told.weights.values()), np.float64)
    if told.classes is None:
        made: Any = LinearRegression()
        made.coef_, made.intercept_ = weights, told.intercept
    else:
        made = LogisticRegression()
        made.coef_, made.intercept_ = weights[None, :], np.array([told.intercept])
        made.classes_ = np.array(told.classes)
    made.n_features_in_ = len(weights)
    return made, tuple(told.weights), asked.fitted_on or "values"


class RehearseArguments(Arguments):
    """What to try."""

    dataset: DatasetNumber
    model: Handle


class RehearseWords(Quoted):
    """What comes out, which may hold words of the owner's or of the model's maker."""

    predictions: Annotated[dict[str, int], Field(description="Rows by prediction, the commonest first.")]
    rows: tuple[dict[str, float | int | str | None], ...]


class RehearseAnswer(ToolAnswer):
    """What the model would say of synthetic rows, in the clear on this machine: they are not the owner's."""

    dataset: int
    model: Handle
    synthetic_rows: int
    untrusted_data: RehearseWords


def rehearse(desk: Desk, asked: RehearseArguments) -> RehearseAnswer:
    """Run it on the preview. Errors: NotFound without a preview; MessageOverflow."""
    dataset = desk.dataset(asked.dataset)
    made, frame = desk.prepared(dataset, asked.model), desk.preview(dataset)
    check_compatible(made.circuit, dataset.profile.digest, dataset.codebook.digest)
    outputs = evaluate_clear(made.circuit, dataset.inputs(made.circuit, frame))
    counts: Counter[str] = Counter()
    rows: tuple[dict[str, float | int | str | None], ...] = ()
    if made.question is not None:
        sums = sum_blocks(made.circuit, outputs).sum(axis=0)
        rows = tuple(made.question.plan.answer(sums, len(frame), 0.0).to_dicts()[:MOST_GROUPS])
    elif made.model is not None:
        counts.update(str(each) for each in made.model.decoder.predict(outputs.T).tolist())
    elif made.circuit.readout.kind != "value":
        counts.update(str(each) for each in made.circuit.readout.label(outputs.T)[0].tolist())
    else:
        counts.update(str(each) for each in outputs[:, 0].tolist())
    return RehearseAnswer(
        dataset=asked.dataset,
        model=made.digest,
        synthetic_rows=len(frame),
        untrusted_data=RehearseWords(
            predictions={quoted(word, 80): count for word, count in counts.most_common(MOST_PREDICTIONS)}, rows=rows
        ),
        next=then("quote", "Hear the price of the same on the real rows.", dataset=asked.dataset, model=made.digest),
    )


MODELLING = (
    AgentTool(
        "compile_model", "Compile a model or a question",
        "Make something to order on one dataset: a published model, a question in SQL, or numbers of your own. Free.",
        "compute", CompileArguments, CompileAnswer, compile_model,
    ),
    AgentTool(
        "rehearse", "Rehearse on synthetic rows",
        "Run a compiled model or question on a dataset's synthetic rows, in the clear on this machine. Free.",
        "compute", RehearseArguments, RehearseAnswer, rehearse,
    ),
)  # fmt: skip
