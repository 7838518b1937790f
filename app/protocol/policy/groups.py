"""What was released together on some row: the groups that the limits on rank and concentration look at.

Rows are taken in at most `MAX_BLOCKS` equal blocks, and what touches a block counts on all of it: so the number of
groups is bounded whatever row ranges buyers choose, and no row gives away more than the rule says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.protocol.policy.leakage import Released
from app.protocol.policy.linear_forms import Form

MAX_BLOCKS = 1024


class Members:
    """Numbers for the distinct linear forms and outputs with lookups that one decision speaks of."""

    def __init__(self) -> None:
        self.all: list[Form | str] = []
        self._numbers: dict[Form | str, int] = {}
        self._seen: dict[int, int] = {}  # the same object has the same number; hashing a long form takes time

    def number(self, member: Form | str) -> int:
        """A member's number; equal members have one."""
        found = self._seen.get(id(member))
        if found is None:
            found = self._numbers.setdefault(member, len(self.all))
            if found == len(self.all):
                self.all.append(member)
            self._seen[id(member)] = found
        return found

    def of(self, entry: Released) -> frozenset[int]:
        """What one release gives of each of its rows: nothing for an aggregate, whose noise protects a row."""
        if entry.kind == "aggregate":
            return frozenset()
        forms, opaque = map(self.number, entry.forms), map(self.number, entry.opaque)
        return frozenset(forms) | frozenset(opaque)


@dataclass(frozen=True)
class Group:
    """Distinct members that the same rows gave, or would give, away. Equal groups of one decision compare equal."""

    numbers: frozenset[int]
    members: Members = field(compare=False, repr=False)

    def __or__(self, other: Group) -> Group:
        return Group(self.numbers | other.numbers, self.members)

    @property
    def count(self) -> int:
        """How many members: an upper bound of the rank."""
        return len(self.numbers)

    @property
    def forms(self) -> list[Form]:
        """The linear forms, in the order of their numbers."""
        return [each for each in self._listed() if not isinstance(each, str)]

    @property
    def opaque(self) -> list[str]:
        """The names of the outputs with lookups."""
        return [each for each in self._listed() if isinstance(each, str)]

    def _listed(self) -> list[Form | str]:
        return [self.members.all[number] for number in sorted(self.numbers)]


def groups(entry: Released, history: Sequence[Released], rows: int) -> tuple[Group, list[Group]]:
    """(what the entry gives, the distinct groups on its rows before it), in a version of `rows` rows.

    There is at least one group, perhaps an empty one.
    """
    block, members = -(-rows // MAX_BLOCKS), Members()
    first, past = entry.first // block, (entry.end - 1) // block + 1
    steps: dict[int, list[tuple[int, frozenset[int]]]] = {}
    sets: dict[tuple[int, ...], frozenset[int]] = {}
    for earlier in history:
        if earlier.version != entry.version or earlier.kind == "aggregate":
            continue
        low, high = earlier.first // block, (earlier.end - 1) // block + 1
        if low < past and first < high:
            key = (id(earlier.forms), id(earlier.opaque))
            given = sets.get(key)
            if given is None:
                given = sets[key] = members.of(earlier)
            steps.setdefault(max(low, first), []).append((1, given))
            steps.setdefault(min(high, past), []).append((-1, given))
    counts: dict[int, int] = {}
    found: dict[frozenset[int], None] = {}
    for place in sorted({first, *steps} - {past}):
        for change, given in steps.get(place, ()):
            for number in given:
                counts[number] = counts.get(number, 0) + change
                if not counts[number]:
                    del counts[number]
        found[frozenset(counts)] = None
    return Group(members.of(entry), members), [Group(numbers, members) for numbers in found]


def union(several: Sequence[Group]) -> Group:
    """All of them together, as if one row had given everything away: what it bounds, each of them keeps."""
    return Group(frozenset().union(*(each.numbers for each in several)), several[0].members)
