"""Seeds of published files: keyed hashes of what they encrypt, so that none can ever serve two plaintexts.

A mask word used for two values gives their difference away. Random seeds keep that from happening only as long as
nobody goes on with one: not after a crash, not from a restored backup, not when the source changed meanwhile. Here a
seed follows from the plaintext itself (as in SIV modes, Rogaway and Shrimpton 2006): 32 bytes of BLAKE2b under a key
that only holders of the secret keys can make, over what the file is and every code in it. Another plaintext has another
seed but for a chance of 2^-128 a pair. The same plaintext in the same place has the same ciphertext, so an interrupted
publication goes on where it was, and what a later version leaves alone stays the same file. All that it tells is that
two files of one key epoch, one name and one range of rows are equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from app.protocol.documents import Document, Sha256
from app.protocol.vocabulary import FileEncoding
from fhe.arrays import U8, U16
from fhe.ciphertexts.lwe_bins import noise_name
from fhe.gaussian import generator
from fhe.keys.secret_keys import SecretKeys
from fhe.mask import SEED_BYTES
from fhe.profile import EncryptionProfile

_PERSON = b"darkroom seeds 1"


@dataclass(frozen=True)
class FileSeeds:
    """The seeds of one file: of its public masks, and of its secret noise, which is never shown."""

    mask: bytes
    noise: bytes = field(repr=False)


class _Place(Document):
    """What a file is, apart from the codes in it."""

    profile: Sha256
    epoch: int
    noise: str  # which generator: two of them on one seed would make two ciphertexts of one mask
    column: str
    encoding: FileEncoding
    indices: int
    first_row: int
    rows: int


class SeedDerivation:
    """Seeds under one secret key."""

    def __init__(self, secret: SecretKeys, profile: EncryptionProfile) -> None:
        """Errors: BadKey for a key of another profile."""
        secret.check(profile)
        self._key = hashlib.blake2b(secret.to_bytes(), digest_size=32, person=_PERSON).digest()
        self._profile, self._epoch = profile, secret.epoch
        self._noise = generator(profile.polynomial_size, profile.glwe_variance)
        self._bin_noise = noise_name(profile)

    def __repr__(self) -> str:
        return f"SeedDerivation(epoch={self._epoch})"

    def seeds(
        self, column: str, encoding: FileEncoding, indices: int, first_row: int, codes: Iterable[U8 | U16], rows: int
    ) -> FileSeeds:
        """The seeds of a file that encrypts `codes`, in parts of any length, of rows [first_row, first_row + rows)."""
        place = _Place(
            profile=self._profile.digest,
            epoch=self._epoch,
            noise=self._bin_noise if encoding == "lwe-bins" else self._noise,
            column=column,
            encoding=encoding,
            indices=indices,
            first_row=first_row,
            rows=rows,
        ).to_bytes()
        digest = hashlib.blake2b(len(place).to_bytes(8, "little") + place, digest_size=32, key=self._key)
        for part in codes:
            digest.update(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).data)
        made = digest.digest()
        return FileSeeds(made[:SEED_BYTES], made[SEED_BYTES:])
