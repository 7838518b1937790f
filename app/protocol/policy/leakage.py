"""What a circuit can say about a row, known before anyone runs it, and what was said of which rows already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.protocol.ids import Digest
from app.protocol.policy.linear_forms import Form, basis, difference
from app.protocol.vocabulary import CircuitClass, ReleaseKind


@dataclass(frozen=True)
class Leakage:
    """The leak report of a circuit on the codes of a dataset. `fhe.leakage.leakage_of` computes it.

    `forms` has one linear form an output, or none when the circuit has lookups; then each output counts as a form of
    its own. `shares` names for each output the column that explains most of its variance, and how much. `rare` is the
    part of rows, uniform over the codes, that do not get the commonest answer.
    """

    circuit: Digest
    profile: str
    codebook: Digest
    family: CircuitClass
    labels: int  # classes of its label; 0 for a circuit without one
    outputs: tuple[str, ...]
    forms: tuple[Form, ...]
    lows: tuple[int, ...]  # least and greatest value of each output over all codes
    highs: tuple[int, ...]
    shares: tuple[tuple[str, float], ...]
    rare: float
    block: int = 0  # rows that one value sums over; 0: a value for each row
    label_only: bool = False  # whether the outputs take no more values than there are labels: they are the label itself
    moves: int | None = None  # how far all outputs together can move when one row changes; None: as far as `ranges` do

    @property
    def sensitivity(self) -> int:
        """The L1 distance of the outputs of any two rows, at most: what noise is scaled to."""
        return sum(self.ranges) if self.moves is None else self.moves

    @property
    def ranges(self) -> tuple[int, ...]:
        """How far each output can move when one row changes: its sensitivity."""
        return tuple(high - low for low, high in zip(self.lows, self.highs, strict=True))

    def released_forms(self, kind: ReleaseKind) -> tuple[Form, ...]:
        """The forms that a release of this kind depends on: the label of the greatest one only on differences."""
        if kind == "label" and len(self.forms) > 1:  # the greatest of several
            return tuple(difference(form, self.forms[0]) for form in self.forms[1:])
        return self.forms

    def opaque(self) -> tuple[str, ...]:
        """Names of the outputs that no linear form describes."""
        return () if self.forms else tuple(f"{self.circuit}:{name}" for name in self.outputs)


@dataclass(frozen=True)
class Released:
    """One entry of the ledger: what was released, or is reserved, on rows [first, end) of one version of a dataset."""

    job: int
    license: int
    version: int
    first: int
    end: int
    kind: ReleaseKind
    forms: tuple[Form, ...]  # over the codes of that version's codebook
    opaque: tuple[str, ...]
    micro_bits: int  # charged to each person among the rows; 0 for an answer given again
    query: str  # digest of everything the answer depends on; equal queries have equal answers
    answered: bool = False  # its values are kept in the ledger


def dimensions(entries: Sequence[Released]) -> tuple[list[Form], set[str]]:
    """(independent linear forms, distinct opaque outputs) that these entries released on a row they share."""
    forms = list(dict.fromkeys(form for entry in entries for form in entry.forms))
    return basis(forms), {name for entry in entries for name in entry.opaque}
