"""A kept model in plain values, for programs and for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.client.models import Model


def described(model: Model) -> dict[str, Any]:
    """Everything that a model's card says."""
    card, circuit = model.card, model.circuit
    training = None if card.training is None else card.training.model_dump()
    return {
        "model": model.digest,
        "class": card.decoder.model,
        "target": card.target,
        "features": list(card.features),
        "outputs": list(circuit.outputs),
        "link": card.decoder.link,
        "classes": None if card.decoder.labels is None else card.decoder.labels.array().tolist(),
        "labels": circuit.readout.labels(len(circuit.outputs)),
        "training": training,
        "faithfulness": None if card.faithfulness is None else asdict(card.faithfulness),
        "circuit": model.circuit_digest,
        "bytes": len(model.data),
    }


def for_people(value: dict[str, Any]) -> dict[str, Any]:
    """The same, each fact in words."""
    shown = dict(value)
    shown["features"] = _listed(value["features"])
    shown["outputs"] = _listed(value["outputs"])
    shown["classes"] = "-" if value["classes"] is None else _listed([str(each) for each in value["classes"]])
    shown["target"] = value["target"] or "-"
    training = shown.pop("training")
    if training is not None:
        shown["trained on"] = f"{training['rows']} rows" + "".join(
            f", {k}={v}" for k, v in training["settings"].items()
        )
        shown[_MEASURES[training["measure"]]] = scores_in_words(training)
    report = shown.pop("faithfulness")
    if report is not None:
        shown["as the model says"] = faithfulness_in_words(report)
    return shown


_MEASURES = {"accuracy": "accuracy", "r2": "R^2"}


def scores_in_words(training: dict[str, Any]) -> str:
    """The score on rows held out, and beside it the one on the rows trained on; never that alone."""
    if training["score"] is None:
        return "not known: no rows were kept back (--held-out)"
    own = "" if training["training_score"] is None else f" ({training['training_score']:.4f} on the rows trained on)"
    return f"{training['score']:.4f} on {training['held_out']} rows kept back, seed {training['seed']}{own}"


def faithfulness_in_words(report: dict[str, Any]) -> str:
    """What comparing the circuit with the given model found."""
    said = f"compared on {report['rows']:,} rows: {report['labels_differing']} labels differ,"
    said += f" no score by more than {report['largest_difference']:.2%} of its range"
    if report["own_rows"]:
        said += f"; on your own {report['own_rows']:,} rows {report['own_labels_differing']} labels differ"
    if report["accuracy"] is not None and report["float_accuracy"] is not None:
        said += f"; score {report['accuracy']:.4f}, the float model's {report['float_accuracy']:.4f}"
    return f"{said} ({report['route']})"


def _listed(names: list[str], most: int = 8) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
