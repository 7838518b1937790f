"""Secret keys at rest: sealed, epoch by epoch, and every damage or wrong passphrase is named for what it is."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.files.sealed import MIN_WORK, open_sealed, seal
from app.protocol.errors import BadKey, NotFound, TooLarge, UsageError, WrongPassphrase
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.keys.keyring import HOLDS, Keyring
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile
from fhe.profiles import insecure_test_profile

PASSPHRASE = "correct horse"


def keys_of(epoch: int, profile: EncryptionProfile | None = None) -> SecretKeys:
    """Tiny keys of an epoch."""
    return insecure_test_keys(profile or insecure_test_profile(), epoch, seed=epoch)[0]


def test_epochs_rotate(tmp_path: Path) -> None:
    """Each epoch opens to its own key; the list is in order; a destroyed epoch is gone and not used again."""
    ring = Keyring(tmp_path / "keys")
    assert (ring.epochs(), ring.next_epoch()) == ([], 1)
    for epoch in (1, 2, 3):
        assert ring.next_epoch() == epoch
        ring.add(keys_of(epoch), PASSPHRASE, work=MIN_WORK)
    assert ring.epochs() == [1, 2, 3]
    assert (ring.open(2, PASSPHRASE).glwe == keys_of(2).glwe).all()
    ring.destroy(3)
    assert ring.epochs() == [1, 2]
    assert ring.next_epoch() == 4
    with pytest.raises(NotFound):
        ring.open(3, PASSPHRASE)
    with pytest.raises(NotFound):
        ring.destroy(3)


def test_an_epoch_is_made_once(tmp_path: Path) -> None:
    """Adding an epoch that was made before, or none from 1 to 9999, is refused and leaves the old key."""
    ring = Keyring(tmp_path)
    ring.add(keys_of(2), PASSPHRASE, work=MIN_WORK)
    for epoch in (0, 1, 2, 10_000):
        with pytest.raises(UsageError):
            ring.add(keys_of(epoch), "other", work=MIN_WORK)
    assert ring.open(2, PASSPHRASE).epoch == 2


def test_files_are_private_and_whole(tmp_path: Path) -> None:
    """Only the owner can read the folder and the files, no scratch file stays, and no secret byte is in the clear."""
    ring = Keyring(tmp_path / "keys")
    path = ring.add(keys_of(1), PASSPHRASE, work=MIN_WORK)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ring.folder.stat().st_mode) == 0o700
    assert sorted(file.name for file in ring.folder.iterdir()) == ["epoch-0001.key", "last-epoch"]
    assert keys_of(1).glwe.tobytes()[:32] not in path.read_bytes()


def test_a_wrong_passphrase_is_named(tmp_path: Path) -> None:
    """A wrong passphrase is not called damage, and no message shows either passphrase."""
    ring = Keyring(tmp_path)
    ring.add(keys_of(1), PASSPHRASE, work=MIN_WORK)
    for wrong in ("", "Correct horse", PASSPHRASE + " "):
        with pytest.raises(WrongPassphrase) as caught:
            ring.open(1, wrong)
        assert PASSPHRASE not in str(caught.value)


def test_a_key_under_another_epochs_name_is_refused(tmp_path: Path) -> None:
    """A sealed file that was renamed to another epoch is refused."""
    ring = Keyring(tmp_path)
    path = ring.add(keys_of(1), PASSPHRASE, work=MIN_WORK)
    path.rename(tmp_path / "epoch-0002.key")
    with pytest.raises(BadKey, match="epoch 1"):
        ring.open(2, PASSPHRASE)


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    """A flipped bit in any byte, and any truncation, is damage, whatever the passphrase."""
    ring = Keyring(tmp_path)
    path = ring.add(keys_of(1), PASSPHRASE, work=MIN_WORK)
    sealed = path.read_bytes()
    for place in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[place] ^= 1 << (place % 8)
        with pytest.raises(BadKey):
            open_sealed(bytes(flipped), PASSPHRASE, HOLDS)
    for length in (0, 8, 60, len(sealed) - 1):
        path.write_bytes(sealed[:length])
        with pytest.raises(BadKey):
            ring.open(1, PASSPHRASE)


def forged(sealed: bytes, **fields: object) -> bytes:
    """A sealed file whose header was changed on purpose, with a right checksum."""
    import hashlib

    from app.protocol.documents import canonical

    length = int.from_bytes(sealed[8:12], "little")
    header = canonical({**json.loads(sealed[12 : 12 + length]), **fields})
    body = sealed[:8] + len(header).to_bytes(4, "little") + header + sealed[12 + length : -32]
    return body + hashlib.sha256(body).digest()


def test_altering_on_purpose_is_noticed() -> None:
    """With its checksum made right, a changed nonce, kind or cost is still refused, huge costs before any work."""
    sealed = seal(b"secret", PASSPHRASE, HOLDS, work=MIN_WORK)
    assert open_sealed(forged(sealed), PASSPHRASE, HOLDS) == b"secret"
    for fields in (
        {"nonce": "0" * 24},
        {"holds": "darkroom/other"},
        {"n": 1 << 30},
        {"n": 1024},
        {"n": (1 << 15) + 2},
        {"r": 9},
        {"extra": 1},
    ):
        with pytest.raises(BadKey):
            open_sealed(forged(sealed, **fields), PASSPHRASE, HOLDS)
    for fields in ({"salt": "0" * 64}, {"check": "0" * 32}, {"n": 1 << 16}):
        with pytest.raises(WrongPassphrase):
            open_sealed(forged(sealed, **fields), PASSPHRASE, HOLDS)


@settings(max_examples=5)
@given(data=st.binary(max_size=300), passphrase=st.text(min_size=1, max_size=20))
def test_any_bytes_under_any_passphrase_come_back(data: bytes, passphrase: str) -> None:
    """Sealing and opening are inverse, and two seals of one secret share no bytes that matter."""
    sealed = seal(data, passphrase, "test", work=MIN_WORK)
    assert open_sealed(sealed, passphrase, "test") == data


def test_sealing_has_limits() -> None:
    """No empty passphrase, nothing beyond 64 MiB."""
    with pytest.raises(UsageError):
        seal(b"", "", "test")
    with pytest.raises(TooLarge):
        seal(bytes((64 << 20) + 1), "p", "test")


def test_a_damaged_counter_is_named(tmp_path: Path) -> None:
    """A last-epoch file that holds no number is refused rather than read as zero."""
    (tmp_path / "last-epoch").write_text("x")
    with pytest.raises(BadKey, match="last-epoch"):
        Keyring(tmp_path).next_epoch()
