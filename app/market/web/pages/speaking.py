"""The templates' filters in the language that a page is in: `formatting`'s, which write English, said in another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.market.web.language import numerals
from app.market.web.language.catalogue import ENGLISH
from app.market.web.language.choice import spoken
from app.market.web.language.numerals import date, date_and_time, numeral
from app.market.web.pages import formatting
from app.market.web.pages.identicon import identicon

DAY, SECOND = "day", "second"
COUNTED = (DAY, SECOND, "executor", "file", "row")  # whose counts stand inside of sentences too


def said(text: str) -> str:
    """A sentence or a word that rules, errors or queries have made, in English, in this page's language."""
    return spoken().sentences.say(text)


def spoken_name(text: str) -> str:
    """A template's own word that a macro was given, in this page's language; never what somebody typed."""
    return spoken().gettext(text) if text else ""


def midsentence(text: str) -> str:
    """Words that begin a line, inside of one: in English without their capital, which other languages keep."""
    return text.lower() if spoken().language == ENGLISH else text


def plural(value: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 job", "1,200 jobs"."""
    form = spoken().ngettext(f"{{count}} {one}", f"{{count}} {many or one + 's'}", value)
    return form.replace("{count}", local(formatting.count(value)))


def local(digits: str) -> str:
    """A number in English, with the language's separators."""
    return numeral(digits, spoken().language)


def said_amount(amount: str) -> str:
    """An amount with its unit, "1,000.50 tUSD": the number alone has separators."""
    digits, _, unit = amount.partition(" ")
    return f"{local(digits)} {unit}"


def percent(value: float) -> str:
    """A share."""
    return numerals.percent(value, spoken().language)


def moment(seconds: int) -> str:
    """A time in UTC."""
    return date_and_time(seconds, spoken().language)


def day(seconds: int) -> str:
    """A date in UTC."""
    return date(seconds, spoken().language)


def span(seconds: int) -> str:
    """A duration in its two largest units; each of them is a count with its noun, or a sign."""
    whole = formatting.span(seconds)
    days, _, rest = whole.partition(" day")
    if rest:
        return plural(int(days.replace(",", "")), DAY) + rest.removeprefix("s")
    return plural(seconds, SECOND) if whole.endswith(("second", "seconds")) else whole


def size(value: int) -> str:
    """Bytes in binary units."""
    whole = formatting.size(value)
    return said(whole) if whole.endswith(" bytes") else local(whole)


def state(name: str) -> tuple[str, str, str]:
    """(words, tone, icon) of a state."""
    words, tone, sign = formatting.state(name)
    return said(words), tone, sign


def _through(name: str) -> Callable[..., str]:
    english = formatting.FILTERS[name]
    return lambda *given: said(english(*given))


def _in_numerals(name: str) -> Callable[..., str]:
    english = formatting.FILTERS[name]
    return lambda *given: local(english(*given))


FILTERS: Mapping[str, Callable[..., Any]] = {
    **formatting.FILTERS,
    **{each.__name__: each for each in (said, midsentence, plural, percent, moment, day, span, size, state)},
    "spoken": spoken_name,
    "identicon": identicon,
    **{name: _through(name) for name in ("bits", "facts_told", "no_change", "class_name", "release_name")},
    **{name: _in_numerals(name) for name in ("count", "number")},
}
