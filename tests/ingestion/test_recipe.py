"""A recipe says exactly what is published; whatever is wrong with it is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.files.toml_lines import key_lines
from app.protocol.data.dataset import Affine
from app.protocol.errors import BadRecipe, OutOfRange
from app.protocol.market.receipt import OutputPolicy
from ingestion.codebook import build_codebook, check_fit
from ingestion.profile import profile_table
from ingestion.recipe import (
    ColumnRecipe,
    Defaults,
    OfferHints,
    ProductsRecipe,
    Quantiles,
    Recipe,
    TableRecipe,
    parse_recipe,
    read_recipe,
)
from tests.ingestion.conftest import RECIPE, Write

HEAD = 'title = "t"\ndescription = """\nlow = 3\n[columns.a]\n"""\nlicense = "l"\ncreator = "c"\n'  # seven lines


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("x = 1", "line 8: x: there is no such key"),
        ("a =", r"not TOML: .*line 8"),
        ("[columns.a]\nlow = 1", "line 8: columns.a: give both low and high"),
        ("[columns.a]\nhigh = 1", "line 8: columns.a: give both low and high"),
        ("[columns.a]\nlow = 2\nhigh = 1", "line 8: columns.a: low must be below high"),
        ("[columns.a]\nlow = 0\nhigh = 1\nstep = 0.1\nlevels = 3", "line 8: columns.a: low, high and step fix"),
        ("[columns.a]\nstep = 0.5", "line 8: columns.a: step needs low"),
        ("[columns.a]\nlow = 0\nhigh = 1\nstep = 0", "line 11: columns.a.step: input should be greater than 0"),
        ("[columns.a]\nlow = 0\nhigh = 1\nlevels = 1", "line 11: columns.a.levels: input should be greater"),
        ('# a comment\n\n[columns."a b"]\n\nlow = "x"', "line 12: columns.a b.low: input should be a valid number"),
        ("[columns.a]\nlow = nan\nhigh = 1", "line 9: columns.a.low: input should be a finite number"),
        ("[columns.a]\nlow = true\nhigh = 1", "line 9: columns.a.low: input should be a valid number"),
        ("[columns.a]\nbins = 99", "line 9: columns.a.bins: bins are a number from 2 to 33"),
        ("[columns.a]\nbins = [\n  3.0,\n  1.0,\n]", "line 8: columns.a: bins need 1 to 32 edges that increase"),
        ("[columns.a]\nbins = []", "line 8: columns.a: bins need 1 to 32 edges"),
        ("[columns.a]\nbins = { quantiles = 1 }", "line 9: columns.a.bins: bins are"),
        ("[columns.a]\nbins = { quantils = 4 }", "line 9: columns.a.bins: bins are"),
        ("[columns.a]\nbinz = 3", "line 9: columns.a.binz: there is no such key"),
        ('[columns.a]\nencodings = ["bins"]', "line 8: columns.a: encodings must name"),
        ("[columns.a]\nencodings = []", "line 8: columns.a: encodings must name"),
        ('[columns.a]\nmissing = "impute"', "line 8: columns.a: impute goes with missing"),
        ("[columns.a]\nimpute = 1.0", "line 8: columns.a: impute goes with missing"),
        ("[columns]\na = { low = 0.0,  high = 'k' }", "line 9: columns.a: input should be a valid number"),
        ("columns.a.low = 'k'", "line 8: columns.a.low: input should be a valid number"),
        ('[table]\nrest = "all"', "line 9: table.rest: input should be 'refuse', 'measure' or 'drop'"),
        ('[table]\nseparator = "::"', "line 9: table.separator"),
        ('[policy]\nrelease = "all"', "line 9: policy.release: input should be"),
        ("[policy]\nscore_step = 0.1", "line 9: policy.score_step: levels stands in its place"),
        ("[policy]\nepsilon_micro_budget = 0", "line 9: policy.epsilon_micro_budget: bits stand in its place"),
        ('[policy]\nverify = "cheapest"', 'line 9: policy.verify: it is "self"'),
        ('[policy]\nverify = "quorum"', 'line 9: policy.verify: it is "self"'),
        ("[table]\nrows_per_person = 2", "line 8: table: rows_per_person and numbering need person"),
        ('[table]\nnumbering = "clinic"', "line 8: table: rows_per_person and numbering need person"),
        ('[table]\nperson = "p"\nrows_per_person = 0', "line 10: table.rows_per_person"),
        ("[offer]\nprice_job = -1", "line 9: offer.price_job"),
        ("version = '1.0'", "line 8: version"),
        (f"keywords = {['k'] * 51}", "line 8: keywords"),
    ],
)
def test_faults_are_told_with_their_line(body: str, complaint: str) -> None:
    """Syntax, unknown keys, wrong types and contradictions name the line and the key."""
    with pytest.raises(BadRecipe, match=complaint):
        parse_recipe(HEAD + body + "\n")


def test_what_must_be_said() -> None:
    """A recipe without a description says that it is missing."""
    with pytest.raises(BadRecipe, match="description: field required"):
        parse_recipe('title = "t"')


def test_a_whole_recipe(write: Write) -> None:
    """All sections are read as they are meant, from a file."""
    text = RECIPE + "[policy]\nrelease = 'label'\ncircuits = ['linear']\n[offer]\nprice_job = 1_000_000\n"
    recipe = read_recipe(write("recipe.toml", text))
    assert recipe.columns["size"].bins == 8
    assert recipe.columns["load"].bins == (-1.0, 0.0, 2.5)
    assert recipe.policy == OutputPolicy(release="label", circuits=("linear",))
    assert recipe.offer.price_job == 1_000_000
    assert parse_recipe(HEAD + "[columns.a]\nbins = { quantiles = 4 }").columns["a"].bins == Quantiles(quantiles=4)


def test_unreadable_recipes(write: Write, tmp_path: Path) -> None:
    """A missing, binary, huge or bottomless recipe is refused."""
    for path in (tmp_path / "none.toml", write("binary.toml", b"\xff\xfe")):
        with pytest.raises(BadRecipe, match="cannot be read as text"):
            read_recipe(path)
    with pytest.raises(BadRecipe, match="over 1048576 bytes"):
        read_recipe(write("huge.toml", "#" * ((1 << 20) + 1)))
    with pytest.raises(BadRecipe, match=r"nested too deeply|not TOML"):
        parse_recipe("a = " + "[" * 100_000)


def test_lines_of_keys() -> None:
    """Keys are found in tables, dotted, quoted and inline, and not inside strings or lists over several lines."""
    text = 'a = 1\nb = """\nc = 2\n[d]\n"""\ne = [\n  1,\n  2,\n]\n\n[f."g.h"]  # i\nj.k = 3\n[l]\nm = { n = 4 }\n'
    assert key_lines(text) == {
        ("a",): 1,
        ("b",): 2,
        ("e",): 6,
        ("f",): 11,
        ("f", "g.h"): 11,
        ("f", "g.h", "j"): 12,
        ("f", "g.h", "j", "k"): 12,
        ("l",): 13,
        ("l", "m"): 14,
        ("l", "m", "n"): 14,
    }


def recipe(columns: str, table: str = "") -> Recipe:
    """A recipe with these columns and table section."""
    return parse_recipe(HEAD + f"[table]\n{table}\n" + columns)


DATA = "n,x,text\n1,0.5,a\n4,7.5,b\n2,3.5,c\n3,-1.5,d\n"


@pytest.mark.parametrize(
    ("rule", "affine"),
    [
        ("low = 0\nhigh = 51", Affine(low=0.0, step=0.2, levels=256)),
        ("low = -2\nhigh = 8\nlevels = 11", Affine(low=-2.0, step=1.0, levels=11)),
        ("low = -2\nhigh = 8\nstep = 0.1", Affine(low=-2.0, step=0.1, levels=101)),
        ("low = -2\nstep = 0.25\nlevels = 64", Affine(low=-2.0, step=0.25, levels=64)),
        ("low = -2\nstep = 0.25", Affine(low=-2.0, step=0.25, levels=256)),
        ("", Affine(low=-1.5, step=9 / 255, levels=256)),
    ],
)
def test_affine_codes_of_a_recipe(write: Write, rule: str, affine: Affine) -> None:
    """Ranges, steps and levels give the code that they say; without any, the measured range does."""
    profile = profile_table(write("t.csv", DATA))
    built = build_codebook(profile, recipe(f"[columns.x]\n{rule}", 'rest = "drop"'))
    assert built.codebook.columns[0].affine == affine
    assert built.codebook.columns[0].declared == bool(rule)
    assert bool(built.warnings) != bool(rule)


@pytest.mark.parametrize(
    ("column", "rule", "edges"),
    [
        ("x", "low = 0\nhigh = 8\nbins = 4", (2.0, 4.0, 6.0)),
        ("x", "bins = [1.0, 2.0]", (1.0, 2.0)),
        ("x", "bins = { quantiles = 2 }", (2.0,)),
        ("n", "low = 1\nhigh = 4\nbins = 16", (1.5, 2.5, 3.5)),
    ],
)
def test_bins_of_a_recipe(write: Write, column: str, rule: str, edges: tuple[float, ...]) -> None:
    """Bins are even, listed, or at quantiles; few whole numbers get an edge between any two."""
    built = build_codebook(profile_table(write("t.csv", DATA)), recipe(f"[columns.{column}]\n{rule}", 'rest = "drop"'))
    assert built.codebook.columns[0].bins == edges
    assert any("quantile" in warning for warning in built.warnings) == ("quantiles" in rule)


def test_measured_numbers_are_owned_up_to(write: Write) -> None:
    """Numbers marked as measured are warned of like measured ones."""
    rule = "[columns.x]\nlow = -2\nhigh = 8\nmeasured = true"
    built = build_codebook(profile_table(write("t.csv", DATA)), recipe(rule, 'rest = "drop"'))
    assert not built.codebook.columns[0].declared
    assert "measured on the data" in built.warnings[0]


@pytest.mark.parametrize(
    ("columns", "table", "complaint"),
    [
        ("[columns.y]\n", "", "names a column 'y'"),
        ("", 'drop = ["y"]', "names a column 'y'"),
        ("[columns.x]\n", 'drop = ["x"]', "both describes and drops"),
        ("[columns.x]\n", 'drop = ["n"]', "does not say what to do with column 'text'"),
        ("[columns.text]\n", 'rest = "drop"', "holds no numbers"),
        ("", 'rest = "drop"', "No column is left"),
        ("[columns.x]\nmissing = 'impute'\nimpute = 99.0\nlow = 0\nhigh = 9", 'rest = "drop"', "outside its own range"),
    ],
)
def test_recipes_that_contradict_the_table(write: Write, columns: str, table: str, complaint: str) -> None:
    """A recipe for other columns, or that leaves a column undecided, is refused by the column's name."""
    with pytest.raises(BadRecipe, match=complaint):
        build_codebook(profile_table(write("t.csv", DATA)), recipe(columns, table))


