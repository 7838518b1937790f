"""Secret bytes at rest under a passphrase: scrypt, then AES-256-GCM with the header as associated data.

Form: `DRKSEAL1`, the header's length as 4 little-endian bytes, the header (canonical JSON), ciphertext, 16-byte tag,
and the SHA-256 of everything before it. scrypt gives 48 bytes: the AES key and a check of the passphrase that stands in
the header, so that the three ways to fail stay apart: the digest shows accidental damage before any work is done, the
check shows a wrong passphrase, and the tag shows what was altered on purpose. Nothing is parsed further before all
three hold. The check helps a guesser no more than the tag does: either takes one scrypt a guess.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
from typing import Annotated, Literal

from Crypto.Cipher import AES
from pydantic import Field, StringConstraints

from app.protocol.documents import Document, Hex16, Hex32, sha256
from app.protocol.errors import BadKey, DarkroomError, TooLarge, UsageError, WrongPassphrase

MAGIC = b"DRKSEAL1"
WORK = 1 << 17  # scrypt's N: with r = 8, 128 MiB and about a third of a second
MIN_WORK = 1 << 15
MAX_WORK = 1 << 20  # 1 GiB: a foreign file may not ask for more
MAX_HEADER_BYTES = 1024
MAX_SEALED_BYTES = 64 << 20
_R, _P, _TAG, _SUM = 8, 1, 16, 32
DAMAGED = "Restore the file from a backup."


class _Header(Document):
    kind: Literal["darkroom/sealed-file"] = "darkroom/sealed-file"
    holds: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    n: Annotated[int, Field(ge=MIN_WORK, le=MAX_WORK)]
    r: Literal[8] = 8
    p: Literal[1] = 1
    salt: Hex32
    check: Hex16
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]


def seal(data: bytes, passphrase: str, holds: str, *, work: int = WORK) -> bytes:
    """The sealed form of `data`; `holds` says in public what it is. Errors: UsageError (empty passphrase), TooLarge."""
    if not passphrase:
        raise UsageError("An empty passphrase seals nothing.", "Choose one of several words.")
    if len(data) > MAX_SEALED_BYTES:
        raise TooLarge(f"A sealed file holds at most {MAX_SEALED_BYTES} bytes.")
    salt, nonce = os.urandom(32), os.urandom(12)
    key, check = _derive(passphrase, salt, work)
    header = _Header(holds=holds, n=work, salt=salt.hex(), check=check.hex(), nonce=nonce.hex()).to_bytes()
    start = MAGIC + len(header).to_bytes(4, "little") + header
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(start)
    ciphertext, tag = cipher.encrypt_and_digest(data)
    body = start + ciphertext + tag
    return body + hashlib.sha256(body).digest()


def open_sealed(sealed: bytes, passphrase: str, holds: str) -> bytes:
    """What `seal` sealed. Errors: BadKey (damaged, altered, or holding something else), WrongPassphrase."""
    header, body = _header(sealed)
    if header.holds != holds:
        raise BadKey("This sealed file holds something else.", "Name the file that was asked for.")
    key, check = _derive(passphrase, bytes.fromhex(header.salt), header.n)
    if not hmac.compare_digest(check, bytes.fromhex(header.check)):
        raise WrongPassphrase("This passphrase does not open the file.", "Try again with the one it was sealed under.")
    start = len(MAGIC) + 4 + int.from_bytes(body[8:12], "little")
    cipher = AES.new(key, AES.MODE_GCM, nonce=bytes.fromhex(header.nonce))
    cipher.update(body[:start])
    try:
        return cipher.decrypt_and_verify(body[start:-_TAG], body[-_TAG:])
    except ValueError:
        raise BadKey("This sealed file was altered.", DAMAGED) from None


def _header(sealed: bytes) -> tuple[_Header, bytes]:
    least = len(MAGIC) + 4 + _TAG + _SUM
    if not least < len(sealed) <= MAX_SEALED_BYTES + MAX_HEADER_BYTES + least or sealed[:8] != MAGIC:
        raise BadKey("This is not a sealed file.", DAMAGED)
    body, digest = sealed[:-_SUM], sealed[-_SUM:]
    length = int.from_bytes(sealed[8:12], "little")
    if sha256(body) != digest.hex() or length > min(MAX_HEADER_BYTES, len(sealed) - least):
        raise BadKey("This sealed file is damaged.", DAMAGED)
    try:
        header = _Header.from_bytes(body[12 : 12 + length])
    except DarkroomError:
        raise BadKey("The header of this sealed file is damaged.", DAMAGED) from None
    if header.n & (header.n - 1):
        raise BadKey("The header of this sealed file is damaged.", DAMAGED)
    return header, body


def _derive(passphrase: str, salt: bytes, work: int) -> tuple[bytes, bytes]:
    """(AES key, passphrase check); the passphrase in Unicode's NFC, so that equal-looking text is equal."""
    secret = unicodedata.normalize("NFC", passphrase).encode()
    derived = hashlib.scrypt(secret, salt=salt, n=work, r=_R, p=_P, maxmem=132 * work * _R, dklen=48)
    return derived[:32], derived[32:]
