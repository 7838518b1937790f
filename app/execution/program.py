"""What an order states so that a contract can judge its results: docs/trace.md, sections 7 and 8."""

from __future__ import annotations

from app.execution.inputs import JobInputs
from app.execution.key_roots import RootsOf
from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import BadInput
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO
from fhe.circuit.circuit import Circuit
from fhe.engine.trace.judged import unjudged
from fhe.engine.trace.program import program_of
from fhe.profile import EncryptionProfile


def stated_program(circuit: Circuit, profile: EncryptionProfile, table: EncryptedTable, rows: int) -> Digest:
    """The program of a job with this circuit on so many rows of this table; zeros where no contract can judge it.

    Errors: BadModel, MessageOverflow for a circuit that does not run on the table.
    """
    if unjudged(circuit, profile, table, rows) is not None:
        return ZERO
    found = program_of(circuit, profile, table)
    return ZERO if found is None else found.digest


def own_program(work: JobInputs, roots_of: RootsOf) -> Digest:
    """The same of a job, by one's own look at the evaluation key where it has lookups: what the manifest says of the
    key is its owner's word, and nobody's stake hangs on that.

    Errors: also BadKey, NotFound, BadBlock for a key that is not to be had.
    """
    table = work.table
    if len(work.circuit.layers) > 1 and table.evaluation_key is not None:
        table = table.model_copy(update={"key_roots": roots_of(work)})
    return stated_program(work.circuit, work.profile, table, work.job.rows)


def check_program(work: JobInputs, roots_of: RootsOf) -> None:
    """Whether an order that states a program states its circuit's: no executor commits to what it could not defend.

    Errors: BadInput; those of `own_program`.
    """
    said = work.job.program
    if said not in (ZERO, own_program(work, roots_of) if said != ZERO else ZERO):
        raise BadInput(
            f"Job {work.job.id} states another program than its circuit has, so no dispute could be judged rightly.",
            "Order again: this software states the right one, as far as the dataset's manifest is true of its key.",
        )
