"""The line of a packed ciphertext: it ends in what the engine packs, and every word follows from the words it reads."""

from __future__ import annotations

import numpy as np
import pytest

from fhe.arrays import U64
from fhe.ciphertexts.packing_key import with_packing
from fhe.engine.backends import prepare
from fhe.engine.reference import ReferenceCore
from fhe.engine.trace.packing import PackingShape, PackingTape
from fhe.engine.trace.packing_points import PackingPoints
from fhe.engine.trace.packing_reads import PackingReads
from fhe.engine.trace.packing_referee import PackingReferee
from fhe.engine.trace.slots import LEAF
from fhe.evaluation_key import EvaluationKey
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.merkle import root_of
from fhe.profile import EncryptionProfile
from fhe.profiles import ONE_LEVEL, REFERENCE, insecure_test_profile
from tests.support.lookup_disputes import packing_kinds


class Packed:
    """Some values, the key that packs them, and their line."""

    def __init__(self, size: int, levels: int, count: int) -> None:
        self.profile = insecure_test_profile(size, 8, levels)
        secret, key = insecure_test_keys(self.profile, seed=3)
        self.key: EvaluationKey = with_packing(key, secret, self.profile, 1)
        assert self.key.packing is not None
        self.points = PackingPoints(self.key.packing)
        rng = np.random.default_rng(size + levels)
        self.values: U64 = rng.integers(0, 1 << 64, (count, size + 1), np.uint64)
        self.tape = PackingTape(self.profile, lambda: self.values, self.points.of)

    def read(self, where: str, index: int) -> int:
        """A word that a rule reads."""
        if where == "line":
            return self.tape.word(index)
        assert where == "packing"
        data, inside = self.points.opened(index).data, index % LEAF
        return int.from_bytes(data[8 * inside : 8 * inside + 8], "little")


@pytest.fixture(scope="module", params=[(64, 2, 50), (64, 1, 64), (128, 2, 1)])
def packed(request: pytest.FixtureRequest) -> Packed:
    """With either gadget, a transform that begins with two parts and one that does not, full and not."""
    return Packed(*request.param)


def test_the_line_ends_in_what_is_packed(packed: Packed) -> None:
    """By the readable engine and by the native one."""
    first, _ = packed.tape.shape.out_at(0)
    found = [packed.tape.word(first + word) for word in range(2 * packed.profile.polynomial_size)]
    for core in (ReferenceCore(packed.profile, packed.key), prepare(packed.profile, packed.key, "auto", 1)):
        assert core.pack(packed.values).reshape(-1).tolist() == found


def test_slots_are_the_same_in_any_order(packed: Packed) -> None:
    """What is kept of one slot for the next one changes nothing."""
    numbers = np.random.default_rng(1).permutation(packed.tape.shape.slots)
    fresh = PackingTape(packed.profile, lambda: packed.values, packed.points.of)
    for number in numbers[:40].tolist():
        assert np.array_equal(fresh.slot(number), packed.tape.slot(number)), number


def test_every_word_follows_from_the_words_that_it_reads(packed: Packed) -> None:
    """By scalars, and from words before it alone."""
    shape, rng = packed.tape.shape, np.random.default_rng(2)
    reads, referee = PackingReads(shape, 0), PackingReferee(packed.profile, shape)
    places = [*packing_kinds(shape), (0, shape.slots * shape.slot)]
    for low, high in places:
        for index in rng.integers(low, high, 8).tolist():
            if index < shape.size * (shape.size + 1):
                continue
            asked = [each for each in reads.of(index) if each.where not in ("program", "roots")]
            assert all(each.index < index for each in asked if each.where == "line")
            words = [(packed.read(each.where, each.index), packed.read(each.where, each.index ^ 1)) for each in asked]
            assert referee.word(index, words) == packed.tape.word(index), index


def test_points_have_one_root(packed: Packed) -> None:
    """Worked out in pieces as at once, and each leaf stands under it."""
    whole = packed.points.of(0, packed.points.bits)
    assert packed.points.root == root_of(whole.astype("<u8").tobytes())
    assert packed.points.opened(17).data == whole.reshape(-1)[16:32].astype("<u8").tobytes()


@pytest.mark.parametrize(("profile", "slots"), [(REFERENCE, 2206), (ONE_LEVEL, 2323)])
def test_how_long_a_line_is(profile: EncryptionProfile, slots: int) -> None:
    """Under the reference profiles as long as a lookup's: 26 levels of words."""
    shape = PackingShape.of(profile)
    assert (shape.slots, shape.levels_of_words) == (slots, 26)