def test_without_a_recipe_everything_is_measured(write: Write) -> None:
    """All numeric columns are coded from the data, each with a warning, and the text is left out with one."""
    built = build_codebook(profile_table(write("t.csv", DATA)))
    assert [column.name for column in built.codebook.columns] == ["n", "x"]
    assert len(built.warnings) == 3


@pytest.mark.parametrize(
    ("data", "rule", "complaint"),
    [
        ("x\n1\n9.9\n", "low = 0\nhigh = 9", "outside the range"),
        ("x\n1\ninf\n", "low = 0\nhigh = 9", "outside the range"),
        ("x,y\n1,1\n,1\n", "low = 0\nhigh = 9", "1 missing values"),
        ("x\n1\n9.4\n", "low = 0\nhigh = 9", None),
        ("x\n1\ninf\n", "low = 0\nhigh = 9\noutside = 'clip'", None),
        ("x,y\n1,1\n,1\n", "low = 0\nhigh = 9\nmissing = 'impute'\nimpute = 3", None),
    ],
)
def test_a_table_is_held_against_its_codebook_first(write: Write, data: str, rule: str, complaint: str | None) -> None:
    """What the policies would reject is found from the profile, before any row is encrypted."""
    profile = profile_table(write("t.csv", data))
    rule = "step = 1\n" + rule if "step" not in rule else rule
    built = build_codebook(profile, recipe(f"[columns.x]\n{rule}", 'rest = "drop"'))
    if complaint is None:
        check_fit(profile, built)
        return
    with pytest.raises(OutOfRange, match=complaint):
        check_fit(profile, built)


DOCS = Path(__file__).parents[2] / "docs" / "recipe.md"


def test_every_key_is_documented() -> None:
    """The recipe's page names every key of every section, and its example is a recipe."""
    page = DOCS.read_text("utf-8")
    example = page.split("```toml\n", 1)[1].split("```", 1)[0]
    assert parse_recipe(example).columns["age"].impute == 50
    for section in (Recipe, TableRecipe, Defaults, ColumnRecipe, ProductsRecipe, OfferHints, OutputPolicy):
        keys = {field.alias or name for name, field in section.model_fields.items()}
        for key in keys - {"table", "defaults", "columns", "policy", "offer"}:
            assert f"`{key}`" in page, f"{section.__name__}.{key}"
    for heading in ("[table]", "[defaults]", "[columns.NAME]", "[policy]", "[offer]"):
        assert f"`{heading}`" in page
