"""What the number of a line is that is a packed ciphertext's, not a lookup's: docs/trace.md, section 9. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from fhe.engine.trace.program import PACKING, JobProgram


@dataclass(frozen=True)
class PackedLine:
    """One packed ciphertext of a job's result: values [end - count, end), row by row and in a row output by output.

    `first_row`: of the job, in the dataset.
    """

    first_row: int
    outputs: int
    size: int
    end: int

    @classmethod
    def of(cls, program: JobProgram, first_row: int, number: int) -> PackedLine | None:
        """Of a claim: lines are numbered by lookups, then by the values of a result that a ciphertext ends before."""
        if program.lookups is None or program.kind != PACKING or number <= len(program.lookups.lookups):
            return None
        return cls(first_row, program.outputs, program.size, number - len(program.lookups.lookups))

    @property
    def count(self) -> int:
        """How many values it has."""
        return (self.end - 1) % self.size + 1

    @property
    def rows(self) -> tuple[range, int]:
        """Rows of the dataset that its values are of, and how many values of the first one are not."""
        first = self.end - self.count
        low, high = first // self.outputs, (self.end - 1) // self.outputs + 1
        return range(self.first_row + low, self.first_row + high), first % self.outputs

    def value(self, index: int) -> tuple[int, int, int] | None:
        """Row, output and word of the value that a word of the line is; None where it is none's."""
        value, word = divmod(index, self.size + 1)
        if value >= self.count:
            return None
        row, output = divmod(self.end - self.count + value, self.outputs)
        return self.first_row + row, output, word
