"""Results as bytes: one meaning, one form, and nothing accepted that is neither."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.errors import BadDocument
from fhe.engine.output import HEADER, OutputStage, choose_form, lwe_bits, lwe_bytes, payload_bytes, round_words
from fhe.profiles import ONE_LEVEL, REFERENCE

SIZE = 64


def sample(form: str, rows: int = 5, outputs: int = 2, bits: int = 28) -> OutputStage:
    rng, values = np.random.default_rng(8), rows * outputs
    if form == "bodies":
        return OutputStage("bodies", rows, outputs, 9, SIZE, 64, rng.integers(0, 2**64, (outputs, rows), np.uint64))
    if form == "lwe":
        words = rng.integers(0, 1 << bits, (values, SIZE + 1)).astype(np.uint32)
        return OutputStage("lwe", rows, outputs, 9, SIZE, bits, words)
    words = rng.integers(0, 1 << 32, (-(-values // SIZE), 2, SIZE)).astype(np.uint32)
    words[-1, 1, (values - 1) % SIZE + 1 :] = 0
    return OutputStage("packed", rows, outputs, 9, SIZE, 32, words)


SAMPLES = [sample("bodies"), sample("lwe"), sample("lwe", bits=24), sample("packed"), sample("packed", 64, 3)]


@pytest.mark.parametrize("output", SAMPLES, ids=lambda o: f"{o.form}{o.bits}x{o.values}")
def test_bytes_give_back_the_result_and_no_other_length_does(output: OutputStage) -> None:
    """Round trip, exact length, and every shorter or longer string refused."""
    data = output.to_bytes()
    again = OutputStage.from_bytes(data)
    assert again.to_bytes() == data
    assert np.array_equal(again.words, output.words)
    assert (again.form, again.rows, again.outputs, again.width) == (output.form, output.rows, output.outputs, 9)
    assert len(data) == HEADER.size + payload_bytes(output.form, SIZE, output.values, output.bits)
    for wrong in (data[:-1], data + b"\0", data[:10], b"", data[: HEADER.size]):
        with pytest.raises(BadDocument):
            OutputStage.from_bytes(wrong)


@pytest.mark.parametrize("output", SAMPLES, ids=lambda o: f"{o.form}{o.bits}x{o.values}")
def test_a_flipped_header_bit_is_refused_or_is_another_result(output: OutputStage) -> None:
    """No header bit is ignored: each flip is refused or read as something else that writes those very bytes."""
    data = output.to_bytes()
    for bit in range(8 * HEADER.size):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            other = OutputStage.from_bytes(bytes(flipped))
        except BadDocument:
            continue
        assert other.to_bytes() == bytes(flipped)


def test_unused_bits_of_packed_words_must_be_zero() -> None:
    """The zero word that ends an LWE value is checked, so equal results have equal bytes."""
    data = bytearray(sample("lwe").to_bytes())
    data[HEADER.size + lwe_bytes(SIZE, 28) - 1] = 1
    with pytest.raises(BadDocument):
        OutputStage.from_bytes(bytes(data))


@given(st.integers(0, 2**64 - 1), st.sampled_from([24, 28, 32]))
def test_words_are_rounded_to_the_nearest(word: int, bits: int) -> None:
    """Rounding to b bits is the nearest multiple of 2^(64-b), half up, modulo 2^64."""
    step = 1 << (64 - bits)
    assert int(round_words(np.array([word], np.uint64), bits)[0]) == (word + step // 2) // step % (1 << bits)


def test_real_results_are_as_small_as_promised() -> None:
    """One value takes at most 8,192 bytes, 2,048 values and more take at most 64 each (and less than 9)."""
    for profile in (REFERENCE, ONE_LEVEL):
        assert payload_bytes("lwe", 2048, 1, lwe_bits(profile)) + HEADER.size <= 8192
        for values in (2048, 5000, 100_000):
            assert choose_form(profile, values, packing=True) == "packed"
            assert (payload_bytes("packed", 2048, values, 32) + HEADER.size) / values < 9
        assert choose_form(profile, 5000, packing=False) == "lwe"
        assert choose_form(profile, 1, packing=True) == "lwe"
