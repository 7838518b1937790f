"""How numbers, times and names read on a page. Pure; templates use each function as a filter of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from app.market.queries.licensing import OfferView, policy_of
from app.policy.explain import describe_leakage
from app.protocol.plural import plural
from app.protocol.policy.bits import MICRO, describe_bits
from app.protocol.policy.rules import license_limit

MINUTE, HOUR, DAY = 60, 3600, 86_400


def license_bits(offer: OfferView) -> int:
    """Micro-bits about one person that a license from an offer may be told; while no store has its policy, those that
    it is guaranteed.
    """
    return license_limit(policy_of(offer.policy), offer.micro_bits) if offer.policy.known else offer.micro_bits


def count(value: int) -> str:
    """An integer with separators."""
    return f"{value:,}"


def size(value: int) -> str:
    """Bytes in binary units."""
    number = float(value)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{value:,} bytes" if unit == "bytes" else f"{number:,.1f} {unit}"


def moment(seconds: int) -> str:
    """A time in UTC: "20 Nov 2026, 10:05 UTC"."""
    return f"{datetime.fromtimestamp(seconds, UTC):%-d %b %Y, %H:%M} UTC"


def day(seconds: int) -> str:
    """A date in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%-d %b %Y}"


def iso(seconds: int) -> str:
    """A time for machines."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def span(seconds: int) -> str:
    """A duration in its two largest units, to the nearest of the second: "5 h 12 min"."""
    seconds = max(0, seconds)
    if seconds < MINUTE:
        return plural(seconds, "second")
    minutes = (seconds + MINUTE // 2) // MINUTE
    if minutes < HOUR // MINUTE:
        return f"{minutes} min"
    if minutes < DAY // MINUTE:
        hours, rest = divmod(minutes, HOUR // MINUTE)
        return f"{hours} h" + (f" {rest} min" if rest else "")
    days, hours = divmod((seconds + HOUR // 2) // HOUR, DAY // HOUR)
    return plural(days, "day") + (f" {hours} h" if hours else "")


def short(text: str, keep: int = 6) -> str:
    """A digest or address with its middle left out; whole where it is short."""
    head = keep + (2 if text.startswith("0x") else 0)
    return text if len(text) <= head + keep + 1 else f"{text[:head]}…{text[-keep:]}"


def number(value: float) -> str:
    """A measured value without noise digits; no power of ten where people write none."""
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:,.6g}"


def percent(value: float) -> str:
    """A share."""
    return f"{value:.0%}"


def bits(micro: int) -> str:
    """Micro-bits: "1 bit", "8 bits", "0.72 bits"."""
    return f"{describe_bits(micro)} bit" if micro == MICRO else f"{describe_bits(micro)} bits"


def facts_told(micro: int) -> str:
    """How much so many micro-bits say about a person."""
    return describe_leakage(micro)


def no_change(status: str) -> str:
    """Why the page does not tell what a version changed."""
    return {
        "first": "the first version",
        "pending": "not compared yet",
        "unavailable": "unknown: no store in reach has both descriptions",
    }.get(status, "unknown: a description contradicts the chain")


CLASSES: Mapping[str, str] = {
    "linear": "Linear models",
    "trees": "Trees and forests",
    "additive": "Additive models",
    "lookup": "Networks and lookups",
}
RELEASES: Mapping[str, str] = {
    "label": "the predicted class of each row",
    "score": "a score for each row",
    "aggregate": "totals over groups of rows",
}
RELEASE_NAMES: Mapping[str, str] = {"label": "Class labels", "score": "Scores", "aggregate": "Totals"}

# State: (words, tone, icon). Tone and icon repeat what the words say; they add nothing.
STATES: Mapping[str, tuple[str, str, str]] = {
    "open": ("Waiting for executors", "wait", "clock"),
    "assigned": ("Computing", "calm", "spin"),
    "disputed": ("Disputed, drawing more", "wait", "scale"),
    "computed": ("Waiting for the custodian", "wait", "clock"),
    "unapproved": ("Waiting for the owner", "wait", "key"),  # computed, under a policy that leaves it to the owner
    "released": ("Released", "good", "check"),
    "settled": ("Released and paid", "good", "check"),
    "refused": ("Refused by policy", "bad", "stop"),
    "expired": ("Expired", "bad", "hourglass"),
    "failed": ("Failed, refunded", "bad", "cross"),
    "active": ("Active", "good", "check"),
    "pending": ("Not read yet", "wait", "clock"),
    "exhausted": ("Used up", "wait", "hourglass"),
    "revoked": ("Revoked", "bad", "stop"),
    "early": ("Not valid yet", "wait", "clock"),
    "spent": ("Spent", "wait", "hourglass"),
    "available": ("Available", "good", "check"),
    "unavailable": ("Manifest out of reach", "wait", "unplug"),
    "invalid": ("Manifest contradicts the chain", "bad", "cross"),
    "serving": ("Serving", "good", "check"),
    "silent": ("Silent", "wait", "unplug"),
    "suspended": ("Bond too small", "bad", "stop"),
    "unbonding": ("Leaving", "wait", "hourglass"),
    "gone": ("Gone", "bad", "cross"),
    "drawn": ("Drawn", "calm", "clock"),
    "committed": ("Committed", "calm", "lock"),
    "revealed": ("Revealed", "calm", "eye"),
    "agreed": ("Agreed", "good", "check"),
    "disagreed": ("Disagreed, slashed", "bad", "cross"),
    "convicted": ("Convicted by the contract", "bad", "cross"),
    "cleared": ("Cleared by the contract", "good", "check"),
    "moot": ("Convicted elsewhere", "calm", "dot"),
    "running": ("Being judged", "calm", "clock"),
    "declined": ("Stepped back", "wait", "stop"),
    "unpaid": ("Not paid", "wait", "stop"),
    "mined": ("In a block", "good", "check"),
    "reverted": ("Refused by the contract", "bad", "cross"),
    "recorded": ("On record", "calm", "check"),
    "waiting": ("Not yet", "wait", "clock"),
    "tombstoned": ("Withdrawn by its owner", "bad", "stop"),
    "inactive": ("Closed", "wait", "stop"),
    "sold_out": ("Sold out", "wait", "hourglass"),
}


def state(name: str) -> tuple[str, str, str]:
    """(words, tone, icon) of a state."""
    return STATES.get(name, (name.replace("_", " ").capitalize(), "calm", "dot"))


def class_name(name: str) -> str:
    """A circuit class for people."""
    return CLASSES.get(name, name)


def release_name(name: str) -> str:
    """A kind of release, as a tag."""
    return RELEASE_NAMES.get(name, name)


FILTERS: Mapping[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        bits, facts_told, license_bits, no_change, count, plural, size, moment, day, iso, span, short, number, percent,
        state, class_name, release_name,
    )
}  # fmt: skip
