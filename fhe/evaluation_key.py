"""The public evaluation key of a dataset: what a provider needs for lookups, and nothing secret.

File form: 8 bytes `DRKEVAL1`, the header's length as 4 little-endian bytes, the header (canonical JSON), then the
little-endian words of `bootstrap`, `keyswitch` and, when there is one, the packing key's bodies. The header names the
profile, the epoch, every shape and a SHA-256 over seed and words, so a file of another dataset, epoch or shape, a short
one, or one with a flipped bit raises `BadKey` before anything computes with it. The size follows from the profile.

Level index 0 is the least significant level in all three parts. A packing key is, for every bit of the GLWE key and
every level, one RLWE encryption of bit * 2^(64 - base_log * level); its masks follow from `seed` as those of packed
columns do, and its gadget is the profile's bootstrap gadget, which keeps its noise below the bootstrap's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from app.protocol.documents import Document, Hex16, Sha256
from app.protocol.errors import BadKey, DarkroomError
from app.protocol.ids import Digest
from app.protocol.ports import Store
from fhe.arrays import U64
from fhe.mask import mask
from fhe.profile import EncryptionProfile, Gadget

Read = Callable[[int, int], bytes]  # (offset, length) -> exactly those bytes

MAGIC = b"DRKEVAL1"
MAX_HEADER_BYTES = 4096
MAX_KEY_BYTES = 1 << 31
BLOCK = 8 << 20
AGAIN = "Fetch the evaluation key that the dataset's manifest names."


def packing_gadget(profile: EncryptionProfile) -> Gadget:
    """The decomposition of packing keyswitches: the bootstrap's."""
    return profile.bootstrap


@dataclass(frozen=True, eq=False, repr=False)
class PackingKey:
    """Seeded RLWE encryptions of the GLWE key's bits: `bodies` is (N, levels, N), polynomial bit * levels + level."""

    seed: bytes
    bodies: U64

    def masks(self, start: int, stop: int) -> U64:
        """Mask words (stop - start, levels, N) of bits [start, stop), from `seed` (`fhe.mask`)."""
        _, levels, size = self.bodies.shape
        return mask(self.seed, start * levels, (stop - start) * levels, size).reshape(-1, levels, size)


class Header(Document):
    """What an evaluation key file says of itself."""

    kind: Literal["darkroom/evaluation-key"] = "darkroom/evaluation-key"
    profile: Sha256
    epoch: int
    bootstrap: tuple[int, ...]
    keyswitch: tuple[int, ...]
    packing: tuple[int, ...] | None
    packing_seed: Hex16 | None
    digest_of_words: Sha256  # SHA-256 of the packing seed, if any, and all words


