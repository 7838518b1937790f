"""Content identifiers, in the one form the market uses: CIDv1, SHA-256, raw or dag-pb, lower-case base32.

The binary form is `01 <codec> 12 20 <32 bytes>`; the text form is "b" and its unpadded base32 (RFC 4648). Another
spelling of the same identifier is refused, so that equal objects have equal names everywhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import Literal, NamedTuple

from app.protocol.errors import BadDocument
from app.protocol.ids import CidText, Digest

RAW: Literal[0x55] = 0x55
DAG_PB: Literal[0x70] = 0x70
BINARY_LENGTH = 36
TEXT_LENGTH = 59  # "b" and 58 letters of 5 bits for 36 bytes
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [one + other for one in _LETTERS for other in _LETTERS]


class Cid(NamedTuple):
    """What names a block: how its bytes are read, and their SHA-256."""

    codec: int
    digest: bytes

    @property
    def binary(self) -> bytes:
        """The 36 bytes."""
        return bytes((1, self.codec, 0x12, 0x20)) + self.digest

    @property
    def text(self) -> str:
        """The 59 characters."""
        bits = int.from_bytes(self.binary, "big") << 2  # base64.b32encode takes ten times as long, for each block
        return "b" + "".join(_PAIRS[bits >> place & 1023] for place in range(280, -1, -10))


def of_block(codec: int, block: bytes | bytearray | memoryview) -> Cid:
    """The CID of a block's bytes."""
    return Cid(codec, hashlib.sha256(block).digest())


@lru_cache(maxsize=4096)  # a long file is read in thousands of ranges
def parse(text: str) -> Cid:
    """The identifier that `text` spells. Errors: BadDocument."""
    try:
        if len(text) != TEXT_LENGTH or text[0] != "b" or text != text.lower():
            raise ValueError
        binary = base64.b32decode(text[1:].upper() + "=" * 6)
        cid = Cid(binary[1], binary[4:])
        if len(binary) != BINARY_LENGTH or cid.codec not in (RAW, DAG_PB) or cid.text != text:
            raise ValueError
    except (ValueError, binascii.Error):
        shown = text[:70].encode("ascii", "backslashreplace").decode()
        raise BadDocument(
            f"{shown!r} is not a content identifier of this market (CIDv1, SHA-256, raw or dag-pb, base32).",
            "Copy the identifier again from where it was published.",
        ) from None
    return cid


def digest_to_cid(digest: Digest) -> CidText:
    """The text CID of the raw block with this SHA-256 (64 hex digits): a document's digest, as the chain records it."""
    try:
        raw = bytes.fromhex(digest)
        if len(raw) != 32 or raw.hex() != digest:
            raise ValueError
    except ValueError:
        raise BadDocument("A digest must be 64 lower-case hexadecimal digits.") from None
    return CidText(Cid(RAW, raw).text)


def cid_to_digest(text: str) -> Digest:
    """The SHA-256 (64 hex digits) of the raw block with this CID. BadDocument also for a file of several blocks."""
    cid = parse(text)
    if cid.codec != RAW:
        raise BadDocument(f"{text} names a file of several blocks, which has no digest of its own.")
    return Digest(cid.digest.hex())
