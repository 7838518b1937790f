"""What an agent's step did: told one by one when it is done, and returned together in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def reported(happenings: Iterable[T], report: Callable[[T], None] | None) -> list[T]:
    """All of these; `report` hears of each as soon as it is there."""
    done = []
    for each in happenings:
        done.append(each)
        if report:
            report(each)
    return done
