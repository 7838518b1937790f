"""What a job gives back: compact, exact, and the same bytes from every executor. docs/canonical-evaluator.md section 8.

Three forms, told apart by a static rule that everyone evaluates alike:

- "bodies": one 64-bit word a value, (outputs, rows), of a circuit without lookups. Its mask follows from public seeds.
- "lwe": one LWE ciphertext a value, words rounded to `bits` bits.
- "packed": RLWE ciphertexts of N values each, words rounded to 32 bits: mask of N words, then a body word a value.

Values of "lwe" and "packed" are in row-major order: value number row * outputs + output.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadDocument
from fhe.arrays import U64
from fhe.profile import EncryptionProfile

Form = Literal["bodies", "lwe", "packed"]

MAGIC = b"DRKOUT01"
FORMS: tuple[Form, ...] = ("bodies", "lwe", "packed")
HEADER = struct.Struct("<8sBBBBIQ")  # magic, form, bits, width, log2 N, outputs, rows
PACKED_BITS = 32
MAX_VALUES = 1 << 40


def lwe_bits(profile: EncryptionProfile) -> int:
    """Bits of a word of an "lwe" result: as many as keep their rounding below one bootstrap's noise.

    Rounding N/2 key bits' words to `bits` bits adds a variance of N / 24 * 2^(128 - 2 bits): std 2^43 at 24 bits and
    2^39 at 28, for bootstraps of 2^48 (one level) and 2^40 (two levels).
    """
    return 24 if profile.bootstrap.levels == 1 else 28


def lwe_bytes(size: int, bits: int) -> int:
    """Bytes of one ciphertext of an "lwe" result: N + 1 words and one zero word, two words together."""
    return (size // 2 + 1) * bits // 4


def payload_bytes(form: Form, size: int, values: int, bits: int) -> int:
    """Bytes of a result of `values` values after its header."""
    if form == "bodies":
        return 8 * values
    if form == "lwe":
        return values * lwe_bytes(size, bits)
    return 4 * (-(-values // size) * size + values)


def choose_form(profile: EncryptionProfile, values: int, packing: bool) -> Form:
    """The smaller of "lwe" and "packed" for a job of `values` values; `packing`: the dataset has a packing key."""
    size = profile.polynomial_size
    packed = payload_bytes("packed", size, values, PACKED_BITS)
    return "packed" if packing and packed < payload_bytes("lwe", size, values, lwe_bits(profile)) else "lwe"


def round_words(words: U64, bits: int) -> U64:
    """Words modulo 2^64 -> the nearest modulo 2^bits, half up."""
    return (words + (np.uint64(1) << np.uint64(63 - bits))) >> np.uint64(64 - bits)


@dataclass(frozen=True, eq=False)
class OutputStage:
    """A job's result. `words` is "bodies": (outputs, rows); "lwe": (values, N + 1); "packed": (polynomials, 2, N).

    The words of "lwe" and "packed" are rounded ones, below 2^bits (kept as u32).
    """

    form: Form
    rows: int
    outputs: int
    width: int
    size: int
    bits: int
    words: npt.NDArray[np.uint64] | npt.NDArray[np.uint32]

    @property
    def values(self) -> int:
        """rows times outputs."""
        return self.rows * self.outputs

    def to_bytes(self) -> bytes:
        """Header and payload, little-endian."""
        number = FORMS.index(self.form)
        scale = self.size.bit_length() - 1
        header = HEADER.pack(MAGIC, number, self.bits, self.width, scale, self.outputs, self.rows)
        return header + (_pack_bits(self.words, self.bits) if self.form == "lwe" else self._whole_words())

    def _whole_words(self) -> bytes:
        if self.form == "bodies":
            return self.words.astype("<u8", copy=False).tobytes()
        parts = []
        for number, (mask, body) in enumerate(self.words):
            parts += [mask, body[: min(self.size, self.values - number * self.size)]]
        return bytes(np.concatenate(parts).astype("<u4", copy=False).data)

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> OutputStage:
        """Inverse of `to_bytes`: every byte string has at most one meaning and one form. Errors: BadDocument."""
        if len(data) < HEADER.size:
            raise _bad("too short")
        magic, number, bits, width, scale, outputs, rows = HEADER.unpack_from(data)
        if magic != MAGIC or number >= len(FORMS) or not 4 <= scale <= 16 or not 1 <= width <= 62:
            raise _bad("not a result of this version")
        form, size, values = FORMS[number], 1 << scale, outputs * rows
        if bits not in {"bodies": (64,), "lwe": (24, 28), "packed": (32,)}[form]:
            raise _bad("of an unknown word size")
        if not 0 < values < MAX_VALUES or len(data) != HEADER.size + payload_bytes(form, size, values, bits):
            raise _bad("of another length than its header says")
        payload = memoryview(data)[HEADER.size :]
        if form == "bodies":
            words = np.frombuffer(payload, "<u8").reshape(outputs, rows).astype(np.uint64, copy=False)
            return cls(form, rows, outputs, width, size, bits, words)
        small = _unpack_bits(payload, bits, size) if form == "lwe" else _unpack_words(payload, size, values)
        return cls(form, rows, outputs, width, size, bits, small)


def _bad(how: str) -> BadDocument:
    return BadDocument(f"This result is {how}.", "Fetch the job's output again, or report its executor.")


def _pack_bits(words: npt.NDArray[np.generic], bits: int) -> bytes:
    """Two words of `bits` bits in bits / 4 bytes, the first one low; N + 1 is odd, so a zero word ends each."""
    count, length = words.shape
    step, used = max(1, (1 << 22) // length), bits // 4
    out = np.empty((count, (length + 1) // 2, used), np.uint8)
    for start in range(0, count, step):
        block = words[start : start + step].astype("<u8")
        pairs = block[:, 0::2].copy()
        pairs[:, :-1] |= block[:, 1::2] << np.uint64(bits)
        out[start : start + step] = pairs.view(np.uint8).reshape(len(pairs), -1, 8)[..., :used]
    return out.tobytes()


def _unpack_bits(payload: memoryview, bits: int, size: int) -> npt.NDArray[np.uint32]:
    used, length = bits // 4, size + 1
    packed = np.frombuffer(payload, np.uint8).reshape(-1, (length + 1) // 2, used)
    words = np.empty((len(packed), length + 1), np.uint32)
    step = max(1, (1 << 22) // length)
    for start in range(0, len(packed), step):
        block = packed[start : start + step]
        pairs = np.zeros((*block.shape[:2], 8), np.uint8)
        pairs[..., :used] = block
        pair = pairs.view("<u8")[..., 0]
        words[start : start + step, 0::2] = pair & np.uint64((1 << bits) - 1)
        words[start : start + step, 1::2] = pair >> np.uint64(bits)
    if words[:, length].any():
        raise _bad("not in canonical form")
    return words[:, :length]


def _unpack_words(payload: memoryview, size: int, values: int) -> npt.NDArray[np.uint32]:
    flat = np.frombuffer(payload, "<u4")
    words = np.zeros((-(-values // size), 2, size), np.uint32)
    offset = 0
    for number, (mask, body) in enumerate(words):
        used = min(size, values - number * size)
        mask[:], body[:used] = flat[offset : offset + size], flat[offset + size : offset + size + used]
        offset += size + used
    return words
