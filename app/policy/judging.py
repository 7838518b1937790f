"""Why no contract can judge the results of a job, in words: what its buyer then rests on."""

from __future__ import annotations

from collections.abc import Mapping

from app.protocol.data.dataset import EncryptedTable
from fhe.circuit.circuit import Circuit
from fhe.engine.trace.judged import Unjudged, unjudged
from fhe.profile import EncryptionProfile

RESTS = "No contract can judge its result, which rests on executors that agree and on the custodian's recomputation."
WHY: Mapping[Unjudged, str] = {
    Unjudged.LONG_SUMS: "The reason is that it sums over too many rows.",
    Unjudged.MANY_TERMS: "The reason is that an output is a sum of too many terms.",
    Unjudged.SUMMED_LOOKUPS: "The reason is that it sums lookups over rows.",
    Unjudged.SMALL_BINS: "The reason is that it reads bins under the small key.",
    Unjudged.SHARED: "The reason is that its lookups share rotations.",
    Unjudged.SELECTS: "The reason is that it has encrypted tables.",
    Unjudged.LAYERS: "The reason is that it has more layers of lookups than a dispute goes through.",
    Unjudged.NO_ROOTS: "The reason is that the dataset's manifest does not state the roots of its evaluation key.",
    Unjudged.PACKED: "The reason is that its results are packed, and the manifest does not state that key's root.",
    Unjudged.MANY_PACKED: "The reason is that its results are packed, and follow from too many lookups together.",
}


def why_unjudged(circuit: Circuit, profile: EncryptionProfile, table: EncryptedTable, rows: int) -> str:
    """Two sentences on why no contract can judge a job of so many rows; "" where one can."""
    found = unjudged(circuit, profile, table, rows)
    return "" if found is None else f"{RESTS} {WHY[found]}"
