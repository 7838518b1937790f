"""The buyer's sealing key: an X25519 pair to which results are sealed, kept under the buyer's passphrase."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from Crypto.PublicKey import ECC

from app.files.private import write_private
from app.files.sealed import MAX_SEALED_BYTES, WORK, open_sealed, seal
from app.protocol.documents import sha256
from app.protocol.errors import BadInput, BadKey, NotFound
from app.seal.hpke import private_key

HOLDS = "darkroom/sealing-key"
EVERYBODY = "darkroom/everybody/1"  # the words whose SHA-256 is the private key that everybody has
KEY_BYTES = 32


@dataclass(frozen=True, repr=False)
class SealingKey:
    """32 private bytes and the public ones that go on chain."""

    private: bytes
    public: bytes

    def __repr__(self) -> str:
        return f"SealingKey(public={self.public.hex()})"

    @classmethod
    def generate(cls) -> SealingKey:
        """A new pair from the operating system's randomness, in memory only."""
        return cls.of(ECC.generate(curve="Curve25519").seed)

    @classmethod
    def of(cls, private: bytes) -> SealingKey:
        """The pair of 32 private bytes. Errors: BadKey."""
        if len(private) != KEY_BYTES:
            raise BadKey(f"A sealing key has {KEY_BYTES} bytes, not {len(private)}.", "Restore it from a backup.")
        return cls(private, private_key(private).public_key().export_key(format="raw"))

    @classmethod
    def create(cls, path: Path, passphrase: str, *, work: int = WORK) -> SealingKey:
        """A new pair, sealed in a new file. Errors: BadInput when the file exists."""
        if path.exists():
            raise BadInput(f"There is already a sealing key in {path}.", "Move it away; it opens earlier results.")
        key = cls.generate()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, seal(key.private, passphrase, HOLDS, work=work))
        return key

    @classmethod
    def load(cls, path: Path, passphrase: str) -> SealingKey:
        """Open a key file. Errors: NotFound, WrongPassphrase, BadKey."""
        try:
            with path.open("rb") as file:
                data = file.read(MAX_SEALED_BYTES)
        except OSError:
            raise NotFound(f"There is no sealing key {path}.", "Make one: darkroom keys sealing.") from None
        return cls.of(open_sealed(data, passphrase, HOLDS))


@cache
def everybody() -> SealingKey:
    """The pair whose private half everybody has: what is sealed to it is public once it is released."""
    return SealingKey.of(bytes.fromhex(sha256(EVERYBODY.encode())))
