"""A compiled circuit as a sum over rows: the same values, added up before anyone decrypts."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

from app.protocol.data.dataset import Codebook
from app.protocol.errors import MessageOverflow, NoiseOverflow
from fhe.circuit.circuit import Circuit, Linear, Readout
from fhe.circuit.codec import digest
from fhe.circuit.well_formed import MAX_BLOCK
from fhe.compile.check import check, worst_failure
from fhe.compile.compiled import Compiled
from fhe.compile.digits.scores import widened
from fhe.profile import EncryptionProfile


def summed(compiled: Compiled, codebook: Codebook, profile: EncryptionProfile) -> Compiled:
    """A compiled model whose job releases the sum of its scores over the rows. Errors: as `sum_circuit`."""
    circuit = _longest(compiled.circuit, codebook, profile)
    decoder = compiled.decoder.model_copy(update={"circuit": digest(circuit)})
    return replace(compiled, circuit=circuit, decoder=decoder, report=check(circuit, codebook, profile))


def _longest(circuit: Circuit, codebook: Codebook, profile: EncryptionProfile) -> Circuit:
    """The sum in the longest blocks: a model's lookups are as wide as one row's score, and may be wider.

    Each bit of width doubles the sums that fit and quarters the noise that does. Errors: as `sum_circuit`.
    """
    found, last = sum_circuit(circuit, codebook, profile), circuit.layers[-1]
    assert isinstance(last, Linear)
    for width in range(last.width + 1, profile.message_width + 1) if len(circuit.layers) > 1 else ():
        wider = replace(circuit, layers=(*widened(circuit, width), replace(last, width=width)))
        try:
            longer = sum_circuit(wider, codebook, profile)
        except (MessageOverflow, NoiseOverflow):
            break
        found = max(found, longer, key=lambda each: each.block)  # of equals the narrower
    return found


def sum_circuit(circuit: Circuit, codebook: Codebook, profile: EncryptionProfile) -> Circuit:
    """The circuit that sums a circuit's outputs, in blocks as long as width and noise allow.

    A block of at least N rows is a whole number of chunks. A circuit without lookups is read at the full width of what
    is published. Errors: MessageOverflow, NoiseOverflow where not even one row fits; BadModel, BadDocument.
    """
    layers, last = circuit.layers, circuit.layers[-1]
    assert isinstance(last, Linear)
    if len(layers) == 1:
        layers = (replace(last, width=profile.message_width),)
    one = replace(circuit, layers=layers, readout=Readout("value"), block=1)
    bounds = check(one, codebook, profile).bounds
    widest = one.layers[-1]
    assert isinstance(widest, Linear)
    limit = 1 << widest.width
    most = min(min(limit // max(1, -low), (limit - 1) // max(1, high)) for low, high in bounds)
    blocks = range(1, min(MAX_BLOCK, most) + 1)

    def fails(block: int) -> bool:
        return worst_failure(replace(one, block=block), profile)[2] > profile.p_error_log2

    least = bisect_left(blocks, True, key=fails)  # noise grows with the rows
    size = profile.polynomial_size
    return replace(one, block=least // size * size if least >= size else least)
