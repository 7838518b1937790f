"""What a role's account file says in the open: its address."""

from __future__ import annotations

import json
from pathlib import Path

from app.protocol.ids import Address

FILE = "account.json"
MAX_KEY_FILE = 1 << 16  # bytes


def address_in(folder: Path) -> Address | None:
    """The address of the account in a role's folder; None where there is none, or a damaged file."""
    from app.chain.address import eip55

    try:
        with (folder / FILE).open("rb") as file:
            return Address(eip55("0x" + str(json.loads(file.read(MAX_KEY_FILE))["address"]).removeprefix("0x")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
