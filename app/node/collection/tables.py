"""The collection's tables: scikit-learn's own copies, part of the rows an owner's secret, the others a buyer's.

An owner's file never has what a model of the collection predicts, save where the owner sells sums about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from ingestion.recipe import Recipe


@dataclass(frozen=True)
class ModelAtHand:
    """A model for a table: what it is called, what its classes are, how it is made. `target` is what it predicts."""

    target: str
    name: str
    about: str
    make: Callable[[], Any]  # a scikit-learn estimator
    outcomes: tuple[str, ...] = ()
    summed: bool = False  # its jobs tell the mean over rows alone


@dataclass(frozen=True)
class CollectedTable:
    """One table. Every `buyers`-th row is the buyer's, to train on; with 0 all are the owner's.

    `history` is what the sample's buyer ordered of it: so many first rows by the model, or a question in SQL; the
    owner says no to the orders on rows in `denied`.
    """

    name: str
    load: Callable[[], pl.DataFrame]
    buyers: int
    model: ModelAtHand | None = None
    history: tuple[tuple[int, int] | str, ...] = ()  # (first row, rows), or SQL
    denied: tuple[tuple[int, int], ...] = field(default=())

    def rows(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The owner's rows and the buyer's, each with every column."""
        table = self.load().with_row_index("number")
        mine = table["number"] % self.buyers == self.buyers - 1 if self.buyers else table["number"] < 0
        return table.filter(~mine).drop("number"), table.filter(mine).drop("number")

    def recipe(self) -> Recipe:
        """What the owner publishes, and on which terms."""
        from ingestion.recipe import parse_recipe

        name = f"{self.name}.toml"
        return parse_recipe(files(__package__).joinpath(name).read_text("utf-8"), name)


def _bunch(name: str, columns: tuple[str, ...] | None, target: str, **options: Any) -> Callable[[], pl.DataFrame]:
    """A table of scikit-learn's with its target as the last column."""

    def load() -> pl.DataFrame:
        import polars as pl
        from sklearn import datasets

        found = getattr(datasets, f"load_{name}")(**options)
        names = columns or tuple(str(each) for each in found.feature_names)
        frame = pl.DataFrame({each: found.data[:, place] for place, each in enumerate(names)})
        return frame.with_columns(pl.Series(target, found.target))

    return load


def _linnerud() -> pl.DataFrame:
    import polars as pl
    from sklearn.datasets import load_linnerud

    found = load_linnerud()
    names = ("chin_ups", "sit_ups", "jumps", "weight", "waist", "pulse")
    return pl.DataFrame(dict(zip(names, [*found.data.T, *found.target.T], strict=True)))


def _first_grower() -> pl.DataFrame:
    import polars as pl

    names = ("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
             "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280_od315", "proline")  # fmt: skip
    return _bunch("wine", names, "first_grower")().with_columns((pl.col("first_grower") == 0).cast(pl.Int64))


def _logistic(**settings: Any) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(solver="newton-cg", **settings)

    return make


def _ridge() -> Any:
    from sklearn.linear_model import Ridge

    return Ridge()


IRIS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
DIABETES = ("age", "sex", "bmi", "blood_pressure", "cholesterol", "ldl", "hdl", "cholesterol_to_hdl",
            "log_triglycerides", "glucose")  # fmt: skip
SPECIES = ("setosa", "versicolor", "virginica")

TABLES = (
    CollectedTable(
        "wine",
        _first_grower,
        2,
        ModelAtHand("first_grower", "Grower", "Scores how likely the first grower made a wine.", _logistic(),
                    ("another", "the first")),
        history=((0, 60),),
    ),
    CollectedTable(
        "diabetes",
        _bunch("diabetes", DIABETES, "progression", scaled=False),
        4,
        ModelAtHand("progression", "Mean progression", "The mean, over all patients, of how much worse a ridge"
                    " regression expects them to become; nobody's own figure.", _ridge, summed=True),
        history=("SELECT sex, avg(progression) FROM data GROUP BY sex",),
    ),
    CollectedTable(
        "iris",
        _bunch("iris", IRIS, "species"),
        2,
        ModelAtHand("species", "Species", "Tells which of three species a flower is of.", _logistic(), SPECIES),
        history=((0, 40), (40, 35)),
        denied=((0, 40),),
    ),
    CollectedTable(
        "digits",
        _bunch("digits", None, "digit"),
        2,
        ModelAtHand("digit", "Digit", "Reads which digit was written.", _logistic(C=0.05),
                    tuple(str(each) for each in range(10))),
        history=((0, 200),),
    ),
    CollectedTable("linnerud", _linnerud, 0, history=("SELECT avg(weight) FROM data",)),
)  # fmt: skip
