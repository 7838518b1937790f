"""Models from files that hold numbers and no program: XGBoost's JSON, LightGBM's text, ONNX. Nothing is unpickled.

An ONNX graph is read only if it is one tree ensemble or one linear model of `ai.onnx.ml`, with the operators that
converters put around it; its words come from onnxruntime, so that the circuit is held against the file itself.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from app.protocol.errors import BadModel
from fhe.compile.foreign import guarded

MOST_BYTES = 256 << 20
KINDS = ".json or .ubj (XGBoost), .txt (LightGBM), .onnx"


def read_model(path: Path) -> Any:
    """The model in a file, for `fhe.compile.from_model`. Errors: BadModel."""
    try:
        size = path.stat().st_size
    except OSError:
        raise BadModel(f"There is no file {path.name!r}.", "Name a model's file.") from None
    if size > MOST_BYTES:
        raise BadModel(
            f"{path.name} has {size} bytes; a model's file has at most {MOST_BYTES}.", "Save a smaller model."
        )
    match path.suffix.lower():
        case ".json" | ".ubj":
            return _xgboost(path)
        case ".txt":
            return _lightgbm(path)
        case ".onnx":
            from fhe.compile.importers.onnx_models import OnnxModel

            return OnnxModel(path.read_bytes())
    raise BadModel(
        f"{path.name} is of no kind that is read: {KINDS}.",
        "Save the model in one of these forms; pickles run their author's program and are never opened.",
    )


def _xgboost(path: Path) -> Any:
    try:
        library = importlib.import_module("xgboost")
    except ImportError:
        raise BadModel("Reading this file needs xgboost.", "Install it: pip install xgboost.") from None
    with guarded(path, "Reading", "Save it with model.save_model('name.json')."):
        booster = library.Booster()
        booster.load_model(str(path))
        return booster


def _lightgbm(path: Path) -> Any:
    try:
        library = importlib.import_module("lightgbm")
    except ImportError:
        raise BadModel("Reading this file needs lightgbm.", "Install it: pip install lightgbm.") from None
    with guarded(path, "Reading", "Save it with model.booster_.save_model('name.txt')."):
        return library.Booster(model_file=str(path))
