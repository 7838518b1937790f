"""A prepaid order: one license and one job under it, whose payment names all of its terms.

The contract `PrepaidOrders` keeps an account for each order at an address that follows from the order. Money that is
sent there buys exactly this, or returns to `payer`. So who pays there agrees by that alone, and whoever carries the
payment to the chain decides nothing. This is how a single ask over HTTP is paid (x402, `app.facilitator`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.protocol.documents import Document, Hex32, Sha256
from app.protocol.ids import Address
from app.protocol.market.entities import ZERO

Text = Annotated[Address, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]
Number = Annotated[int, Field(ge=0, lt=1 << 53)]

OrderTuple = tuple[str, int, int, str, tuple[int | str, ...]]


class PrepaidOrder(Document):
    """What is paid for. Amounts are token units, times seconds by the chain's clock."""

    kind: Literal["darkroom/prepaid-order"] = "darkroom/prepaid-order"
    chain_id: Annotated[int, Field(ge=1, lt=1 << 53)]
    contract: Text  # `PrepaidOrders`, which holds the money until it is spent or returns
    payer: Text  # who pays, and to whom everything returns that the order does not take
    offer: Annotated[int, Field(ge=1, lt=1 << 53)]  # the license is bought from it: its prices never change
    not_after: Number  # the last second in which it may be opened
    nonce: Hex32  # tells equal orders apart
    circuit: Sha256
    first_row: Number
    rows: Annotated[int, Field(ge=1, lt=1 << 53)]
    sealing_key: Hex32  # that the result is sealed to
    units: Number
    replicas: Annotated[int, Field(ge=1, lt=256)]
    max_fee: Number
    version: Annotated[int, Field(ge=1, lt=1 << 16)]
    content: Hex32  # what that version binds

    @property
    def struct(self) -> OrderTuple:
        """The contract's struct; the job's license is bought on the way."""
        job = (
            0, self.circuit, self.first_row, self.rows, self.sealing_key, self.units, self.replicas, self.max_fee,
            self.version, self.content,
        )  # fmt: skip
        return self.payer, self.offer, self.not_after, self.nonce, job


class Authorization(Document):
    """A transfer that a holder signed and anybody may send (EIP-3009). `signature`: hex; "" where none is needed."""

    kind: Literal["darkroom/authorization"] = "darkroom/authorization"
    value: int = 0  # token units
    valid_after: int = 0
    valid_before: int = 0
    nonce: Hex32 = ZERO
    signature: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2})*$", max_length=8192)] = ""

    @property
    def struct(self) -> tuple[int, int, int, str, bytes]:
        """The contract's struct."""
        return self.value, self.valid_after, self.valid_before, self.nonce, bytes.fromhex(self.signature)
