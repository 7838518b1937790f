"""How long to wait before the next try: longer after each failure, up to a bound."""

from __future__ import annotations

import secrets

DOUBLINGS = 32  # after which a pause has long reached its longest; 2 to a thousandth power is no float


def growing(first: float, failures: int, longest: float) -> float:
    """Seconds to wait after so many failures in a row: `first`, doubled with each further one, at most `longest`."""
    return min(first * 2.0 ** min(max(failures - 1, 0), DOUBLINGS), longest)


def spread(seconds: float) -> float:
    """A pause that is up to twice as long by chance, so that those who failed together do not come back together."""
    return seconds * (1 + secrets.randbelow(100) / 100)
