"""Evaluation key files: whole and of the right dataset, or refused before a word is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.protocol.errors import BadKey
from fhe.ciphertexts.packing import Decryptor
from fhe.evaluation_key import MAGIC, EvaluationKey
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import insecure_test_profile
from tests.support.encrypted_tables import TableWithKeys


def same(a: EvaluationKey, b: EvaluationKey) -> bool:
    parts = np.array_equal(a.bootstrap, b.bootstrap) and np.array_equal(a.keyswitch, b.keyswitch)
    if (a.packing is None) != (b.packing is None):
        return False
    if a.packing is None or b.packing is None:
        return parts
    return parts and a.packing.seed == b.packing.seed and np.array_equal(a.packing.bodies, b.packing.bodies)


@pytest.mark.parametrize("packing", [True, False])
def test_a_file_gives_the_key_back(world: TableWithKeys, tmp_path: Path, packing: bool) -> None:
    """File and stream are the same bytes, and reading them gives the same words."""
    key = world.key if packing else replace(world.key, packing=None)
    path = tmp_path / "key"
    key.to_file(path)
    assert path.read_bytes() == b"".join(key.stream())
    assert same(EvaluationKey.from_file(path, world.profile, key.epoch), key)
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_a_store_gives_the_key_back_in_blocks(world: TableWithKeys) -> None:
    """Reading through a store never asks for more than its block."""
    data, asked = b"".join(world.key.stream()), []

    class Store:
        def put(self, data: bytes) -> str:
            raise NotImplementedError

        def put_file(self, path: Path) -> str:
            raise NotImplementedError

        def put_pieces(self, pieces: Iterable[bytes | memoryview]) -> str:
            raise NotImplementedError

        def size(self, cid: str) -> int:
            return len(data)

        def read(self, cid: str, offset: int = 0, length: int | None = None, *, limit: int) -> bytes:
            assert length is not None
            assert length <= limit
            asked.append(length)
            return data[offset : offset + length]

    assert same(EvaluationKey.fetch(Store(), "cid", world.profile, world.key.epoch), world.key)
    assert sum(asked) == len(data)


def test_every_kind_of_damage_is_refused(world: TableWithKeys, tmp_path: Path) -> None:
    """Flipped bits anywhere, lost or added bytes, other magic: BadKey."""
    data, path = b"".join(world.key.stream()), tmp_path / "key"
    header = 12 + int.from_bytes(data[8:12], "little")
    places = (*range(0, header, 3), header, len(data) // 2, len(data) - 1)
    flips = [bit for byte in places for bit in (8 * byte, 8 * byte + 7)]
    damaged = [data[:-1], data + b"\0", data[:header], data[:20], b"", MAGIC, b"X" + data[1:]]
    for bit in flips:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for wrong in damaged:
        path.write_bytes(wrong)
        with pytest.raises(BadKey):
            EvaluationKey.from_file(path, world.profile, world.key.epoch)
    with pytest.raises(BadKey, match="cannot be read"):
        EvaluationKey.from_file(tmp_path / "missing", world.profile, world.key.epoch)


def test_a_key_of_another_profile_or_epoch_is_named_as_such(world: TableWithKeys, tmp_path: Path) -> None:
    """The error says which: another profile, another epoch."""
    path = tmp_path / "key"
    world.key.to_file(path)
    with pytest.raises(BadKey, match="another encryption profile"):
        EvaluationKey.from_file(path, insecure_test_profile(128), world.key.epoch)
    with pytest.raises(BadKey, match=f"epoch {world.key.epoch}, not 7"):
        EvaluationKey.from_file(path, world.profile, 7)
    other = insecure_test_keys(insecure_test_profile(128))[1]
    replace(other, profile=world.profile.digest).to_file(path)
    with pytest.raises(BadKey, match="shapes"):
        EvaluationKey.from_file(path, world.profile, other.epoch)


def test_a_packing_key_encrypts_each_key_bit_at_each_level(world: TableWithKeys) -> None:
    """Opened with the secret key, coefficient 0 holds the bit at its level and the others zero, within the noise."""
    packing, profile = world.key.packing, world.profile
    assert packing is not None
    levels, size = packing.bodies.shape[1], profile.polynomial_size
    masks, bodies = packing.masks(0, size).reshape(-1, size), packing.bodies.reshape(-1, size)
    phases = Decryptor(world.secret, profile).phase(masks, bodies)
    expected = np.zeros((size, levels, size), np.uint64)
    for level in range(levels):
        shift = np.uint64(64 - profile.bootstrap.base_log * (levels - level))
        expected[:, level, 0] = world.secret.glwe.astype(np.uint64) << shift
    errors = (phases.reshape(expected.shape) - expected).view(np.int64)
    assert errors.std() == pytest.approx(profile.glwe_variance**0.5 * 2.0**64, rel=0.05)


def test_a_key_shows_no_words(world: TableWithKeys) -> None:
    """Its repr names profile and epoch only."""
    assert repr(world.key) == f"EvaluationKey(profile={world.profile.digest[:12]}, epoch=1, packing=True)"
