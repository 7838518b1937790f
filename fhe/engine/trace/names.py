"""The names of a lookup's states, and the numbers in them; the grammar of docs/trace.md, section 4."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from app.protocol.errors import BadInput
from fhe.engine.transform import levels
from fhe.profile import EncryptionProfile

Kind = Literal[
    "in", "switch", "small", "lost", "turns", "test", "step", "stage", "keyswitch", "key", "key-stage", "out"
]

FORMS: tuple[tuple[Kind, str], ...] = (
    ("in", r"in"),
    ("switch", r"switch/(\d+)"),
    ("small", r"small"),
    ("lost", r"lost"),
    ("turns", r"turns"),
    ("test", r"test"),
    ("step", r"step/(\d+)"),
    ("stage", r"step/(\d+)/stage/(\d+)"),
    ("keyswitch", r"keyswitch/(\d+)/(\d+)"),
    ("key", r"key/(\d+)/(\d+)/([01])/([01])"),
    ("key-stage", r"key/(\d+)/(\d+)/([01])/([01])/stage/(\d+)"),
    ("out", r"out"),
)
MAX_NAME = 64  # characters


@dataclass(frozen=True)
class StateName:
    """A parsed name: its kind and its numbers, which are those of the profile."""

    kind: Kind
    numbers: tuple[int, ...] = ()


def depth(profile: EncryptionProfile) -> int:
    """Splits from the root of a transform to its points."""
    return len(levels(profile.polynomial_size // 2))


def stages(profile: EncryptionProfile) -> int:
    """States inside one rotation step: digits, splits, products, joins, words."""
    return 2 * depth(profile) + 3


def parse(name: str, profile: EncryptionProfile) -> StateName:
    """Errors: BadInput for a name that no state of a lookup under this profile has."""
    for kind, form in FORMS:
        found = re.fullmatch(form, name) if len(name) <= MAX_NAME else None
        if found is not None:
            numbers = tuple(int(each) for each in found.groups())
            if all(number < bound for number, bound in zip(numbers, _bounds(kind, profile), strict=True)):
                return StateName(kind, numbers)
    raise BadInput(f"A lookup has no state {name[:MAX_NAME]!r}.", "The names are in docs/trace.md.")


def _bounds(kind: Kind, profile: EncryptionProfile) -> tuple[int, ...]:
    steps, inside = profile.lwe_dimension, stages(profile)
    key = (steps, profile.bootstrap.levels, 2, 2)
    bounds: dict[Kind, tuple[int, ...]] = {
        "switch": (steps + 1,),
        "step": (steps + 1,),
        "stage": (steps, inside),
        "keyswitch": (profile.polynomial_size, profile.keyswitch.levels),
        "key": key,
        "key-stage": (*key, depth(profile) + 1),
    }
    return bounds.get(kind, ())
