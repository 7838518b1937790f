"""What texts and numbers stand for, so that one cannot be handed over for another unseen."""

from __future__ import annotations

from typing import NewType

Digest = NewType("Digest", str)  # SHA-256, 64 lower-case hex digits
Address = NewType("Address", str)  # of an account or a contract, EIP-55 text
TxHash = NewType("TxHash", str)  # of a transaction, 0x and 64 hex digits
CidText = NewType("CidText", str)  # of content in a store, CIDv1 base32
Units = NewType("Units", int)  # of the payment token, its smallest
Seconds = NewType("Seconds", int)  # since the epoch by the chain's clock, or a span of it
