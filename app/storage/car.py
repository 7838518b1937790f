"""CAR files, version 1: blocks one after another in a file, each with its CID (https://ipld.io/specs/transport/car/).

    header   a varint of its length, then DAG-CBOR of {"roots": [CID], "version": 1}
    section  a varint of its length, then a CID in binary and the block's bytes

Written here: CIDv1 with SHA-256, raw or dag-pb, one root. Other forms of a header or CID are refused. Nothing longer
than one block is ever in memory, and a block is passed on only after it hashed to its CID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from app.protocol.errors import BadBlock, BadDocument
from app.storage.cid import BINARY_LENGTH, DAG_PB, RAW, Cid
from app.storage.unixfs import MAX_BLOCK_BYTES

_BEFORE = b"\xa2\x65roots\x81\xd8\x2a\x58\x25\x00"  # a map of two; "roots": an array of one; tag 42; 37 bytes: 0, CID
_AFTER = b"\x67version\x01"
_MAX_VARINT = 9  # bytes


def write_header(file: BinaryIO, root: Cid) -> None:
    """Begin a CAR file of one root."""
    header = _BEFORE + root.binary + _AFTER
    file.write(_varint(len(header)) + header)


def write_block(file: BinaryIO, cid: Cid, block: bytes) -> None:
    """Add a block."""
    file.write(_varint(BINARY_LENGTH + len(block)) + cid.binary + block)


def read_header(file: BinaryIO) -> Cid:
    """The root of a CAR file. Errors: BadDocument."""
    length = _read_varint(file)
    if length != len(_BEFORE) + BINARY_LENGTH + len(_AFTER):
        raise _not_ours()
    header = file.read(length)
    binary = header[len(_BEFORE) : len(_BEFORE) + BINARY_LENGTH]
    if len(header) != length or header != _BEFORE + binary + _AFTER:
        raise _not_ours()
    return _cid(binary)


def read_blocks(file: BinaryIO) -> Iterator[tuple[Cid, bytes]]:
    """The blocks that follow the header, each checked against its CID. Errors: BadDocument, BadBlock."""
    while (length := _read_varint(file)) is not None:
        if not BINARY_LENGTH <= length <= BINARY_LENGTH + MAX_BLOCK_BYTES:
            raise BadDocument(f"A section of {length} bytes is none of a block.", "Export the dataset again.")
        data = file.read(length)
        if len(data) != length:
            raise BadDocument("The CAR file ends in the middle of a block.", "Copy it again, or export it again.")
        cid, block = _cid(data[:BINARY_LENGTH]), data[BINARY_LENGTH:]
        if hashlib.sha256(block).digest() != cid.digest:
            raise BadBlock(f"A block of the CAR file does not hash to {cid.text}.", "Copy the file again.")
        yield cid, block


def _cid(binary: bytes) -> Cid:
    cid = Cid(binary[1], binary[4:])
    if cid.codec not in (RAW, DAG_PB) or cid.binary != binary:
        raise _not_ours()
    return cid


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(file: BinaryIO) -> int | None:
    """The next varint; None at the end of the file. Errors: BadDocument."""
    value = 0
    for place in range(_MAX_VARINT):
        byte = file.read(1)
        if not byte:
            if place == 0:
                return None
            break
        value |= (byte[0] & 0x7F) << 7 * place
        if byte[0] < 0x80:
            if place and byte[0] == 0:
                break
            return value
    raise _not_ours()


def _not_ours() -> BadDocument:
    return BadDocument(
        "This is no CAR file (version 1) of one root, as this market writes it.", "Export: darkroom dataset export."
    )
