"""Packed columns open to what was encrypted, and masks are never used twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.errors import BadKey, OutOfRange, UsageError
from fhe.ciphertexts.packing import Decryptor, Encryptor, extract, mask
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE
from tests.fhe.conftest import RealKeys


def test_what_was_encrypted_opens_again(real_keys: RealKeys) -> None:
    """All values of the message space's ends and middle come back exactly, under a real key."""
    profile, rng = real_keys.profile, np.random.default_rng(1)
    values = rng.integers(-(2**27), 2**27, (40, 2048))
    values[0, :4] = -(2**27), 2**27 - 1, 0, -1
    with Encryptor(real_keys.secret, profile, threads=2) as encryptor:
        file = encryptor.file()
        bodies = file.encrypt(5, values)
    opened = Decryptor(real_keys.secret, profile).open(mask(file.seed, 5, 40, 2048), bodies, profile.message_width)
    assert np.array_equal(opened, values)


@settings(max_examples=20)
@given(polys=st.integers(1, 40), first=st.integers(0, 1000), threads=st.integers(1, 3))
def test_polynomials_can_be_encrypted_in_any_parts(polys: int, first: int, threads: int) -> None:
    """However a file is split into calls, it opens with the masks of its seed."""
    profile, secret = TINY
    values = np.random.default_rng(polys).integers(0, 256, (polys, profile.polynomial_size))
    with Encryptor(secret, profile, threads) as encryptor:
        file = encryptor.file()
        cut = polys // 2
        late = file.encrypt(first + cut, values[cut:])
        bodies = np.concatenate([file.encrypt(first, values[:cut]), late])
    masks = mask(file.seed, first, polys, profile.polynomial_size)
    assert np.array_equal(Decryptor(secret, profile).open(masks, bodies, profile.message_width), values)


def _tiny() -> tuple[EncryptionProfile, SecretKeys]:
    from fhe.profiles import insecure_test_profile

    profile = insecure_test_profile()
    return profile, insecure_test_keys(profile)[0]


TINY = _tiny()


def test_a_mask_is_never_used_twice() -> None:
    """Encrypting a polynomial again is refused, also inside a larger range; files have seeds of their own."""
    profile, secret = TINY
    values = np.zeros((4, profile.polynomial_size), np.int64)
    with Encryptor(secret, profile, 1) as encryptor:
        file, other = encryptor.file(), encryptor.file()
        file.encrypt(10, values)
        for first in (7, 10, 13):
            with pytest.raises(UsageError, match="before"):
                file.encrypt(first, values)
        file.encrypt(14, values)
        assert file.seed != other.seed
        assert np.any(other.encrypt(10, values) != 0)


def test_equal_values_have_unrelated_bodies() -> None:
    """Two encryptions of one value differ in half of their bits, even under one seed at different places."""
    profile, secret = TINY
    values = np.zeros((64, profile.polynomial_size), np.int64)
    with Encryptor(secret, profile, 1) as encryptor:
        bodies = encryptor.file().encrypt(0, values)
        again = encryptor.file().encrypt(0, values)
    share = np.unpackbits((bodies ^ again).view(np.uint8)).mean()
    assert abs(share - 0.5) < 6 * 0.5 / np.sqrt(bodies.size * 64)


def test_values_beyond_the_message_space_are_refused() -> None:
    """A value of 2^27 or below -2^27, and a polynomial of a wrong length, are refused before anything is encrypted."""
    profile, secret = TINY
    with Encryptor(secret, profile, 1) as encryptor:
        file = encryptor.file()
        for value in (2**27, -(2**27) - 1):
            values = np.zeros((1, profile.polynomial_size), np.int64)
            values[0, 3] = value
            with pytest.raises(OutOfRange):
                file.encrypt(0, values)
        with pytest.raises(UsageError):
            file.encrypt(0, np.zeros((1, 8), np.int64))
        file.encrypt(0, np.zeros((1, profile.polynomial_size), np.int64))


def test_a_key_of_another_profile_is_refused() -> None:
    """Neither encryption nor opening takes a key of another profile."""
    _, secret = TINY
    with pytest.raises(BadKey):
        Encryptor(secret, REFERENCE)
    with pytest.raises(BadKey):
        Decryptor(secret, REFERENCE)


def test_a_row_can_be_taken_out_without_a_key(real_keys: RealKeys) -> None:
    """Coefficient r as an LWE ciphertext has the phase of the polynomial's coefficient r, for every r."""
    profile, secret = real_keys.profile, real_keys.secret
    values = np.random.default_rng(2).integers(0, 256, (1, 2048))
    with Encryptor(secret, profile, 1) as encryptor:
        file = encryptor.file()
        bodies = file.encrypt(0, values)
    masks = mask(file.seed, 0, 1, 2048)
    rows = np.array([0, 1, 77, 1024, 2047])
    single = extract(masks[0], bodies[0], rows)
    phase = single[:, -1] - (single[:, :-1] * secret.glwe.astype(np.uint64)).sum(axis=1, dtype=np.uint64)
    assert np.array_equal(phase, Decryptor(secret, profile).phase(masks, bodies)[0, rows])
