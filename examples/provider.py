"""A compute provider: bonds once, then evaluates on ciphertext whatever it is drawn for.

    python examples/provider.py provider-1 600      # for ten minutes; two providers at least make a market

It holds no key but its account's.
"""

from __future__ import annotations

import sys
import time

import darkroom


def main(role: str, seconds: float = 0) -> None:
    """Take a seat in the draw, and serve for so long."""
    provider = darkroom.connect(create=True).provider(role)
    if not provider.bonded:
        provider.faucet(1000)
        print(f"{role} has bonded {provider.bond(1000)} test dollars")
    end = time.monotonic() + seconds
    while True:
        for each in provider.serve_once():
            print(role, each)
        if time.monotonic() >= end:
            break
        time.sleep(2)


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