def shapes(profile: EncryptionProfile) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Shapes of bootstrap (n, levels, 2, 2, N), keyswitch (N, levels, n + 1) and packing (N, levels, N) words."""
    n, size = profile.lwe_dimension, profile.polynomial_size
    return (
        (n, profile.bootstrap.levels, 2, 2, size),
        (size, profile.keyswitch.levels, n + 1),
        (size, packing_gadget(profile).levels, size),
    )


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationKey:
    """Bootstrap key (n, levels, 2, 2, N): [.., level, row, column, ..]; keyswitch key (N, levels, n + 1)."""

    profile: Digest
    epoch: int
    bootstrap: U64
    keyswitch: U64
    packing: PackingKey | None = None

    def __repr__(self) -> str:
        return f"EvaluationKey(profile={self.profile[:12]}, epoch={self.epoch}, packing={self.packing is not None})"

    def check(self, profile: EncryptionProfile, epoch: int | None = None) -> None:
        """`BadKey` unless the key is of this profile, of these shapes and, if given, of this epoch."""
        if self.profile != profile.digest:
            raise BadKey("This evaluation key belongs to another encryption profile.", AGAIN)
        if epoch is not None and self.epoch != epoch:
            raise BadKey(f"This evaluation key is of epoch {self.epoch}, not {epoch}.", AGAIN)
        parts = [self.bootstrap, self.keyswitch] + ([self.packing.bodies] if self.packing else [])
        for part, shape in zip(parts, shapes(profile), strict=False):
            if part.shape != shape or part.dtype != np.uint64 or not part.flags.c_contiguous:
                raise BadKey(f"This evaluation key has a part of shape {part.shape} instead of {shape}.", AGAIN)

    def stream(self) -> Iterator[bytes]:
        """The file's bytes, in blocks of bounded size."""
        parts = [self.bootstrap, self.keyswitch] + ([self.packing.bodies] if self.packing else [])
        digest = hashlib.sha256(self.packing.seed if self.packing else b"")
        for part in parts:
            for block in _blocks(part):
                digest.update(block)
        header = Header(
            profile=self.profile,
            epoch=self.epoch,
            bootstrap=self.bootstrap.shape,
            keyswitch=self.keyswitch.shape,
            packing=self.packing.bodies.shape if self.packing else None,
            packing_seed=self.packing.seed.hex() if self.packing else None,
            digest_of_words=Digest(digest.hexdigest()),
        ).to_bytes()
        yield MAGIC + len(header).to_bytes(4, "little") + header
        for part in parts:
            for block in _blocks(part):
                yield bytes(block)

    def to_file(self, path: Path) -> None:
        """Write the file form; a reader never sees half a file."""
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with partial.open("wb") as file:
                for block in self.stream():
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def from_file(cls, path: Path, profile: EncryptionProfile, epoch: int) -> EvaluationKey:
        """The key of a file. Errors: `BadKey` for every kind of wrong file."""
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)

                def read(offset: int, length: int) -> bytes:
                    file.seek(offset)
                    return file.read(length)

                return cls.load(read, size, profile, epoch)
        except OSError as error:
            raise BadKey(f"The evaluation key file cannot be read: {error.strerror}.", AGAIN) from None

    @classmethod
    def fetch(cls, store: Store, cid: str, profile: EncryptionProfile, epoch: int) -> EvaluationKey:
        """The key under `cid` in a store. Errors: BadKey, NotFound, BadBlock."""
        return cls.load(lambda at, length: store.read(cid, at, length, limit=BLOCK), store.size(cid), profile, epoch)

    @classmethod
    def load(cls, read: Read, size: int, profile: EncryptionProfile, epoch: int) -> EvaluationKey:
        """The key behind `read(offset, length)`, of `size` bytes, read in blocks (a file, or an object of a store).

        Errors: `BadKey`, before any word is used. What `read` itself raises passes through.
        """
        start = read(0, 12)
        length = int.from_bytes(start[8:12], "little")
        if len(start) != 12 or start[:8] != MAGIC or not 0 < length <= MAX_HEADER_BYTES:
            raise BadKey("This is not an evaluation key.", AGAIN)
        try:
            header = Header.from_bytes(read(12, length))
        except DarkroomError:
            raise BadKey("The header of this evaluation key is damaged.", AGAIN) from None
        bootstrap, keyswitch, packing = shapes(profile)
        if header.profile != profile.digest:
            raise BadKey("This evaluation key belongs to another encryption profile.", AGAIN)
        if header.epoch != epoch:
            raise BadKey(f"This evaluation key is of epoch {header.epoch}, not {epoch}.", AGAIN)
        if (header.packing is None) != (header.packing_seed is None):
            raise BadKey("The header of this evaluation key is damaged.", AGAIN)
        if header.bootstrap != bootstrap or header.keyswitch != keyswitch or header.packing not in (None, packing):
            raise BadKey("The shapes in this evaluation key are not its profile's.", AGAIN)
        wanted = [bootstrap, keyswitch] + ([packing] if header.packing else [])
        total = 12 + length + 8 * sum(int(np.prod(shape, dtype=np.int64)) for shape in wanted)
        if size != total or total > MAX_KEY_BYTES:
            raise BadKey(f"This evaluation key has {size} bytes instead of {total}.", AGAIN)
        digest = hashlib.sha256(bytes.fromhex(header.packing_seed or ""))
        offset, parts = 12 + length, []
        for shape in wanted:
            part = np.empty(shape, "<u8")
            view = part.reshape(-1).view(np.uint8).data
            for begin in range(0, len(view), BLOCK):
                block = read(offset + begin, min(BLOCK, len(view) - begin))
                if len(block) != min(BLOCK, len(view) - begin):
                    raise BadKey("This evaluation key ends too early.", AGAIN)
                digest.update(block)
                view[begin : begin + len(block)] = block
            offset += len(view)
            parts.append(part.astype(np.uint64, copy=False))
        if digest.hexdigest() != header.digest_of_words:
            raise BadKey("The words of this evaluation key do not match its digest.", AGAIN)
        packed = PackingKey(bytes.fromhex(header.packing_seed), parts[2]) if header.packing_seed else None
        return cls(header.profile, header.epoch, parts[0], parts[1], packed)


def _blocks(part: U64) -> Iterator[memoryview]:
    view = np.ascontiguousarray(part, "<u8").reshape(-1).view(np.uint8).data
    for start in range(0, len(view), BLOCK):
        yield view[start : start + BLOCK]
