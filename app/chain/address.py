"""Addresses as the chain writes them."""

from __future__ import annotations

import re

from eth_utils.address import to_checksum_address

from app.protocol.errors import BadInput

_FORM = re.compile(r"0x[0-9a-fA-F]{40}")


def eip55(text: str) -> str:
    """An address in EIP-55, from any case. A wrong mixed-case checksum is taken for a slip. Errors: BadInput."""
    if not _FORM.fullmatch(text):
        raise BadInput("An account's address is 0x and 40 hex digits.", "Copy it again from your wallet.")
    right = str(to_checksum_address(text.lower()))
    if text[2:] not in (text[2:].lower(), text[2:].upper(), right[2:]):
        raise BadInput(f"The capital letters of {text} are not those of an address.", "Copy it again from your wallet.")
    return right
