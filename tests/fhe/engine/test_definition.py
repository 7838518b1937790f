"""A second implementation, in plain Python numbers, written from docs/canonical-evaluator.md and nothing else of ours.

It shows that the page says enough: it gives the committed vectors' bytes. Only the key stream is `fhe.mask`'s.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from decimal import Decimal, localcontext
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhe.engine import vectors
from fhe.mask import mask

WORD = 1 << 64
C = tuple[float, float]
ANSWERS = json.loads(Path(vectors.__file__).with_name("vectors.json").read_text("utf-8"))


@cache
def root(j: int, turn: int) -> C:
    """exp(2 pi i j / turn), both parts correctly rounded, from series of 60-digit decimals."""
    with localcontext() as context:
        context.prec = 60
        pi, n = Decimal(0), 0
        while n < 50:  # Bailey, Borwein and Plouffe
            k = 8 * n
            four, two = Decimal(4) / (k + 1), Decimal(2) / (k + 4)
            pi += (four - two - Decimal(1) / (k + 5) - Decimal(1) / (k + 6)) / Decimal(16) ** n
            n += 1
        angle, term, parts = 2 * pi * j / turn, Decimal(1), [Decimal(0), Decimal(0)]
        for k in range(80):
            parts[k % 2] += term * (1, 1, -1, -1)[k % 4]
            term = term * angle / (k + 1)
        rounded = [0.0 if abs(part) < Decimal("1e-30") else float(part) for part in parts]
    return rounded[0], rounded[1]


def mul(x: C, t: C) -> C:
    return x[0] * t[0] - x[1] * t[1], x[0] * t[1] + x[1] * t[0]


def mul_conj(x: C, t: C) -> C:
    return x[0] * t[0] + x[1] * t[1], x[1] * t[0] - x[0] * t[1]


def add(x: C, y: C) -> C:
    return x[0] + y[0], x[1] + y[1]


def sub(x: C, y: C) -> C:
    return x[0] - y[0], x[1] - y[1]


def add_i(x: C, y: C) -> C:
    return x[0] - y[1], x[1] + y[0]


def sub_i(x: C, y: C) -> C:
    return x[0] + y[1], x[1] - y[0]


def forward(z: list[C], turn: int, angle: int) -> list[C]:
    """Section 3, as a recursion: the root has a quarter turn."""
    if len(z) == 1:
        return z
    parts = 2 if len(z) == turn // 4 and (len(z).bit_length() - 1) % 2 else 4
    m, e = len(z) // parts, angle // parts
    x = [z[k * m : (k + 1) * m] for k in range(parts)]
    u = [[mul(v, root(e * k % turn, turn)) for v in x[k]] for k in range(parts)]
    if parts == 2:
        blocks = [[add(a, b) for a, b in zip(x[0], u[1])], [sub(a, b) for a, b in zip(x[0], u[1])]]
    else:
        s, d = [add(a, b) for a, b in zip(x[0], u[2])], [sub(a, b) for a, b in zip(x[0], u[2])]
        p, q = [add(a, b) for a, b in zip(u[1], u[3])], [sub(a, b) for a, b in zip(u[1], u[3])]
        blocks = [list(map(f, a, b)) for f, a, b in ((add, s, p), (add_i, d, q), (sub, s, p), (sub_i, d, q))]
    return [z for k, block in enumerate(blocks) for z in forward(block, turn, (angle + turn * k) // parts)]


def inverse(z: list[C], turn: int, angle: int) -> list[C]:
    if len(z) == 1:
        return z
    parts = 2 if len(z) == turn // 4 and (len(z).bit_length() - 1) % 2 else 4
    m, e = len(z) // parts, angle // parts
    y = [inverse(z[k * m : (k + 1) * m], turn, (angle + turn * k) // parts) for k in range(parts)]
    t = [root(e * k % turn, turn) for k in range(parts)]
    if parts == 2:
        return list(map(add, y[0], y[1])) + [mul_conj(sub(a, b), t[1]) for a, b in zip(y[0], y[1])]
    s, d = list(map(add, y[0], y[2])), list(map(sub, y[0], y[2]))
    p, q = list(map(add, y[1], y[3])), list(map(sub, y[1], y[3]))
    out = list(map(add, s, p)) + [mul_conj(sub_i(a, b), t[1]) for a, b in zip(d, q)]
    return out + [mul_conj(sub(a, b), t[2]) for a, b in zip(s, p)] + [mul_conj(add_i(a, b), t[3]) for a, b in zip(d, q)]


def points(p: list[float]) -> list[C]:
    half = len(p) // 2
    return forward(list(zip(p[:half], p[half:])), 4 * half, half)


def key_points(words: list[int]) -> list[C]:
    scale = 2.0**-64 / (len(words) // 2)
    return points([float(w - WORD if w >> 63 else w) * scale for w in words])


def to_words(z: list[C]) -> list[int]:
    turns = [x for x, _ in inverse(z, 4 * len(z), len(z))] + [y for _, y in inverse(z, 4 * len(z), len(z))]
    return [round((x - round(x)) * 2.0**64) % WORD for x in turns]  # Python rounds ties to even


def digits(a: int, base: int, levels: int) -> list[int]:
    u = a + (1 << (63 - base * levels)) + sum(1 << (63 - base * level) for level in range(levels))
    cut = [(u % WORD >> (64 - base * (levels - level))) & ((1 << base) - 1) for level in range(levels)]
    return [d - (1 << (base - 1)) for d in cut]


def times_monomial(p: list[int], c: int) -> list[int]:
    size = len(p)
    return [(p[(j - c) % size] if (j - c) % (2 * size) < size else -p[(j - c) % size]) % WORD for j in range(size)]


def minus(a: list[int], b: list[int]) -> list[int]:
    return [(x - y) % WORD for x, y in zip(a, b)]


class Case:
    """One case of the vectors, all of it in Python integers."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.name, self.batch, self.tables, profile = (answer[k] for k in ("name", "batch", "tables", "profile"))
        self.n, self.size = profile["lwe_dimension"], profile["polynomial_size"]
        self.base, self.levels = profile["bootstrap"]["base_log"], profile["bootstrap"]["levels"]
        self.small_base, self.small_levels = profile["keyswitch"]["base_log"], profile["keyswitch"]["levels"]

    def part(self, part: str, width: int, count: int) -> list[list[int]]:
        """`count` rows of `width` words of one part."""
        seed = hashlib.sha256(f"darkroom conformance/{self.name}/{part}".encode()).digest()[:16]
        return self.stream(seed, width, count)

    @staticmethod
    def stream(seed: bytes, width: int, count: int) -> list[list[int]]:
        flat = mask(seed, 0, 1, width * count).reshape(-1).tolist()
        return [flat[i * width : (i + 1) * width] for i in range(count)]

    def keyswitch(self, lwe: list[int]) -> list[int]:
        rows = self.part("keyswitch", self.n + 1, self.size * self.small_levels)
        out = [0] * self.n + [lwe[self.size]]
        for i in range(self.size):
            for level, d in enumerate(digits(lwe[i], self.small_base, self.small_levels)):
                out = [(x - d * k) % WORD for x, k in zip(out, rows[i * self.small_levels + level])]
        return out

    def centred(self, small: list[int]) -> list[int]:
        step, lost = WORD // (2 * self.size), 0
        for x in small[:-1]:
            rest = x % step
            lost += rest - step if rest >= step // 2 else rest
        return [*small[:-1], (small[-1] - lost // 2) % WORD]

    def four_bits(self, big: list[int], keys: list[list[C]]) -> tuple[list[int], list[int]]:
        high = self.bootstrap(self.centred(self.keyswitch([x * 32 % WORD for x in big])), [-4] * 8, keys)
        high[-1] = (high[-1] + (4 << 55)) % WORD
        left = [(x - y) * 32 % WORD for x, y in zip(big, high)]
        return high, self.bootstrap(self.centred(self.keyswitch(left)), list(range(8)), keys)

    def bins(self, keys: list[list[C]]) -> list[list[int]]:
        n, batch = self.n, self.batch
        seed = struct.pack("<2Q", *self.part("bins seed", 2, 1)[0])
        masks = [row[:n] for row in self.stream(seed, n + n % 2, 4 * batch)]
        bodies = [x >> 48 << 48 for x in self.part("bins", 4 * batch, 1)[0]]
        tables = [[(x >> 55) - 256 for x in row] for row in self.part("bins tables", 16, self.tables)]
        found = []
        for i in range(batch):
            four = [[*masks[b * batch + i], bodies[b * batch + i]] for b in range(4)]
            small = [sum(x << b for b, x in enumerate(words)) % WORD for words in zip(*four)]
            found.append(self.bootstrap(self.centred(small), tables[i % self.tables], keys))
        return found

    def bootstrap(self, small: list[int], table: list[int], keys: list[list[C]]) -> list[int]:
        mask, body = self.rotated(small, table, keys, 63 - 8)
        return [mask[0]] + [-mask[self.size - j] % WORD for j in range(1, self.size)] + [body[0]]

    def shared(self, small: list[int], tables: list[list[int]], keys: list[list[C]]) -> list[list[int]]:
        """Section 14: every table of one value, from one rotation."""
        steps = [[f - (table[k - 1] if k else -table[-1]) for k, f in enumerate(table)] for table in tables]
        step, box = math.gcd(*(d for row in steps for d in row)), self.size // len(tables[0])
        mask, body = self.rotated(self.centred(small), [step] * len(tables[0]), keys, 62 - 8)
        found = []
        for row in steps:
            total = [0] * (self.size + 1)
            for k, d in enumerate(row):
                a, b = times_monomial(mask, k * box), times_monomial(body, k * box)
                own = [a[0]] + [-a[self.size - j] for j in range(1, self.size)] + [b[0]]
                total = [(x + d // step * y) % WORD for x, y in zip(total, own)]
            found.append(total)
        return found

    def rotated(self, small: list[int], table: list[int], keys: list[list[C]], width: int) -> list[list[int]]:
        size, entries = self.size, len(table)
        k = [(j + size // (2 * entries)) // (size // entries) for j in range(size)]
        test = [(-table[0] if i == entries else table[i]) * (1 << width) % WORD for i in k]
        return self.turned(small, [[0] * size, test], keys)

    def turned(self, small: list[int], test: list[list[int]], keys: list[list[C]]) -> list[list[int]]:
        size = self.size
        c = [(((x >> (62 - (size.bit_length() - 1))) + 1) >> 1) % (2 * size) for x in small]
        acc = [times_monomial(column, -c[-1]) for column in test]
        for i in range(self.n):
            cut = [[digits(x, self.base, self.levels) for x in minus(times_monomial(p, c[i]), p)] for p in acc]
            terms = [points([float(x[level]) for x in cut[row]]) for row in range(2) for level in range(self.levels)]
            for column in range(2):
                total: list[C] = []
                for number, term in enumerate(terms):
                    row, level = divmod(number, self.levels)
                    key = keys[((i * self.levels + level) * 2 + row) * 2 + column]
                    product = list(map(mul, term, key))
                    total = list(map(add, total, product)) if total else product
                acc[column] = [(x + y) % WORD for x, y in zip(acc[column], to_words(total))]
        return acc

    def selected(self, small: list[int], packed: list[list[int]], keys: list[list[C]]) -> list[int]:
        """Section 15: an encrypted table, rotated."""
        mask, body = self.turned(self.centred(small), packed, keys)
        return [mask[0]] + [-mask[self.size - j] % WORD for j in range(1, self.size)] + [body[0]]

    def spread(self, p: list[int], box: int) -> list[int]:
        """Times (1 + X + ... + X^(box - 1)) X^(-box / 2)."""
        turned = [times_monomial(p, i - box // 2) for i in range(box)]
        return [sum(words) % WORD for words in zip(*turned)]

    def pack_table(self, entries: list[list[int]]) -> list[list[int]]:
        """Section 15: entries, N / E coefficients apart, under the key that is spread over boxes."""
        box, nothing = self.size // len(entries), [0] * (self.size + 1)
        rows = [entries[j // box] if j % box == 0 else nothing for j in range(self.size)]
        return self.pack(rows, box)

    def pack(self, lwe: list[list[int]], box: int = 0) -> list[list[int]]:
        size, count = self.size, self.size * self.levels
        seed = struct.pack("<2Q", *self.part("packing seed", 2, 1)[0])
        keys = self.stream(seed, size, count), self.part("packing", size, count)
        totals: list[list[C]] = [[(0.0, 0.0)] * (size // 2)] * 2
        for g in range(size // 32):
            part = [[(0.0, 0.0)] * (size // 2)] * 2
            for j in range(32 * g, 32 * g + 32):
                cut = [digits(row[j], self.base, self.levels) for row in lwe]
                for level in range(self.levels):
                    term = points([float(d[level]) for d in cut] + [0.0] * (size - len(cut)))
                    for column in range(2):
                        words = keys[column][j * self.levels + level]
                        key = key_points(self.spread(words, box) if box else words)
                        part[column] = list(map(add, part[column], map(mul, term, key)))
            totals = [list(map(add, totals[column], part[column])) for column in range(2)]
        bodies = [row[size] for row in lwe] + [0] * (size - len(lwe))
        start = [[0] * size, self.spread(bodies, box) if box else bodies]
        return [minus(start[column], to_words(totals[column])) for column in range(2)]


def digest(rows: list[list[int]]) -> str:
    return hashlib.sha256(b"".join(struct.pack(f"<{len(row)}Q", *row) for row in rows)).hexdigest()


def sum_mask(words: list[int], first: int, stop: int) -> list[int]:
    size = len(words)
    return [
        sum(words[r - j] if j <= r else -words[size + r - j] for r in range(first, stop)) % WORD for j in range(size)
    ]


@pytest.mark.parametrize("name", ["small-two-levels", "small-one-level"])
def test_the_page_alone_is_enough_for_a_second_implementation(name: str) -> None:
    """Plain Python numbers, by docs/canonical-evaluator.md, give the committed digests at every stage."""
    answer = next(case for case in ANSWERS["cases"] if case["name"] == name)
    case, expected = Case(answer), answer["digests"]
    keys = [key_points(row) for row in case.part("bootstrap", case.size, case.n * case.levels * 4)]
    first = keys[: case.levels * 4]
    real, imaginary = [x for row in first for x, _ in row], [y for row in first for _, y in row]
    assert hashlib.sha256(struct.pack(f"<{2 * len(real)}d", *real, *imaginary)).hexdigest() == expected["points"]

    inputs = [row[: case.size + 1] for row in case.part("inputs", case.size + 2, case.batch)]
    small = [case.keyswitch(row) for row in inputs]
    assert digest(small) == expected["keyswitch"]

    tables = [[(x >> 55) - 256 for x in row] for row in case.part("tables", 8, case.tables)]
    big = [case.bootstrap(row, tables[i % case.tables], keys) for i, row in enumerate(small)]
    assert digest(big) == expected["bootstrap"]
    centred = [case.bootstrap(case.centred(row), tables[i % case.tables], keys) for i, row in enumerate(small)]
    assert digest(centred) == expected["centred"] != expected["bootstrap"]
    high, rest = zip(*(case.four_bits(row, keys) for row in big))
    assert digest([*high, *rest]) == expected["digits"]
    assert digest(case.bins(keys)) == expected["bins"]
    shared = [case.shared(row, [*tables, [-4] * 8], keys) for row in small]
    assert digest([rows[table] for table in range(len(tables) + 1) for rows in shared]) == expected["shared"]
    assert digest(case.pack(big)) == expected["pack"]
    packed = case.pack_table([big[k % case.batch] for k in range(8)])
    chosen = case.selected(small[0], packed, keys)
    assert digest([*packed, chosen]) == expected["selection"]
    assert digest([[sum(words) % WORD for words in zip(*big)]]) == expected["sum"]
    ranges = [(0, case.size), (1, case.size - 2)]
    assert digest([sum_mask(row[: case.size], *part) for part in ranges for row in inputs]) == expected["sum-mask"]

    bits = 24 if case.levels == 1 else 28
    data = b"DRKOUT01" + struct.pack("<BBBBIQ", 1, bits, 8, case.size.bit_length() - 1, 1, case.batch)
    for row in big:
        words = [((x + (1 << (63 - bits))) % WORD) >> (64 - bits) for x in row] + [0]
        data += b"".join((x + (y << bits)).to_bytes(bits // 4, "little") for x, y in zip(words[::2], words[1::2]))
    assert hashlib.sha256(data).hexdigest() == expected["lwe"]


def test_the_table_of_roots_is_the_correctly_rounded_one() -> None:
    """All 4096 roots equal those of independent decimal series, and have the committed digest."""
    table = [root(j, 4096) for j in range(4096)]
    data = struct.pack("<8192d", *(c for c, _ in table), *(s for _, s in table))
    assert hashlib.sha256(data).hexdigest() == ANSWERS["roots_4096"]
    vectors.check_roots()
