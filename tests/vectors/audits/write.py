"""Writes the conformance kit: `python -m tests.vectors.audits.write`, with `--record` after recording the market anew.

The recording differs from run to run (encryption, sealing and time); the cases follow from it, byte for byte.
"""

from __future__ import annotations

import json
import lzma
import sys
from typing import Any

from app.auditor.conformance.kit import KIT, SECTIONS
from tests.vectors.audits.faults import FAULTS, HONEST
from tests.vectors.audits.forge import Forgery
from tests.vectors.audits.record import record


def kit(recording: dict[str, Any]) -> dict[str, Any]:
    """The kit of a recording: its market and sections, and every case as what differs."""
    cases = [
        {"name": name, "job": job, "verdict": verdict, "fact": "", "words": words, "changes": {}}
        for name, (job, verdict, words) in HONEST.items()
    ]
    for name, fault in FAULTS.items():
        forged = Forgery(recording)
        fault.forge(forged)
        cases.append(
            {
                "name": name, "job": fault.job, "verdict": fault.verdict, "fact": fault.fact, "words": fault.words,
                "changes": differences(recording["sections"], forged.sections),
            }
        )  # fmt: skip
    return {"market": recording["market"], "sections": recording["sections"], "cases": cases}


def differences(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The entries that changed, by section; null for what is gone."""
    found = {}
    for name in SECTIONS:
        keys = before[name].keys() | after[name].keys()
        changed = {key: after[name].get(key) for key in sorted(keys) if before[name].get(key) != after[name].get(key)}
        if changed:
            found[name] = changed
    return found


def packed(value: dict[str, Any]) -> bytes:
    """The kit's file."""
    return lzma.compress(text(value).encode(), preset=9 | lzma.PRESET_EXTREME)


def text(value: dict[str, Any]) -> str:
    """What is in it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def main(arguments: list[str]) -> None:
    """Write the kit's file."""
    recording = record() if "--record" in arguments else json.loads(lzma.decompress(KIT.read_bytes()))
    KIT.write_bytes(packed(kit(recording)))
    print(f"{KIT.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
