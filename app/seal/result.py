"""A released result: its bytes before sealing, and its seal.

Bytes: length of the header (4 bytes, little-endian), the header (a canonical document), then the values as 64-bit
little-endian integers, output after output. Every value takes 8 bytes whatever it is, so that the length of a sealed
result says nothing that the job's public shape does not say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt, PositiveInt

from app.protocol.documents import Document
from app.protocol.errors import BadDocument, BadSeal, TooLarge
from app.protocol.market.receipt import SealContext, SealedResult
from app.protocol.vocabulary import ReleaseKind
from app.seal import hpke

INFO = b"darkroom/seal/1"
MAX_HEADER_BYTES = 1 << 16  # bytes
_PREFIX = 4


class ResultHeader(Document):
    """What the values of a result are. `rows` counts the values of each output: 1 for an aggregate."""

    kind: Literal["darkroom/result"] = "darkroom/result"
    released: ReleaseKind
    outputs: tuple[str, ...]
    first_row: NonNegativeInt
    rows: PositiveInt
    group: PositiveInt  # rows that each value stands for
    levels: NonNegativeInt  # scores were rounded to so many; 0: not at all
    lows: tuple[int, ...]  # of a score: least and greatest value of each output over all codes, which the levels divide
    highs: tuple[int, ...]
    noise_scale_milli: NonNegativeInt  # thousandths of the discrete Laplace scale; 0 without noise


@dataclass(frozen=True, eq=False)
class Result:
    """Released values, shape (outputs, rows), int64."""

    header: ResultHeader
    values: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        expected = (len(self.header.outputs), self.header.rows)
        if self.values.shape != expected or self.values.dtype != np.int64:
            raise BadDocument(f"A result's values are {self.values.shape}, its header says {expected}.")

    def __repr__(self) -> str:
        """Shape only: values are for the buyer's eyes, not for logs."""
        return f"Result(released={self.header.released!r}, shape={self.values.shape})"

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        header = self.header.to_bytes()
        if len(header) > MAX_HEADER_BYTES:
            raise TooLarge(f"A result header of {len(header)} bytes is over the limit of {MAX_HEADER_BYTES}.")
        return len(header).to_bytes(_PREFIX, "little") + header + self.values.astype("<i8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Result:
        """The result of canonical bytes. Errors: `BadDocument`, `TooLarge`."""
        size = int.from_bytes(data[:_PREFIX], "little")
        if size > MAX_HEADER_BYTES or len(data) < _PREFIX + size:
            raise BadDocument("A result is cut short.", "Fetch it again.")
        header = ResultHeader.from_bytes(data[_PREFIX : _PREFIX + size])
        body = data[_PREFIX + size :]
        if len(body) != 8 * len(header.outputs) * header.rows:
            raise BadDocument(
                f"A result has {len(body)} bytes of values, its header says otherwise.", "Fetch it again."
            )
        values = np.frombuffer(body, "<i8").astype(np.int64).reshape(len(header.outputs), header.rows)
        return cls(header, values)


def seal_result(context: SealContext, result: Result, cid_of: Callable[[bytes], str]) -> tuple[SealedResult, bytes]:
    """The sealed result's public document and its ciphertext. `cid_of` names the ciphertext as the store will.

    Errors: `BadKey` for an unusable sealing key, `TooLarge`.
    """
    enc, ciphertext = hpke.seal(
        bytes.fromhex(context.sealing_key), result.to_bytes(), info=INFO, aad=context.to_bytes()
    )
    document = SealedResult(
        context=context, enc=enc.hex(), ciphertext_cid=cid_of(ciphertext), ciphertext_bytes=len(ciphertext)
    )
    return document, ciphertext


def open_result(document: SealedResult, ciphertext: bytes, private: bytes, expected: SealContext) -> Result:
    """The result, if it was sealed to `private`'s key for exactly the job that `expected` describes.

    `expected` comes from the chain, not from the document. Errors: `BadSeal`, `BadKey`, `TooLarge`.
    """
    if document.context != expected:
        raise BadSeal("This sealed result belongs to another job.", "Fetch the result that the chain names.")
    if len(ciphertext) != document.ciphertext_bytes:
        raise BadSeal("This sealed result is cut short or too long.", "Fetch it again.")
    plain = hpke.unseal(private, bytes.fromhex(document.enc), ciphertext, info=INFO, aad=expected.to_bytes())
    try:
        return Result.from_bytes(plain)
    except BadDocument as error:  # it opened, so its sealer wrote it so
        raise BadSeal("This sealed result opens, but holds no result.", "Tell the dataset's owner.") from error
