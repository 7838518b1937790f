"""A small picture of an address: five by five squares, mirrored, in one of twelve colours. The same address, the same
picture, so that two addresses that begin and end alike are told apart at a glance. It proves nothing: 15 squares and a
colour are 18 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

SIDE = 5
HUES = 12


@dataclass(frozen=True)
class Identicon:
    """What is drawn on a field of five by five: an SVG path of unit squares, and its colour's hue in degrees."""

    path: str
    hue: int


def identicon(address: str) -> Identicon:
    """The picture of an address, however its letters are written."""
    digest = sha256(address.lower().encode()).digest()
    bits = int.from_bytes(digest[:2], "big")
    squares = [divmod(place, SIDE) for place in range((SIDE + 1) // 2 * SIDE) if bits >> place & 1]
    path = "".join(f"M{x} {row}h1v1h-1z" for column, row in squares for x in sorted({column, SIDE - 1 - column}))
    return Identicon(path, digest[2] % HUES * (360 // HUES))
