"""Words of a table and what they are: numbers in any spelling that was declared, truth values, dates, or text.

What a word means is never guessed where it could mean two things: a comma is decimal, and a sign of thousands or of
money is left out, only where the owner says so. Nothing here quotes a value; the only words that messages repeat are
those of MISSING_WORDS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from ingestion.reading import Kind, Reading

MISSING_WORDS = ("NA", "N/A", "n/a", "na", "#N/A", "NULL", "null", "None", "none", "missing", "unknown", "?", "-", ".")
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:nan|inf|infinity)$"
MINUS = "\u2212"
_LOOSE = re.compile(
    r"^\(?[+-]?\s*[$€£¥]?\s*[+-]?(\d[\d.,'\u2019\u00a0\u202f\u2009 ]*|\.\d+)([eE][+-]?\d+)?\s*(%|€|£|¥|[A-Z]{3})?-?\)?$"
)
_COMMA = re.compile(r"[+-]?\d+,\d+")
_UNIT = re.compile(r"^[+-]?\s*([$€£¥])|([%€£¥]|[A-Z]{3})-?$")
_BLANKS = "\u00a0\u202f\u2009"
_GROUPS = {",": ",", ".": r"\.", " ": f"[ {_BLANKS}]", "'": "['\u2019]"}
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_MOMENT = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?$"
_CLOCK = r"^\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?$"
_TRUTH = r"^(?i:true|false)$"
DATE_FORMS = {  # spelling, and how strftime has it; None where a day may be a month
    r"^\d{4}/\d{1,2}/\d{1,2}$": "%Y/%m/%d",
    r"^\d{1,2}\.\d{1,2}\.\d{4}$": "%d.%m.%Y",
    r"^\d{1,2}/\d{1,2}/\d{4}$": None,
    r"^\d{1,2}-\d{1,2}-\d{4}$": None,
}


def numbers(words: pl.Series, reading: Reading) -> tuple[pl.Series, bool]:
    """(64-bit floats, whether every word is one); null where a word is empty or no number.

    Words that mean missing are null already (`known`); numbers that do are taken out here.
    """
    if words.dtype != pl.String:
        return _present(words.cast(pl.Float64), reading), True
    if reading.decimal == ".":
        found = words.cast(pl.Float64, strict=False)
        if found.null_count() == words.null_count():
            return _present(found, reading), True
    words = plain(words, reading)
    found = words.cast(pl.Float64, strict=False)
    return _present(found, reading), found.null_count() == words.null_count()


def truths(words: pl.Series, reading: Reading) -> tuple[pl.Series, bool]:
    """(0 and 1 as 64-bit floats, whether every word is true or false), likewise."""
    if words.dtype != pl.String:
        return _present(words.cast(pl.Float64), reading), True
    words = stripped(words).str.to_lowercase()
    found = words.replace_strict(["true", "false"], [1.0, 0.0], default=None, return_dtype=pl.Float64)
    return found, found.null_count() == words.null_count()


def known(words: pl.Series, reading: Reading) -> pl.Series:
    """Words, null where one means missing."""
    if not reading.missing_values:
        return words
    return words.set(words.str.strip_chars().is_in(list(reading.missing_values)).fill_null(value=False), None)


def stripped(words: pl.Series) -> pl.Series:
    """Words without blanks around them, null where none is left."""
    words = words.str.strip_chars()
    return words.set((words == "").fill_null(value=False), None)


def plain(words: pl.Series, reading: Reading) -> pl.Series:
    """Numbers as Python spells them: no blanks around, a hyphen for a minus, a point for a decimal comma, no units.

    Where the comma is decimal a point is none, unless it groups three digits and was declared to.
    """
    words = words.str.strip_chars().str.replace(MINUS, "-", literal=True)
    for unit in reading.units:
        words = words.str.replace(unit, "", literal=True).str.strip_chars()
    if reading.units:
        words = words.str.replace(r"^([+-])\s+", "${1}")
    if reading.thousands:
        group, point = _GROUPS[reading.thousands], r"\." if reading.decimal == "." else ","
        grouped = words.str.contains(rf"^[+-]?\d{{1,3}}({group}\d{{3}})+({point}\d*)?$").fill_null(value=False)
        words = words.zip_with(~grouped, words.str.replace_all(group, ""))
    if reading.decimal == ",":
        words = words.str.replace(".", "?", literal=True).str.replace(",", ".", literal=True)
    return stripped(words)


def is_number(word: str, reading: Reading) -> bool:
    """Whether one word is a number, or missing, as it was declared that they are spelled."""
    return numbers(known(pl.Series([word]), reading), reading)[1]


def is_truth(word: str, reading: Reading) -> bool:
    """Whether one word is true, false or missing."""
    return truths(known(pl.Series([word]), reading), reading)[1]


def word_kind(words: pl.Series, reading: Reading) -> Kind:
    """What a column of text holds by these of its words: numbers, truth values, dates, mostly numbers, or text.

    Where under half of the words are numbers in any spelling, a column is text.
    """
    words = stripped(known(words, reading)).drop_nulls()
    if not len(words):
        return "other"
    for pattern, kind in _KINDS:
        if words.str.contains(pattern).all():
            return kind
    spelled = plain(words, reading)
    odd = words.filter(~spelled.str.contains(NUMBER).fill_null(value=False)).to_list()
    if not odd:
        return "integer" if spelled.str.contains(r"^[+-]?\d+$").all() else "real"
    like = len(words) - len(odd) + sum(looks_like_number(word) for word in odd)
    missing = sum(word in MISSING_WORDS for word in odd)
    return "mixed" if like and 2 * like >= len(words) - missing else "text"


_KINDS: tuple[tuple[str, Kind], ...] = ((_TRUTH, "boolean"), (_DATE, "date"), (_MOMENT, "datetime"), (_CLOCK, "time"))


def date_form(words: pl.Series, reading: Reading) -> tuple[str, ...]:
    """The strftime forms, besides ISO 8601, by which all these words may be dates; two where a day may be a month."""
    words = stripped(known(words, reading)).drop_nulls()
    for pattern, form in DATE_FORMS.items() if len(words) else ():
        if words.str.contains(pattern).all():
            mark = "/" if "/" in pattern else "-"
            forms = [form] if form else [f"%d{mark}%m{mark}%Y", f"%m{mark}%d{mark}%Y"]
            return tuple(each for each in forms if words.str.to_date(each, strict=False).null_count() == 0)
    return ()


def looks_like_number(word: str) -> bool:
    """Whether a text is a number in some spelling, with signs of currency or percent too."""
    if any(re.match(pattern, word) for pattern in DATE_FORMS):
        return False
    return bool(_LOOSE.match(word.replace(MINUS, "-")) or re.match(NUMBER, word))


def described(word: str, reading: Reading) -> tuple[str, str]:
    """What stands among numbers instead of one, without quoting it, and the line of the recipe that mends it."""
    word = word.strip()
    if word in MISSING_WORDS:
        return f'the word "{word}"', f'Set missing_values = ["{word}"] under [table] of the recipe if it means that.'
    if _COMMA.fullmatch(word) and reading.decimal == "." and not reading.thousands:
        return "a number with a comma", (
            'Set decimal = "," under [table] of the recipe if that is the decimal comma, thousands = "," if it groups'
            " digits, or write numbers plainly."
        )
    unit = _UNIT.search(word) if looks_like_number(word) else None
    if unit is not None and (sign := unit[1] or unit[2]) not in reading.units:
        return f'a number with the sign "{sign}"', (
            f'Set units = ["{sign}"] under [table] of the recipe to leave it out, or drop the column.'
        )
    mark = _thousands(word, reading)
    if mark:
        return "a number with groups of digits", (
            f'Set thousands = "{mark}" under [table] of the recipe, or write numbers plainly.'
        )
    if looks_like_number(word):
        return "a number with other signs or blanks", "Write numbers plainly, or drop the column: list it under drop."
    return "text", (
        "Mend that line, list the word under missing_values under [table] of the recipe if it means that, or drop the"
        " column: list it under drop."
    )


def _thousands(word: str, reading: Reading) -> str:
    """The sign that groups the digits of a word so that it would be a number, if it was declared; "" for none."""
    for mark in _GROUPS if not reading.thousands else ():
        point = r"\." if reading.decimal == "." else ","
        if mark != reading.decimal and re.fullmatch(rf"[+-]?\d{{1,3}}({_GROUPS[mark]}\d{{3}})+({point}\d*)?", word):
            return mark
    return ""


def _present(numbers: pl.Series, reading: Reading) -> pl.Series:
    """Numbers, null where one is a word for missing, however it is written: -999 and -999.0."""
    marks = sentinels(reading.missing_values)
    return numbers.set(numbers.is_in(marks).fill_null(value=False), None) if marks else numbers


def sentinels(words: Sequence[str]) -> list[float]:
    """The words for missing that are numbers."""
    return [float(word) for word in words if re.match(NUMBER, word)]
