"""What the tests of encryption share: tiny insecure keys and a table under them, and one real set made by Concrete."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import pytest

from fhe.ciphertexts.packing_key import with_packing
from fhe.evaluation_key import EvaluationKey
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.keys.secret_keys import SecretKeys, client_keys, compile_program
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.support.encrypted_tables import TableWithKeys, make_table


@dataclass(frozen=True)
class RealKeys:
    """Keys of the reference profile, and the Concrete client that made them."""

    profile: EncryptionProfile
    secret: SecretKeys
    evaluation: EvaluationKey
    concrete: Any


@pytest.fixture(scope="session")
def real_keys() -> RealKeys:
    """One real key set, made by Concrete (seconds), for the whole session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Concrete's imports
        circuit = compile_program(REFERENCE)
    circuit.client.keygen(force=True)
    return RealKeys(REFERENCE, *client_keys(circuit, REFERENCE, 1), circuit)


@pytest.fixture(scope="session")
def tiny_profile() -> EncryptionProfile:
    """A profile of no security, for speed."""
    return insecure_test_profile()


@pytest.fixture(scope="session")
def tiny_secret(tiny_profile: EncryptionProfile) -> SecretKeys:
    """A secret key of the tiny profile."""
    return insecure_test_keys(tiny_profile)[0]


@pytest.fixture(scope="session")
def world() -> TableWithKeys:
    """Three shards under a small profile of two levels, with a packing key."""
    profile = insecure_test_profile()
    secret, key = insecure_test_keys(profile)
    return make_table(profile, secret, with_packing(key, secret, profile, 1), (300, 40, 260))
