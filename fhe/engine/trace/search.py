"""Finding the one word in which a claim about a lookup departs from the truth, while all that it follows from agrees.

That word is what a dispute comes down to. Each look compares hashes of a few states and keeps a stretch whose first
state is agreed on and whose last is not, so that it ends at one step whatever else was claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fhe.arrays import U64
from fhe.engine.trace.names import stages
from fhe.profile import EncryptionProfile

States = Callable[[str], U64]
FAN = 32  # states that one look compares


def departure(claim: States, truth: States, profile: EncryptionProfile) -> tuple[str, int] | None:
    """The state and the index of the word; None where the results are equal."""
    if np.array_equal(claim("out"), truth("out")):
        return None
    if (found := _turns(claim, truth)) is not None:
        return found
    steps = profile.lwe_dimension
    chain = [f"step/{number}" for number in range(steps + 1)]
    if not _differs(claim, truth, chain[-1]):
        return "out", _word(claim, truth, "out")
    if _differs(claim, truth, chain[0]):
        return chain[0], _word(claim, truth, chain[0])
    step = narrow(chain, lambda name: _differs(claim, truth, name))
    inside = [chain[step], *(f"step/{step}/stage/{number}" for number in range(stages(profile)))]
    if not _differs(claim, truth, inside[-1]):  # the words to be added agree, and the sum does not
        return chain[step + 1], _word(claim, truth, chain[step + 1])
    name = inside[narrow(inside, lambda name: _differs(claim, truth, name)) + 1]
    return name, _word(claim, truth, name)


def narrow(chain: Sequence[str], differs: Callable[[str], bool]) -> int:
    """The place of a state that agrees before one that differs, in a chain whose first agrees and whose last differs.

    At most `FAN` states are compared at a time.
    """
    low, high = 0, len(chain) - 1
    while high - low > 1:
        looked_at = sorted({low + (high - low) * part // FAN for part in range(1, FAN)} - {low, high})
        first = next((place for place in looked_at if differs(chain[place])), high)
        low, high = max([place for place in looked_at if place < first], default=low), first
    return low


def _turns(claim: States, truth: States) -> tuple[str, int] | None:
    """The same before the rotation; None where its turns agree."""
    if not _differs(claim, truth, "turns"):
        return None
    if _differs(claim, truth, "small"):
        word = _word(claim, truth, "small")
        name = f"switch/{word}"
        return (name, _word(claim, truth, name)) if _differs(claim, truth, name) else ("small", word)
    name = "lost" if _differs(claim, truth, "lost") else "turns"
    return name, _word(claim, truth, name)


def _differs(claim: States, truth: States, name: str) -> bool:
    return not np.array_equal(claim(name), truth(name))


def _word(claim: States, truth: States, name: str) -> int:
    return int(np.flatnonzero(claim(name) != truth(name))[0])
