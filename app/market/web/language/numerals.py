"""Numbers and dates as a language writes them, by Babel's tables (CLDR)."""

from __future__ import annotations

from datetime import UTC, datetime

from babel import Locale
from babel.dates import format_datetime

# Days and times: in English as people outside of America write them, else as the language does.
DAYS = {"en": "d MMM y", "de": "d. MMM y"}


def numeral(digits: str, language: str) -> str:
    """Digits of English, "1,234.5", with the separators of a language."""
    symbols = Locale.parse(language).number_symbols["latn"]
    return digits.translate(str.maketrans({",": symbols["group"], ".": symbols["decimal"]}))


def date(seconds: int, language: str) -> str:
    """A date in UTC: "20 Nov 2026"."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC), DAYS[language], locale=language)


def date_and_time(seconds: int, language: str) -> str:
    """A time in UTC: "20 Nov 2026, 10:05 UTC"."""
    return format_datetime(datetime.fromtimestamp(seconds, UTC), f"{DAYS[language]}, HH:mm 'UTC'", locale=language)
