"""The subset of SQL that can be asked, and its parser: sqlglot reads the words, here is what they mean.

    [EXPLAIN] SELECT [column, ...] aggregate [AS name], ... FROM data [WHERE condition] [GROUP BY column [, column]]

Aggregates are count(*), sum(x), avg(x), median(x), quantile(x, q) and histogram(x). A condition compares columns with
numbers or words (=, <>, <, <=, >, >=, BETWEEN, IN) and joins comparisons by AND, OR and NOT. Everything else is refused
with the nearest thing that can be asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from app.protocol.errors import BadQuery

MAX_SQL = 10_000  # characters
MAX_ITEMS = 64
MAX_DEPTH = 64  # of a condition
MAX_GROUPS = 2
FORM = "Ask: SELECT count(*), avg(x) FROM data WHERE y >= 1 GROUP BY z."

Value = float | str | bool
Operator = Literal["=", "<>", "<", "<=", ">", ">="]
AggregateName = Literal["count", "sum", "avg", "quantile", "histogram"]
_FLIPPED: dict[Operator, Operator] = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True)
class Compared:
    """A column compared with a value."""

    column: str
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Junction:
    """All of some conditions (`and`), any of them (`or`), or not the one (`not`)."""

    word: Literal["and", "or", "not"]
    parts: tuple[Condition, ...]


Condition = Compared | Junction


@dataclass(frozen=True)
class Aggregate:
    """One aggregate of the answer. `column` is "" for count(*); `at` is a quantile's, in (0, 1)."""

    kind: AggregateName
    column: str
    name: str  # of its column in the answer
    at: float = 0.5


@dataclass(frozen=True)
class Query:
    """A question, as far as its words tell."""

    aggregates: tuple[Aggregate, ...]
    where: Condition | None
    groups: tuple[str, ...]
    explain: bool


