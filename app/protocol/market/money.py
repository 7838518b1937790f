"""Amounts for people: the contracts count in token units, people in test dollars of six decimals."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from app.protocol.errors import UsageError

DECIMALS = 6


def dollars(units: int) -> str:
    """Token units as test dollars, for people: `1,234.5`."""
    return f"{units / 10**DECIMALS:,.6f}".rstrip("0").rstrip(".")


def amount(units: int) -> Decimal:
    """Token units as test dollars, exactly."""
    whole, part = divmod(units, 10**DECIMALS)
    return Decimal(f"{whole}.{part:0{DECIMALS}d}".rstrip("0").rstrip("."))


def token_units(dollars: Decimal | float | str) -> int:
    """Test dollars as token units; a float means what it prints.

    Errors: UsageError for what is no amount, is negative, or has more than six decimals.
    """
    try:
        units = Decimal(str(dollars)) * 10**DECIMALS
        if not units.is_finite() or units < 0 or units != units.to_integral_value() or units >= 1 << 128:
            raise InvalidOperation
    except InvalidOperation:
        raise UsageError(
            f"{str(dollars)!r} is no amount of test dollars.", f"Write it as 12.5; {DECIMALS} decimals."
        ) from None
    return int(units)
