"""An auditor: re-checks every fact of a job with no key, no account and nobody's permission.

    python examples/auditor.py 7

Exit code 1 when a fact is wrong.
"""

from __future__ import annotations

import sys

import darkroom


def main(number: int) -> int:
    """Audit one job; 0 where no fact is wrong."""
    audit = darkroom.connect().job(number).audit()
    for fact in audit.to_dicts():
        print(f"{fact['status']}: {fact['claim']} {fact['detail']}".rstrip())
    print(audit)
    return 0 if audit.confirmed else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