def parse(sql: str) -> Query:
    """The query that some SQL means. Errors: BadQuery with what can be asked."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    if len(sql) > MAX_SQL:
        raise BadQuery(f"A question of {len(sql)} characters is longer than {MAX_SQL}.", FORM)
    explain, rest = bool(re.match(r"\s*explain\b", sql, re.IGNORECASE)), re.sub(r"(?i)^\s*explain\b", "", sql)
    try:
        parsed = sqlglot.parse(rest, dialect="duckdb")
    except SqlglotError as error:
        raise BadQuery(f"This is not SQL: {str(error).splitlines()[0]}", FORM) from None
    except RecursionError:
        raise BadQuery("This question is nested too deeply.", FORM) from None
    if len(parsed) != 1 or parsed[0] is None:
        raise BadQuery("A question is one SELECT.", FORM)
    return _Reader(sqlglot.exp).query(parsed[0], explain)


class _Reader:
    def __init__(self, exp: Any) -> None:
        self._exp = exp

    def query(self, tree: Any, explain: bool) -> Query:
        exp = self._exp
        if not isinstance(tree, exp.Select):
            raise BadQuery("A question is one SELECT.", FORM)
        known = {"expressions", "from", "from_", "where", "group", "kind", "hint", "operation_modifiers"}
        for part, value in tree.args.items():
            if value and part not in known:
                word = part.rstrip("_").replace("_", " ").upper().removesuffix("S")
                raise BadQuery(f"{word} cannot be asked.", f"Leave it out: all cells are returned. {FORM}")
        source = tree.args.get("from_") or tree.args.get("from")
        if source is None or not isinstance(source.this, exp.Table):
            raise BadQuery("A question is about one table: FROM data.", FORM)
        groups = self._groups(tree.args.get("group"))
        where = tree.args.get("where")
        found = self._aggregates(tree.expressions, groups)
        _check_answer(found, groups)
        return Query(tuple(found), None if where is None else self._condition(where.this, 0), groups, explain)

    def _aggregates(self, items: list[Any], groups: tuple[str, ...]) -> list[Aggregate]:
        exp = self._exp
        found = []
        for item in items:
            bare = item.this if isinstance(item, exp.Alias) else item
            if isinstance(bare, exp.Column):
                if bare.name not in groups:
                    raise BadQuery(
                        f"SELECT {bare.name} would be a value of each row.",
                        f"Ask for a sum over rows, such as avg({bare.name}), or add GROUP BY {bare.name}.",
                    )
                continue
            found.append(self._aggregate(bare, item.alias if isinstance(item, exp.Alias) else ""))
        return found

    def _groups(self, group: Any) -> tuple[str, ...]:
        if group is None:
            return ()
        if any(value for part, value in group.args.items() if part != "expressions"):
            raise BadQuery("GROUP BY takes columns only.", f"Name up to {MAX_GROUPS} columns.")
        for each in group.expressions:
            if not isinstance(each, self._exp.Column):
                raise BadQuery("GROUP BY takes columns only.", "A column's published bins are its groups: GROUP BY x.")
        names = tuple(each.name for each in group.expressions)
        if len(names) > MAX_GROUPS or len(set(names)) < len(names):
            raise BadQuery(
                f"GROUP BY {', '.join(names)} has too many dimensions.", f"Group by up to {MAX_GROUPS} columns."
            )
        return names

    def _aggregate(self, tree: Any, alias: str) -> Aggregate:
        exp = self._exp
        arguments = [each for each in (tree.this, *tree.args.get("expressions", [])) if each is not None]
        name = tree.name if isinstance(tree, exp.Anonymous) else tree.sql_name() if isinstance(tree, exp.Func) else ""
        if isinstance(tree, exp.Anonymous):
            arguments = list(tree.expressions)
        word = name.lower()
        if isinstance(tree, exp.Count):
            if not isinstance(tree.this, exp.Star):
                raise BadQuery("count of a column cannot be asked.", "Ask count(*): every row has a code.")
            return Aggregate("count", "", alias or "count")
        kinds: dict[str, AggregateName] = {"sum": "sum", "avg": "avg", "histogram": "histogram"}
        kinds |= {"median": "quantile", "quantile": "quantile"}
        if word not in kinds or not arguments or not isinstance(arguments[0], exp.Column):
            shown = tree.sql(dialect="duckdb")[:80]
            raise BadQuery(
                f"{shown} cannot be asked.",
                "Least and greatest values are single rows: ask quantile(x, 0.01), or"
                " count(*), sum(x), avg(x), median(x), histogram(x) of a column."
                if word in ("min", "max")
                else "Ask count(*), sum(x), avg(x), median(x), quantile(x, q) or histogram(x) of a column.",
            )
        at, column = 0.5, arguments[0].name
        if word == "quantile":
            value = tree.args.get("quantile")
            said = None if value is None else self._value(value)
            if not isinstance(said, float) or not 0 < said < 1:
                raise BadQuery("A quantile lies between 0 and 1.", f"Ask quantile({column}, 0.5).")
            at = said
        return Aggregate(kinds[word], column, alias or f"{word}_{column}", at)

    def _condition(self, tree: Any, depth: int) -> Condition:
        exp = self._exp
        if depth > MAX_DEPTH:
            raise BadQuery("This condition is nested too deeply.", "Use IN or BETWEEN.")
        if isinstance(tree, exp.Paren):
            return self._condition(tree.this, depth + 1)
        if isinstance(tree, exp.Not):
            return Junction("not", (self._condition(tree.this, depth + 1),))
        if isinstance(tree, exp.And | exp.Or):
            word: Literal["and", "or"] = "and" if isinstance(tree, exp.And) else "or"
            return Junction(word, tuple(self._condition(each, depth + 1) for each in (tree.left, tree.right)))
        if isinstance(tree, exp.Between) and isinstance(tree.this, exp.Column):
            low, high = self._value(tree.args["low"]), self._value(tree.args["high"])
            return Junction("and", (Compared(tree.this.name, ">=", low), Compared(tree.this.name, "<=", high)))
        if isinstance(tree, exp.In) and isinstance(tree.this, exp.Column) and tree.expressions:
            return Junction("or", tuple(Compared(tree.this.name, "=", self._value(each)) for each in tree.expressions))
        if isinstance(tree, exp.Column):
            return Compared(tree.name, "=", True)
        operators: dict[Any, Operator] = {
            exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
        }  # fmt: skip
        operator = operators.get(type(tree))
        if operator is not None:
            left, right = tree.left, tree.right
            if isinstance(right, exp.Column) and not isinstance(left, exp.Column):
                left, right, operator = right, left, _FLIPPED[operator]
            if isinstance(left, exp.Column) and not isinstance(right, exp.Column):
                return Compared(left.name, operator, self._value(right))
        raise BadQuery(
            f"The condition {tree.sql(dialect='duckdb')[:80]} cannot be asked.",
            "Compare a column with a number or a word: x >= 1, x = 'a', x BETWEEN 1 AND 2, x IN (1, 2).",
        )

    def _value(self, tree: Any) -> Value:
        exp = self._exp
        if isinstance(tree, exp.Literal):
            return str(tree.this) if tree.is_string else float(tree.this)
        if isinstance(tree, exp.Neg) and isinstance(tree.this, exp.Literal) and not tree.this.is_string:
            return -float(tree.this.this)
        if isinstance(tree, exp.Boolean):
            return bool(tree.this)
        raise BadQuery(f"{tree.sql(dialect='duckdb')[:80]} is no plain value.", "Compare with a number or a word.")


def _check_answer(found: list[Aggregate], groups: tuple[str, ...]) -> None:
    """Whether the aggregates make one table. Errors: BadQuery."""
    if not found:
        raise BadQuery("Nothing is summed over rows.", "Add count(*), sum(x), avg(x), median(x) or histogram(x).")
    if len(found) > MAX_ITEMS:
        raise BadQuery(f"{len(found)} aggregates are more than {MAX_ITEMS}.", "Ask for fewer at once.")
    names = [each.name for each in found] + list(groups)
    if len(set(names)) < len(names):
        raise BadQuery("Two columns of the answer have one name.", "Name them: avg(x) AS mean_x.")
    histogram = any(each.kind == "histogram" for each in found)
    if groups and histogram:
        raise BadQuery("A histogram by groups has two dimensions.", "Ask count(*) and GROUP BY both columns.")
    if len(found) > 1 and histogram:
        raise BadQuery("A histogram is an answer of its own.", "Ask for the other aggregates apart.")
