"""One encrypted table in six shards, and a linear circuit on it."""

from __future__ import annotations

import numpy as np

from fhe.arrays import I64
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import insecure_test_profile
from tests.support.tables import codebook, encrypt_codes, linear_circuit

PROFILE = insecure_test_profile(polynomial_size=64)
SECRET = insecure_test_keys(PROFILE)[0]
RNG = np.random.default_rng(11)
BOOK = codebook(5)
CODES: I64 = RNG.integers(0, 256, (9000, 5))
DATA = encrypt_codes(CODES, BOOK, SECRET, PROFILE, shards=[1, 63, 64, 65, 4800, 4007])
WEIGHTS: I64 = np.array([[3, -127, 0, 1, 255], [-1, 0, 0, 500, 2]])
BIAS: I64 = np.array([-12345, 678])
CIRCUIT = linear_circuit(WEIGHTS, BIAS, BOOK, PROFILE)
