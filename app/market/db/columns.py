"""Column types that both databases order and bound alike."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, String
from sqlalchemy.types import TypeDecorator, TypeEngine

UINT256_DIGITS = 78


def amount_text(value: int) -> str:
    """What `AmountText` writes. Errors: ValueError for a number outside the range."""
    digits = str(value)
    if value < 0 or len(digits) > UINT256_DIGITS:
        raise ValueError(f"{value} is no amount.")
    return f"{len(digits):02d}{digits}"


def amount_of(text: str) -> int:
    """Inverse of `amount_text`."""
    return int(text[2:])


class AmountText(TypeDecorator[int]):
    """A whole number from 0 to 2^256 - 1 as text that sorts like the number: two digits of length, then the digits.

    The chain lets anyone state a price or a cost above 2^63, which neither database's integers hold, and nobody's
    number may stop the index.
    """

    impl = String(2 + UINT256_DIGITS)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Errors: ValueError for a number outside the range."""
        return None if value is None else amount_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Inverse."""
        return None if value is None else amount_of(value)

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:  # noqa: ARG002
        """What an amount is compared with is an amount."""
        return self


def whole() -> TypeEngine[int]:
    """64 bits in both: PostgreSQL's INTEGER has 32, and SQLite's BIGINT, unlike INTEGER, cannot be a row's address."""
    return BigInteger().with_variant(Integer(), "sqlite")


def binary_text(length: int) -> TypeEngine[str]:
    """Text that is ordered by its code points in both databases, so that a range of it is the same everywhere."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")
