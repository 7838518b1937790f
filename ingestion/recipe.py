"""A recipe: the TOML file in which an owner says what is published of a table, and how.

    title = "Breast cancer, 30 measurements"
    description = "..."
    license = "https://..."            # a URL, or the terms
    creator = "Clinic X"

    [table]
    missing_values = ["NA"]
    person = "patient"                 # names the person of a row; stays at home
    row_key = "patient"                # what names a result's row to a buyer, if [policy] sells row_keys; stays at home
    rest = "refuse"                    # columns not named below: "refuse", "measure" their range, or "drop"

    [columns."mean radius"]
    low = 5.0                          # the range that is public knowledge
    high = 30.0
    bins = 32                          # also publish comparison bits: 32 bins, or a list of edges,
    missing = "impute"                 # or { quantiles = 32 }, which tells how the data is spread
    impute = 14.0

    [columns.sex]
    kind = "category"                  # also "boolean", "date", "datetime", "time", "text"
    categories = ["f", "m"]            # left out: measured, values of at least min_group persons each
    as = ["one-hot"]                   # and, or instead, "ordinal"
    missing = "bit"                    # also publish whether a row has a value

    [products]                         # second moments become sums: what models are fitted from
    columns = ["mean radius", "sex"]   # every two of them, and each with the label
    bins = ["mean radius"]             # the label with each bit of these

    [policy]                           # what jobs may release; the custodian enforces it
    release = "label"

    [offer]                            # amounts in the payment token's smallest unit
    price_job = 1_000_000

Every error says at which line.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from app.files.toml_lines import key_lines, read_toml
from app.protocol.data.dataset import MAX_COLUMNS, MAX_EDGES, Name
from app.protocol.data.derivation import MAX_PLACES, TimePart, Unit, Word
from app.protocol.data.description import Line, Text
from app.protocol.data.table import MAX_LEVELS
from app.protocol.documents import Document
from app.protocol.errors import BadRecipe
from app.protocol.market.receipt import RETIRED_RULES, OutputPolicy
from app.protocol.vocabulary import Encoding
from ingestion.reading import Reading, TextEncoding, Thousands

MAX_RECIPE_BYTES = 1 << 20
MAX_BINS = MAX_EDGES + 1
MAX_PERSON_ROWS = 1 << 20
MAX_SKIPPED_LINES = 10_000

Sign = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[^\s\d.,+-]+$")]
Kind = Literal["number", "boolean", "category", "date", "datetime", "time", "text"]
Shape = Literal["ordinal", "one-hot"]
_TIMES: tuple[Kind, ...] = ("date", "datetime", "time")
_EVERY_KIND = {"kind", "label", "bins", "encodings", "missing", "impute"}
_NUMBERS = {"low", "high", "step", "levels", "outside", "measured"}
_KEYS: dict[Kind, set[str]] = {
    "number": _NUMBERS,
    "boolean": set(),
    "category": {"categories", "other", "as"},
    "text": {"buckets", "as"},
    **{kind: {*_NUMBERS, "origin", "unit", "format", "elapsed", "parts"} for kind in _TIMES},
}

Amount = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Quantiles(Document):
    """Bins that each hold about as many rows."""

    quantiles: Annotated[int, Field(ge=2, le=MAX_BINS)]


class ColumnRecipe(Document):
    """One column. Without `low` and `high` the range is measured, which reveals it; so are categories."""

    kind: Kind = "number"
    label: bool = False
    categories: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MAX_PLACES - 1)] | None = None
    other: Literal["bin", "reject"] | None = None  # None: a bin where the list is measured
    shape: tuple[Shape, ...] | None = Field(None, alias="as")
    buckets: Annotated[int, Field(ge=2, le=MAX_PLACES)] | None = None
    origin: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2})?$")] | None = None
    unit: Unit | None = None
    format: Annotated[str, Field(max_length=100)] = ""
    elapsed: bool | None = None
    parts: tuple[TimePart, ...] = ()
    low: float | None = None
    high: float | None = None
    step: Annotated[float, Field(gt=0)] | None = None
    levels: Annotated[int, Field(ge=2, le=MAX_LEVELS)] | None = None
    bins: Annotated[int, Field(ge=2, le=MAX_BINS)] | tuple[float, ...] | Quantiles | None = None
    encodings: tuple[Encoding, ...] | None = None
    missing: Literal["reject", "impute", "bit"] | None = None
    impute: float | bool | Word | None = None
    outside: Literal["reject", "clip"] | None = None
    measured: bool = False  # the numbers above came from the data, so they are not public knowledge

    @model_validator(mode="after")
    def _consistent(self) -> ColumnRecipe:
        if (self.low is None) != (self.high is None) and not (self.low is not None and self.step is not None):
            raise ValueError("give both low and high, or low with step and levels")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be below high")
        if self.step is not None and self.low is None:
            raise ValueError("step needs low")
        if self.step is not None and self.high is not None and self.levels is not None:
            raise ValueError("low, high and step fix the levels already")
        if isinstance(self.bins, tuple) and not (
            1 <= len(self.bins) <= MAX_EDGES and all(a < b for a, b in zip(self.bins, self.bins[1:], strict=False))
        ):
            raise ValueError(f"bins need 1 to {MAX_EDGES} edges that increase")
        if self.encodings is not None and (not self.encodings or ("bins" in self.encodings and self.bins is None)):
            raise ValueError("encodings must name affine or bins, and bins need their edges")
        if (self.impute is not None and self.missing not in ("impute", "bit")) or (
            self.impute is None and self.missing == "impute"
        ):
            raise ValueError('impute goes with missing = "impute", or with "bit"')
        self._check_kind()
        return self

    def _check_kind(self) -> None:
        """Errors: ValueError for a key that this kind of column does not have."""
        given = {
            type(self).model_fields[name].alias or name
            for name in self.model_fields_set
            if getattr(self, name) not in (None, (), "", False)
        }
        odd = sorted(given - _EVERY_KIND - _KEYS[self.kind])
        if odd:
            raise ValueError(f'{odd[0]} does not go with kind = "{self.kind}"')
        if isinstance(self.impute, bool) != (self.kind == "boolean" and self.impute is not None):
            raise ValueError("impute is true or false for a boolean, and only there")
        if self.impute is not None and isinstance(self.impute, str) != (self.kind in ("category", "text")):
            raise ValueError("impute is a word for a category or a text, and a number elsewhere")
        if self.kind in _TIMES and self.elapsed is False and not self.parts:
            raise ValueError("nothing is published of it: elapsed = false needs parts")
        if self.kind != "number" and isinstance(self.bins, Quantiles):
            raise ValueError("bins at quantiles are for numbers; give their number, or a list of edges")
        if self.shape == ():
            raise ValueError('as names "ordinal", "one-hot" or both')
        if len(set(self.parts)) != len(self.parts) or len(set(self.shape or ())) != len(self.shape or ()):
            raise ValueError("something is listed twice")

    @property
    def times(self) -> bool:
        """Whether its values are dates or times."""
        return self.kind in _TIMES


class TableRecipe(Document):
    """How the file is read, and which columns stay at home."""

    separator: Annotated[str, Field(max_length=1)] = ""
    missing_values: tuple[Annotated[str, Field(max_length=100)], ...] = ()
    header: bool | None = None  # whether the first line names the columns; without it, unless it looks like a record
    names: tuple[Name, ...] = ()  # of all columns, instead of the first line's
    decimal: Literal[".", ","] = "."
    thousands: Thousands = ""  # between groups of three digits
    units: Annotated[tuple[Sign, ...], Field(max_length=20)] = ()  # beside numbers, left out
    empty_rows: Literal["refuse", "drop"] = "refuse"
    encoding: TextEncoding = ""
    skip_lines: Annotated[int, Field(ge=0, le=MAX_SKIPPED_LINES)] = 0  # above the header
    drop: tuple[Name, ...] = ()
    rest: Literal["refuse", "measure", "drop"] = "refuse"
    person: Annotated[str, Field(max_length=200)] = ""  # the column that names the person of a row; "" for none
    numbering: Annotated[str, Field(max_length=200)] = ""  # of its values; equal ones of another are other persons
    rows_per_person: Annotated[int, Field(ge=1, le=MAX_PERSON_ROWS)] = 1
    row_key: Annotated[str, Field(max_length=200)] = ""  # the column whose value a policy may sell beside each result

    @model_validator(mode="after")
    def _consistent(self) -> TableRecipe:
        if self.header is False and not self.names:
            raise ValueError("header = false needs names, one for each column")
        if self.thousands == self.decimal:
            raise ValueError("thousands and decimal are the same sign")
        if not self.person and (self.numbering or self.rows_per_person > 1):
            raise ValueError("rows_per_person and numbering need person, the column that names the person of a row")
        return self

    @property
    def reading(self) -> Reading:
        """How the file is read."""
        return Reading(**{each.name: getattr(self, each.name) for each in fields(Reading)})


class Defaults(Document):
    """What holds for columns that do not say otherwise."""

    missing: Literal["reject"] = "reject"
    outside: Literal["reject", "clip"] = "reject"
    bins: Annotated[int, Field(ge=2, le=MAX_BINS)] | Quantiles | None = None


class ProductsRecipe(Document):
    """Which products of published values are published too, so that second moments are sums over rows."""

    columns: Annotated[tuple[Name, ...], Field(max_length=MAX_COLUMNS)] = ()  # every two of them, and the labels
    bins: Annotated[tuple[Name, ...], Field(max_length=MAX_COLUMNS)] = ()  # the labels with each bit of these
    groups: Annotated[tuple[Name, ...], Field(max_length=MAX_COLUMNS)] = ()  # each bit of one with each of the others'
    labels: Annotated[tuple[Name, ...], Field(max_length=MAX_COLUMNS)] | None = None  # None: those marked label


class OfferHints(Document):
    """Terms to propose when an offer is made; the offer on chain is what counts."""

    price_license: Amount = 0
    price_job: Amount = 0
    price_row: Amount = 0
    max_jobs: Amount = 100
    max_rows: Amount = 1_000_000
    days: Annotated[int, Field(ge=1, le=36_500)] = 365
    licenses: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0  # sold at once; 0: half of what the persons' bits are for


class Recipe(Document):
    """A whole recipe."""

    title: Name
    description: Text
    license: Text
    creator: Name
    keywords: Annotated[tuple[Name, ...], Field(max_length=50)] = ()
    version: Annotated[str, Field(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")] = "1.0.0"
    url: Line = ""
    table: TableRecipe = TableRecipe()
    defaults: Defaults = Defaults()
    columns: Annotated[dict[Name, ColumnRecipe], Field(default_factory=dict)]
    products: ProductsRecipe = ProductsRecipe()
    policy: OutputPolicy = OutputPolicy()
    offer: OfferHints = OfferHints()
    _lines: dict[tuple[str, ...], int] = PrivateAttr(default_factory=dict)  # of the text that it was read from

    def line(self, *key: str) -> int:
        """The line of the text at which a key stands; 0 for one that is not there, or without a text."""
        return self._lines.get(key, 0)

    @property
    def reading(self) -> Reading:
        """How the file is read."""
        return self.table.reading


class TableRules(Document):
    """A file that says of a table how it is read, and nothing else: what a buyer has instead of a recipe."""

    table: TableRecipe


def read_recipe(path: Path | str) -> Recipe:
    """The recipe in a file. Errors: BadRecipe, with the line."""
    return parse_recipe(_read(path), Path(path).name)


def read_table_rules(path: Path | str) -> TableRecipe:
    """The `[table]` of a file that has nothing else. Errors: BadRecipe, with the line."""
    name = Path(path).name
    return read_toml(_read(path), TableRules, name=name, guide="docs/recipe.md", refusal=BadRecipe).table


def _read(path: Path | str) -> str:
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECIPE_BYTES + 1)
        text = data.decode("utf-8-sig")  # editors on Windows put a mark first
    except (OSError, UnicodeDecodeError):
        raise BadRecipe(
            f"The recipe {path} cannot be read as text.", "Check the path; write one: dataset profile."
        ) from None
    if len(data) > MAX_RECIPE_BYTES:
        raise BadRecipe(f"The recipe {path.name} is over {MAX_RECIPE_BYTES} bytes.")
    return text


def parse_recipe(text: str, name: str = "recipe") -> Recipe:
    """The recipe in TOML text. Errors: BadRecipe, with the line."""
    recipe = read_toml(text, Recipe, name=name, guide="docs/recipe.md", refusal=BadRecipe, explain=_in_words)
    recipe._lines.update(key_lines(text))
    return recipe


def _in_words(place: tuple[str, ...]) -> str:
    """Better words for what a key no longer means, and for bins: the complaint about the first of their three forms
    would mislead.
    """
    if place[:1] == ("policy",) and place[-1] in RETIRED_RULES:
        return RETIRED_RULES[place[-1]]
    if "bins" not in place[:-1]:
        return ""
    return f"bins are a number from 2 to {MAX_BINS}, a list of edges, or {{ quantiles = n }}"
