"""What a mandate says to an answer: the part of it that no chain can see.

The custodian asks it before it decrypts, and everybody who judges an order before: the bits that answers under one
mandate tell about a person, over all licenses that were bought under it, and that an agent who may only ask about many
people together gets no answer about one.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.protocol.data.dataset import EncryptedTable
from app.protocol.market.mandate import MandateState
from app.protocol.policy.leakage import Released
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import spent_on


def told_under(
    held: MandateState, table: EncryptedTable, version: int, first_row: int, rows: int, history: Sequence[Released]
) -> int:
    """Micro-bits that answers under a mandate told, of these rows, about the person of whom most was told."""
    mine = [earlier for earlier in history if earlier.license in held.licenses]
    fresh = table.model_copy(update={"carried": (), "carried_jobs": 0})  # what a license was given is not in it
    return spent_on(fresh, mine, version, first_row, first_row + rows)


def check_answer(
    held: MandateState, table: EncryptedTable, entry: Released, history: Sequence[Released]
) -> Reason | None:
    """Whether a release is within a mandate: of a kind that it grants, and of no more bits than it has left."""
    mandate = held.mandate
    if not mandate.grants("ask" if entry.kind == "aggregate" else "job"):
        return Reason.MANDATE_ACTION
    told = told_under(held, table, entry.version, entry.first, entry.end - entry.first, history)
    if entry.micro_bits > mandate.bits_range or mandate.overdrawn(entry.micro_bits, told):
        return Reason.MANDATE_BITS
    return None
