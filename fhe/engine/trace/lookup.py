"""The states of one lookup, computed by the readable engine: what an honest party knows, as far as it is asked."""

from __future__ import annotations

import numpy as np

from app.protocol.data import merkle
from app.protocol.ids import Digest
from fhe.arrays import F64, I64, U64
from fhe.engine.gadget import digits, rotate, switch_modulus
from fhe.engine.trace.names import depth, parse
from fhe.engine.transform import Complex, add, join, levels, multiply, split, to_words
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile

KEPT_EVERY = 32  # steps; an accumulator takes 32 KiB under the reference profile


def root(words: U64) -> Digest:
    """A state's hash: the Merkle root of docs/formats.md over its words, little-endian."""
    return merkle.root(words.astype("<u8").tobytes())


class LookupTrace:
    """One lookup: a ciphertext (N + 1 words), keyswitched and bootstrapped with a test polynomial (N words).

    Of accumulators the last is kept that was asked for, and one of each `KEPT_EVERY`: steps that are asked for in order
    cost one external product each, and going back costs a few.
    """

    def __init__(
        self, profile: EncryptionProfile, key: EvaluationKey, lwe: U64, polynomial: U64, *, centred: bool = False
    ) -> None:
        key.check(profile)
        self.profile, self._key, self._in, self._test, self._centred = profile, key, lwe, polynomial, centred
        self._half, self._depth = profile.polynomial_size // 2, depth(profile)
        self._small: U64 | None = None
        self._at: tuple[int, U64] | None = None
        self._kept: dict[int, U64] = {}

    def state(self, name: str) -> U64:
        """The words of a state, flat. Errors: BadInput for a name that none has."""
        parsed = parse(name, self.profile)
        match parsed.kind:
            case "in":
                return self._in
            case "switch":
                return self._switched(*parsed.numbers)
            case "small":
                return self._keyswitched()
            case "lost":
                return self._lost()
            case "turns":
                return self._turns().view(np.uint64)
            case "test":
                return self._test
            case "step":
                return self._accumulator(*parsed.numbers).reshape(-1)
            case "stage":
                step, stage = parsed.numbers
                return self._stage(step, stage)
            case "keyswitch":
                row: U64 = self._key.keyswitch[parsed.numbers]
                return row
            case "key":
                polynomial: U64 = self._key.bootstrap[parsed.numbers]
                return polynomial
            case "key-stage":
                *which, stage = parsed.numbers
                re, im = self._key_points(self._key.bootstrap[tuple(which)], stage)
                return _words(re, im)
            case _:
                return self._out()

    def _switched(self, word: int) -> U64:
        """Running totals of one word of the keyswitch over the input's mask words: (N + 1,)."""
        gadget, size = self.profile.keyswitch, self.profile.polynomial_size
        cut = digits(self._in[:size], gadget).view(np.uint64)
        terms = np.zeros(size + 1, np.uint64)
        terms[0] = self._in[size] if word == self.profile.lwe_dimension else 0
        for level in range(gadget.levels):
            terms[1:] -= cut[level] * self._key.keyswitch[:, level, word]
        totals: U64 = np.cumsum(terms, dtype=np.uint64)
        return totals

    def _keyswitched(self) -> U64:
        if self._small is None:
            words = range(self.profile.lwe_dimension + 1)
            self._small = np.array([self._switched(word)[-1] for word in words], np.uint64)
        return self._small

    def _lost(self) -> U64:
        """Running totals of what rounding takes from the mask words: (n + 1,)."""
        small, size = self._keyswitched(), self.profile.polynomial_size
        unit = np.uint64(64 - (2 * size).bit_length() + 1)
        taken = small[:-1] - (switch_modulus(small[:-1], size).view(np.uint64) << unit)
        return np.concatenate([np.zeros(1, np.uint64), np.cumsum(taken, dtype=np.uint64)])

    def _turns(self) -> I64:
        small = self._keyswitched().copy()
        if self._centred:
            small[-1:] -= (self._lost()[-1:].view(np.int64) >> np.int64(1)).view(np.uint64)
        return switch_modulus(small, self.profile.polynomial_size)

    def _accumulator(self, step: int) -> U64:
        """(2, N) after so many steps."""
        size = self.profile.polynomial_size
        if not self._kept:
            start = np.zeros((2, size), np.uint64)
            start[1] = rotate(self._test[None], -self._turns()[-1:] % (2 * size))[0]
            self._kept[0] = start
        if self._at is None or self._at[0] > step:
            nearest = max(number for number in self._kept if number <= step)
            self._at = nearest, self._kept[nearest]
        done, words = self._at
        for number in range(done, step):
            words = words + self._stage(number, 2 * self._depth + 2, words).reshape(2, size)
            self.known(number + 1, words)
        self._at = step, words
        return words

    def known(self, step: int, words: U64) -> None:
        """That (A, B) after so many steps has these words (2, N): so nobody has to work them out again."""
        self._at = step, words
        if step % KEPT_EVERY == 0:
            self._kept[step] = words

    def _stage(self, step: int, stage: int, before: U64 | None = None) -> U64:
        words = self._accumulator(step) if before is None else before
        turned = rotate(words[None], self._turns()[step : step + 1])[0] - words
        cut = digits(turned, self.profile.bootstrap).astype(np.float64).transpose(1, 0, 2)  # (rows, levels, N)
        re, im = cut[..., : self._half].copy(), cut[..., self._half :].copy()
        for level in levels(self._half)[:stage]:
            split(re, im, level)
        if stage <= self._depth:
            return _words(re, im)
        re, im = self._products(step, re, im)
        joins = levels(self._half)[::-1][: stage - self._depth - 1]
        for level in joins:
            join(re, im, level)
        return _words(re, im) if stage < 2 * self._depth + 2 else to_words(re, im).reshape(-1)

    def _products(self, step: int, re: F64, im: F64) -> Complex:
        columns = []
        for column in range(2):
            total: Complex | None = None
            for row in range(2):
                for level in range(self.profile.bootstrap.levels):
                    point = self._key_points(self._key.bootstrap[step, level, row, column], self._depth)
                    term = multiply((re[row, level], im[row, level]), point)
                    total = term if total is None else add(total, term)
            assert total is not None
            columns.append(total)
        return np.stack([real for real, _ in columns]), np.stack([imaginary for _, imaginary in columns])

    def _key_points(self, words: U64, stage: int) -> Complex:
        scaled = words.view(np.int64).astype(np.float64) * (2.0**-64 / self._half)
        re, im = scaled[: self._half].copy(), scaled[self._half :].copy()
        for level in levels(self._half)[:stage]:
            split(re, im, level)
        return re, im

    def _out(self) -> U64:
        size = self.profile.polynomial_size
        mask, body = self._accumulator(self.profile.lwe_dimension)
        out = np.empty(size + 1, np.uint64)
        out[0], out[1:size], out[size] = mask[0], np.uint64(0) - mask[:0:-1], body[0]
        return out


def _words(re: F64, im: F64) -> U64:
    """Points (..., H) as words: real and imaginary part of each point in turn."""
    return np.stack([re, im], -1).reshape(-1).view(np.uint64)
