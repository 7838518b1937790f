"""Concrete's keys, read by us, are what Concrete encrypts with; nothing damaged or foreign passes for them."""

from __future__ import annotations

import numpy as np
import pytest

from app.protocol.errors import BadKey, UsageError
from fhe.keys import concrete_serialization
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.keys.secret_keys import SecretKeys, generate
from fhe.profile import EncryptionProfile, Gadget
from fhe.profiles import ONE_LEVEL, REFERENCE
from tests.fhe.conftest import RealKeys


def test_concretes_ciphertexts_open_with_the_key_as_read(real_keys: RealKeys) -> None:
    """A value encrypted by Concrete's client has, under our reading of its key, the phase of that value."""
    values = np.array([0, 1, 2, 3, 4, 5, 6, 7])
    words = concrete_serialization.value_words(
        bytes(real_keys.concrete.encrypt(values).serialize()), REFERENCE.polynomial_size
    )
    secret = real_keys.secret.glwe.astype(np.uint64)
    phase = words[:, -1] - (words[:, :-1] * secret).sum(axis=1, dtype=np.uint64)
    assert np.array_equal((phase + (np.uint64(1) << np.uint64(59))) >> np.uint64(60), values.astype(np.uint64))


def test_the_keyswitch_key_encrypts_the_large_key_under_the_small(real_keys: RealKeys) -> None:
    """Row (i, level) opens under the LWE key to bit i times the level's step, least significant level first."""
    key, n = real_keys.evaluation.keyswitch, REFERENCE.lwe_dimension
    phase = key[..., n] - (key[..., :n] * real_keys.secret.lwe.astype(np.uint64)).sum(axis=2, dtype=np.uint64)
    levels, base = REFERENCE.keyswitch.levels, REFERENCE.keyswitch.base_log
    for level in range(levels):
        step = np.uint64(1 << (64 - base * (levels - level)))
        error = (phase[:, level] - real_keys.secret.glwe * step).view(np.int64).astype(np.float64)
        assert np.abs(error).max() < 7 * np.sqrt(REFERENCE.lwe_variance) * 2.0**64


def test_generation_draws_new_keys_each_time() -> None:
    """Two generations share no key, and bits are balanced: Concrete draws from the operating system."""
    (first, evaluation), (second, _) = generate(ONE_LEVEL, 4), generate(ONE_LEVEL, 5)
    assert (first.epoch, second.epoch, evaluation.epoch) == (4, 5, 4)
    assert evaluation.bootstrap.shape == (763, 1, 2, 2, 2048)
    assert 0.4 < (first.glwe == second.glwe).mean() < 0.6
    assert 0.4 < first.glwe.mean() < 0.6
    assert 0.35 < first.lwe.mean() < 0.65


def test_secret_keys_survive_their_bytes_and_show_no_bits(tiny_secret: SecretKeys) -> None:
    """Bytes give equal keys back; the text form names profile and epoch and nothing else."""
    again = SecretKeys.from_bytes(tiny_secret.to_bytes())
    assert np.array_equal(again.glwe, tiny_secret.glwe)
    assert np.array_equal(again.lwe, tiny_secret.lwe)
    assert (again.profile, again.epoch) == (tiny_secret.profile, tiny_secret.epoch)
    assert repr(tiny_secret) == str(tiny_secret) == f"SecretKeys(profile={tiny_secret.profile[:12]}, epoch=1)"


def test_damaged_secret_keys_are_refused(tiny_secret: SecretKeys) -> None:
    """Truncation, trailing bytes, a bit that is not a bit, and foreign bytes raise BadKey."""
    data = tiny_secret.to_bytes()
    for wrong in (b"", data[:3], data[:50], data[:-1], data + b"\0", data[:-1] + b"\2", b"x" * 100, bytes(1 << 21)):
        with pytest.raises(BadKey):
            SecretKeys.from_bytes(wrong)


def test_a_key_is_checked_against_its_profile(tiny_secret: SecretKeys, tiny_profile: EncryptionProfile) -> None:
    """A key of another profile or another shape is refused."""
    tiny_secret.check(tiny_profile)
    with pytest.raises(BadKey, match="another"):
        tiny_secret.check(REFERENCE)
    short = SecretKeys(tiny_secret.profile, 1, tiny_secret.glwe[:-1], tiny_secret.lwe)
    with pytest.raises(BadKey, match="shape"):
        short.check(tiny_profile)


def test_records_of_other_parameters_are_refused(real_keys: RealKeys) -> None:
    """Keys of one profile are not read as those of another, whichever number differs."""
    keyset = bytes(real_keys.concrete.client.keys.serialize())
    server = bytes(real_keys.concrete.client.evaluation_keys.serialize())
    for field, value in (
        ("bootstrap", Gadget(base_log=23, levels=1)),
        ("keyswitch", Gadget(base_log=3, levels=4)),
        ("polynomial_size", 1024),
        ("lwe_variance", 1e-10),
        ("glwe_variance", 1e-30),
    ):
        with pytest.raises(BadKey):
            concrete_serialization.evaluation_words(server, REFERENCE.model_copy(update={field: value}))
    with pytest.raises(BadKey):
        concrete_serialization.secret_bits(keyset, REFERENCE.model_copy(update={"lwe_dimension": 762}))


def test_broken_records_are_refused(real_keys: RealKeys) -> None:
    """A record that is cut off or is no record raises BadKey, never a crash."""
    server = bytes(real_keys.concrete.client.evaluation_keys.serialize())
    for wrong in (b"", b"\0" * 8, b"\xff" * 64, server[:1000], server[: len(server) // 2]):
        with pytest.raises(BadKey):
            concrete_serialization.evaluation_words(wrong, REFERENCE)
        with pytest.raises(BadKey):
            concrete_serialization.secret_bits(wrong, REFERENCE)


def test_test_keys_are_for_insecure_profiles_only(tiny_profile: EncryptionProfile) -> None:
    """The maker of test keys refuses a profile that claims security, and repeats itself on a seed."""
    with pytest.raises(UsageError):
        insecure_test_keys(REFERENCE)
    (one, key), (two, again) = insecure_test_keys(tiny_profile, seed=3), insecure_test_keys(tiny_profile, seed=3)
    assert np.array_equal(one.glwe, two.glwe)
    assert np.array_equal(key.bootstrap, again.bootstrap)
    key.check(tiny_profile, 1)
