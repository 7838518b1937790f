"""Reading a signed transaction before it is passed on: who sends what to whom, as its bytes say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_utils.address import is_checksum_address, to_checksum_address

from app.chain.wallet.account import raw_sender
from app.protocol.errors import BadInput, TooLarge

MAX_RAW_BYTES = 128 << 10  # as public nodes take
FIELDS = 12  # of an EIP-1559 transaction


@dataclass(frozen=True)
class Envelope:
    """An EIP-1559 transaction with a valid signature. `to` is None where it creates a contract."""

    chain_id: int
    sender: str
    nonce: int
    to: str | None
    value: int
    gas: int
    data: bytes


def read_envelope(raw: bytes) -> Envelope:
    """Errors: TooLarge, BadInput for anything but an EIP-1559 transaction whose signature recovers."""
    if len(raw) > MAX_RAW_BYTES:
        raise TooLarge(f"A transaction of {len(raw)} bytes is over the limit of {MAX_RAW_BYTES}.")
    try:
        if raw[:1] != b"\x02":
            raise ValueError
        fields: list[Any] = rlp.decode(raw[1:])
        if len(fields) != FIELDS or not all(isinstance(field, bytes) for field in fields[:8]):
            raise ValueError
        to = str(to_checksum_address(fields[5])) if fields[5] else None
        sender = raw_sender(raw)
        chain, nonce, _, _, gas = (int.from_bytes(field, "big") for field in fields[:5])
    except (ValueError, TypeError, rlp.exceptions.RLPException):
        raise BadInput(
            "These bytes are not a signed EIP-1559 transaction.",
            "Sign the prepared transaction and send its raw bytes.",
        ) from None
    return Envelope(chain, sender, nonce, to, int.from_bytes(fields[6], "big"), gas, bytes(fields[7]))


def to_address(text: str) -> str:
    """An address in EIP-55 form. All lower or all upper case has no checksum to hold. Errors: BadInput."""
    digits = text.removeprefix("0x")
    plain = digits in (digits.lower(), digits.upper())
    try:
        if len(digits) != 40 or not text.startswith("0x") or not (plain or is_checksum_address(text)):
            raise ValueError
        return str(to_checksum_address("0x" + digits.lower()))
    except ValueError:
        raise BadInput(
            f"{text[:60]!r} is not an address.", "Write 0x and 40 hex digits; mixed case is a checksum."
        ) from None
