"""What an order states so that a contract can judge its results: docs/trace.md, section 7."""

from __future__ import annotations

from app.execution.inputs import JobInputs
from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import BadInput
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO
from fhe.circuit.circuit import Circuit
from fhe.engine.trace.program import program_of
from fhe.profile import EncryptionProfile


def stated_program(circuit: Circuit, profile: EncryptionProfile, table: EncryptedTable) -> Digest:
    """The program of a job with this circuit on this table; zeros where no contract can judge its results.

    Errors: BadModel, MessageOverflow for a circuit that does not run on the table.
    """
    found = program_of(circuit, profile, table)
    return ZERO if found is None else found.digest


def check_program(work: JobInputs) -> None:
    """Whether an order that states a program states its circuit's: no executor commits to what it could not defend.

    Errors: BadInput; BadModel, MessageOverflow for a circuit that does not run on the table.
    """
    said = work.job.program
    if said not in (ZERO, stated_program(work.circuit, work.profile, work.table)):
        raise BadInput(
            f"Job {work.job.id} states another program than its circuit has, so no dispute could be judged rightly.",
            "Order again: this software states the right one.",
        )
