"""What visitors type into forms, read without losing it: each field's text, its value, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from starlette.datastructures import QueryParams

from app.market.web.language.choice import spoken
from app.market.web.language.numerals import plain

T = TypeVar("T")
MAX_COUNT = (1 << 63) - 1
MAX_FIELD = 200


@dataclass
class Form:
    """A form that was sent by GET. `wrong` collects messages by field; `text` gives back what was typed."""

    sent: QueryParams
    wrong: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """What was typed, at most 200 characters of it."""
        return self.sent.get(name, "").strip()[:MAX_FIELD]

    def every(self, name: str) -> list[str]:
        """All values of a field that can be ticked several times."""
        return self.sent.getlist(name)[:20]

    def ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self.text(name) in ("1", "on", "true")

    def count(self, name: str) -> int | None:
        """A whole number, thousands separators allowed; None when the field is empty or wrong."""

        def read(text: str) -> int:
            value = int(plain(text, spoken().language))
            if not 0 <= value <= MAX_COUNT:
                raise ValueError
            return value

        return self._read(name, read, "Write a whole number, such as 10000.")

    def amount(self, name: str, decimals: int) -> int | None:
        """Money in token units; None when the field is empty or wrong."""

        def read(text: str) -> int:
            value = Decimal(plain(text, spoken().language)).scaleb(decimals)
            if not value.is_finite() or not 0 <= value <= MAX_COUNT or value != int(value):
                raise ValueError
            return int(value)

        return self._read(name, read, "Write an amount such as 25 or 12.50.")

    def chosen(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """The known ones among the ticked values."""
        return tuple(value for value in known if value in self.every(name))

    def _read(self, name: str, read: Callable[[str], T], message: str) -> T | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return read(text)
        except (ValueError, InvalidOperation, OverflowError):
            self.wrong[name] = message
            return None
