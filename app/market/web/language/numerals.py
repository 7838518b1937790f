"""Numbers and dates as a language writes them, by Babel's tables (CLDR)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_percent

# Days and times: in English as people outside of America write them, else as the language does.
DAYS = {"en": "d MMM y", "de": "d. MMM y"}


def numeral(digits: str, language: str) -> str:
    """Digits of English, "1,234.5", with the separators of a language."""
    symbols = Locale.parse(language).number_symbols["latn"]
    return digits.translate(str.maketrans({",": symbols["group"], ".": symbols["decimal"]}))


def plain(text: str, language: str) -> str:
    """What somebody typed as a number, in digits with at most a point: "1,000.5" and "12,5" of English, "1.000,5" and
    "12.5" of German. A sign that can stand between thousands does so where it stands right for that; else it is the
    fraction's. Errors: ValueError.
    """
    symbols = Locale.parse(language).number_symbols["latn"]
    group, decimal = re.escape(symbols["group"]), re.escape(symbols["decimal"])
    typed = re.sub(r"\s", "", text)
    if re.fullmatch(rf"[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+(?:{decimal}[0-9]+)?", typed):
        return typed.replace(symbols["group"], "").replace(symbols["decimal"], ".")
    if re.fullmatch(r"[0-9]+(?:[.,][0-9]+)?", typed):
        return typed.replace(",", ".")
    raise ValueError("no number")


def percent(value: float, language: str) -> str:
    """A share: "12%"."""
    return format_percent(value, locale=language)


def told_date(text: str, language: str) -> str | None:
    """A time that stands in an English sentence, in a language; None for what is none."""
    try:
        there = datetime.strptime(text, "%d %b %Y, %H:%M UTC").replace(tzinfo=UTC)
    except ValueError:
        return None
    return date_and_time(int(there.timestamp()), language)


def date(seconds: int, language: str) -> str:
    """A date in UTC: "20 Nov 2026"."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC), DAYS[language], locale=language)


def date_and_time(seconds: int, language: str) -> str:
    """A time in UTC: "20 Nov 2026, 10:05 UTC"."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC), f"{DAYS[language]}, HH:mm 'UTC'", locale=language)
