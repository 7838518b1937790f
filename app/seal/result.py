"""A released result: its bytes before sealing, and its seal.

Bytes: length of the header (4 bytes, little-endian), the header (a canonical document), then the values as 64-bit
little-endian integers, output after output, then each row's key where the policy sells keys: UTF-8 in `key_bytes`
bytes, with zeros behind. Every value takes 8 bytes whatever it is, and every key as many as the policy says, so that
the length of a sealed result says nothing that the job's public shape does not say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt, PositiveInt

from app.protocol.documents import GrownDocument
from app.protocol.errors import BadDocument, BadSeal, TooLarge
from app.protocol.ids import Digest
from app.protocol.market.receipt import SealContext, SealedResult
from app.protocol.vocabulary import ReleaseKind
from app.seal import hpke

INFO = b"darkroom/seal/1"
MAX_HEADER_BYTES = 1 << 16  # bytes
_PREFIX = 4


RowKeys = npt.NDArray[np.bytes_]  # (rows,), of one width: UTF-8, with zeros behind


class ResultHeader(GrownDocument):
    """What the values of a result are. `rows` counts the values of each output: 1 for an aggregate."""

    later: ClassVar[frozenset[str]] = frozenset({"key_bytes"})

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
    key_bytes: NonNegativeInt = 0  # that each row's key takes; 0: there are none


@dataclass(frozen=True, eq=False)
class Result:
    """Released values, shape (outputs, rows), int64, and the keys (rows,) of their rows where they are sold."""

    header: ResultHeader
    values: npt.NDArray[np.int64]
    keys: RowKeys | None = None

    def __post_init__(self) -> None:
        expected = (len(self.header.outputs), self.header.rows)
        if self.values.shape != expected or self.values.dtype != np.int64:
            raise BadDocument(f"A result's values are {self.values.shape}, its header says {expected}.")
        width, keys = self.header.key_bytes, self.keys
        if (keys is None) != (width == 0) or (
            keys is not None and (keys.shape != expected[1:] or keys.dtype != np.dtype(f"S{width}"))
        ):
            raise BadDocument("A result's row keys are not those that its header says.")
        if keys is not None and self.header.released == "aggregate":
            raise BadDocument("An aggregate has no row keys.")

    def with_keys(self, keys: RowKeys, width: int) -> Result:
        """The same with the keys of its rows, in `width` bytes each.

        Errors: BadDocument for an aggregate, keys of other rows, or one that is longer.
        """
        if keys.dtype.itemsize > width and int(np.char.str_len(keys).max(initial=0)) > width:
            raise BadDocument(f"A row key is longer than {width} bytes.")
        return replace(self, header=self.header.model_copy(update={"key_bytes": width}), keys=keys.astype(f"S{width}"))

    def row_keys(self) -> list[str] | None:
        """Each row's key; None where keys are not sold."""
        return None if self.keys is None else [key.decode() for key in self.keys.tolist()]

    def __repr__(self) -> str:
        """Shape only: values are for the buyer's eyes, not for logs."""
        return f"Result(released={self.header.released!r}, shape={self.values.shape})"

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        header = self.header.to_bytes()
        if len(header) > MAX_HEADER_BYTES:
            raise TooLarge(f"A result header of {len(header)} bytes is over the limit of {MAX_HEADER_BYTES}.")
        keys = b"" if self.keys is None else self.keys.tobytes()
        return len(header).to_bytes(_PREFIX, "little") + header + self.values.astype("<i8").tobytes() + keys

    @classmethod
    def from_bytes(cls, data: bytes) -> Result:
        """The result of canonical bytes. Errors: `BadDocument`, `TooLarge`."""
        size = int.from_bytes(data[:_PREFIX], "little")
        if size > MAX_HEADER_BYTES or len(data) < _PREFIX + size:
            raise BadDocument("A result is cut short.", "Fetch it again.")
        header = ResultHeader.from_bytes(data[_PREFIX : _PREFIX + size])
        body = data[_PREFIX + size :]
        count = len(header.outputs) * header.rows
        if len(body) != 8 * count + header.key_bytes * header.rows:
            raise BadDocument(
                f"A result has {len(body)} bytes of values, its header says otherwise.", "Fetch it again."
            )
        values = np.frombuffer(body, "<i8", count).astype(np.int64).reshape(len(header.outputs), header.rows)
        return cls(header, values, _keys(body[8 * count :], header.key_bytes))


def _keys(data: bytes, width: int) -> RowKeys | None:
    if not width:
        return None
    keys: RowKeys = np.frombuffer(data, f"S{width}")
    try:
        texts = [key.decode() for key in keys.tolist()]
    except UnicodeDecodeError:
        raise BadDocument("A result has row keys that are no text.", "Fetch it again.") from None
    if any(not text or "\0" in text for text in texts):
        raise BadDocument("A result has row keys that are none.", "Fetch it again.")
    return keys


def seals(document: bytes | None, receipt: Digest) -> bool:
    """Whether a sealed document is of a job whose agreed receipt is this one. Errors: BadDocument."""
    return document is not None and SealedResult.from_bytes(document).context.receipt == receipt


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
