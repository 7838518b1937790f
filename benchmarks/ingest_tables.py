"""The tables of the ingest benchmark: random ones, written as Parquet in stretches, and their recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

STRETCH = 1_000_000  # rows in memory at once
GROUP = 250_000  # rows of a Parquet row group
HEAD = 'title = "t"\ndescription = "d"\nlicense = "l"\ncreator = "c"\n'
LEVELS = 20
NUMERIC, CATEGORIES, DATES = 10, 10, 2

Stretch = Callable[[np.random.Generator, int], pl.DataFrame]


@dataclass(frozen=True)
class TableMaker:
    """A kind of table: how a stretch of rows is drawn, and the lines of its columns in a recipe."""

    stretch: Stretch
    columns: Callable[[str], str]

    def write(self, path: Path, rows: int) -> None:
        """Write `rows` rows, the same each time, as Parquet."""
        parts, rng = [], np.random.default_rng(20_24)
        for number, start in enumerate(range(0, rows, STRETCH)):
            part = path.with_name(f"{path.name}.{number}.arrow")
            self.stretch(rng, min(STRETCH, rows - start)).write_ipc(part)
            parts.append(part)
        pl.scan_ipc(parts).sink_parquet(path, row_group_size=GROUP)
        for part in parts:
            part.unlink()


def recipe(kind: TableMaker, rules: str) -> str:
    """A recipe of declared ranges; `rules` stand under each number's range."""
    return HEAD + kind.columns(rules)


def _numbers(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    return pl.DataFrame({f"n{i}": rng.normal(50, 15, rows).clip(0, 100).round(3) for i in range(30)})


def _mixed(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    numbers = {f"n{i}": rng.normal(50, 15, rows).clip(0, 100).round(3) for i in range(NUMERIC)}
    words = pl.Series([f"word {i}" for i in range(LEVELS)])
    categories = {f"k{i}": words[rng.integers(0, LEVELS, rows)] for i in range(CATEGORIES)}
    days = {f"d{i}": pl.Series(rng.integers(10_000, 20_000, rows).astype(np.int32)).cast(pl.Date) for i in range(DATES)}
    frame = pl.DataFrame({**numbers, **categories, **days})
    gaps = pl.Series(rng.random(rows) < 0.05)
    return frame.with_columns(pl.when(~gaps).then(pl.col(f"n{i}")).alias(f"n{i}") for i in range(NUMERIC))


def _ranges(names: list[str], rules: str) -> str:
    return "".join(f"[columns.{name}]\nlow = 0.0\nhigh = 100.0\n{rules}" for name in names)


def _mixed_columns(rules: str) -> str:
    listed = ", ".join(f'"word {i}"' for i in range(LEVELS))
    numbers = _ranges([f"n{i}" for i in range(NUMERIC)], 'missing = "bit"\n' + rules)
    categories = "".join(
        f'[columns.k{i}]\nkind = "category"\ncategories = [{listed}]\nas = ["one-hot"]\n' for i in range(CATEGORIES)
    )
    dates = "".join(
        f'[columns.d{i}]\nkind = "date"\norigin = 1990-01-01\nlow = 0\nhigh = 20000\nparts = ["month", "weekday"]\n'
        for i in range(DATES)
    )
    return numbers + categories + dates


NUMBERS = TableMaker(_numbers, lambda rules: _ranges([f"n{i}" for i in range(30)], rules))
MIXED = TableMaker(_mixed, _mixed_columns)
