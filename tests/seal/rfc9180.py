"""The RFC's example keys, and a result and its job to seal with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from app.protocol.market.receipt import SealContext
from app.seal.result import Result, ResultHeader

RFC = json.loads((Path(__file__).parent / "vectors" / "rfc9180.json").read_text("utf-8"))["vector"]
PRIVATE = bytes.fromhex(RFC["skRm"])
PUBLIC = bytes.fromhex(RFC["pkRm"])


def context(**changes: object) -> SealContext:
    """The facts of one job, some of them changed."""
    facts = {
        "chain_id": 31337,
        "market": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
        "job": 7,
        "license": 3,
        "buyer": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "sealing_key": PUBLIC.hex(),
        "manifest": "11" * 32,
        "circuit": "22" * 32,
        "receipt": "33" * 32,
    }
    return SealContext.model_validate(facts | changes)


def result(rows: int = 5) -> Result:
    """Two outputs of small integers."""
    header = ResultHeader(
        released="score",
        outputs=("a", "b"),
        first_row=10,
        rows=rows,
        group=1,
        levels=16,
        lows=(0, -5),
        highs=(99, 5),
        noise_scale_milli=0,
    )
    return Result(header, np.arange(2 * rows, dtype=np.int64).reshape(2, rows) - rows)
