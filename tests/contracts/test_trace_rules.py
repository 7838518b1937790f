"""The rules of a trace on anvil against the processor, the scalar referee and real traces."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from app.chain.contracts.abi import Interface
from app.chain.contracts.client import Contract, ContractClient
from app.chain.contracts.deployment import created_at
from app.protocol.data import merkle
from app.protocol.errors import Reverted
from contracts import JUDGES, load
from fhe.arrays import U64
from fhe.engine.roots import roots
from fhe.engine.trace.names import depth, stages
from fhe.engine.trace.referee import Referee, bits, cut
from fhe.engine.transform import levels
from tests.support.anvil import anvils
from tests.support.market import ETHER, person
from tests.vectors.trace.write import case_of, trace_of

pytestmark = pytest.mark.anvil

RULES = JUDGES[0]
PAIRS = 500  # in one call
SPLIT_GAS = 40_000  # of a node of four, that a dispute's budget counts with


@pytest.fixture(scope="module")
def rules() -> Iterator[ContractClient]:
    """The rules on a fresh anvil."""
    with anvils() as start:
        node, account, artifact = start("--gas-limit", "1000000000"), person("deployer"), load(RULES)
        node.fund(account.address, ETHER)
        place = created_at(account.address, node.nonce(account.address))
        client = ContractClient(node, [Contract(RULES, place, Interface(artifact.abi))])
        assert client.create(account, Interface(artifact.abi), artifact.bytecode, ()).contract == place
        yield client


def pairs(count: int, seed: int) -> tuple[U64, U64]:
    """Pairs of finite doubles: all exponents, near each other, cancelling, subnormal, whole and half numbers, ends."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 1 << 64, (2, count), dtype=np.uint64)
    kind = rng.integers(0, 6, count)
    near = a ^ (rng.integers(0, 1 << 12, count, dtype=np.uint64)) ^ np.uint64(1 << 63)
    b = np.where(kind == 1, near, b)
    tiny = np.uint64((1 << 63) | (1 << 53) - 1)
    a, b = np.where(kind == 2, a & tiny, a), np.where(kind == 2, b & tiny, b)
    whole = rng.integers(-(1 << 53), 1 << 53, count).astype(np.float64).view(np.uint64)
    half = (rng.integers(-(1 << 20), 1 << 20, count) + 0.5).view(np.uint64)
    a, b = np.where(kind == 3, whole, a), np.where(kind == 3, half, b)
    exponent = rng.integers(960, 1090, count, dtype=np.uint64) << np.uint64(52)
    b = np.where(kind == 4, (b & np.uint64(~(0x7FF << 52) & (1 << 64) - 1)) | exponent, b)
    ends = np.array([0, 1 << 63, 1, (1 << 52) - 1, 1 << 52, 0x3FF << 52, (0x3FF << 52) + 1, 0x3CA << 52], np.uint64)
    a = np.where(kind == 5, ends[rng.integers(0, len(ends), count)], a)
    return a, b


def held_against_the_processor(rules: ContractClient, count: int, seed: int) -> int:
    """How many pairs were compared: sums and products whose results are finite."""
    a, b = pairs(count, seed)
    compared = 0
    with np.errstate(all="ignore"):
        x, y = a.view(np.float64), b.view(np.float64)
        for name, result in (("sums", x + y), ("products", x * y)):
            kept = np.isfinite(x) & np.isfinite(y) & np.isfinite(result)
            left, right, expected = a[kept].tolist(), b[kept].tolist(), result[kept].view(np.uint64).tolist()
            for start in range(0, len(left), PAIRS):
                part = slice(start, start + PAIRS)
                assert list(rules.read(RULES, name, left[part], right[part])) == expected[part]
            compared += len(left)
    return compared


def test_arithmetic_is_the_processors(rules: ContractClient) -> None:
    """Ten thousand pairs of every kind."""
    assert held_against_the_processor(rules, 10_000, 1) > 15_000


@pytest.mark.deep
def test_arithmetic_is_the_processors_on_a_million_pairs(rules: ContractClient) -> None:
    """A million."""
    assert sum(held_against_the_processor(rules, 50_000, seed) for seed in range(2, 22)) > 1_500_000


def _points(words: list[int], places: list[int]) -> list[tuple[int, int]]:
    return [(words[2 * place], words[2 * place + 1]) for place in places]


def test_nodes_of_a_real_step(rules: ContractClient) -> None:
    """Splits, products, joins and words of a traced step: the contract gives the claimed word, and no other one."""
    trace = trace_of(case_of("small-two-levels"), centred=False)
    state = cache(lambda name: trace.state(name).tolist())
    profile, half, height = trace.profile, trace.profile.polynomial_size // 2, depth(trace.profile)
    real, imaginary = roots(4 * half)
    for stage in (*range(1, height + 1), *range(height + 2, 2 * height + 2)):
        joined = stage > height
        number = 2 * height + 1 - stage if joined else stage - 1
        level = levels(half)[number]
        before, after = state(f"step/3/stage/{stage - 1}"), state(f"step/3/stage/{stage}")
        for node in range(0, half // (level.radix * level.width), 3):
            first = node * level.radix * level.width
            places = [first + k * level.width for k in range(level.radix)]
            angles = [int(level.angles[node]) * power % (4 * half) for power in range(1, level.radix)]
            twiddles = [(bits(float(real[each])), bits(float(imaginary[each]))) for each in angles]
            for block, place in enumerate(places):
                name = "join" if joined else "split"
                found = rules.read(RULES, name, _points(before, places), twiddles, block)
                assert (found["re"], found["im"]) == (after[2 * place], after[2 * place + 1])
    digits, products = state(f"step/3/stage/{height}"), state(f"step/3/stage/{height + 1}")
    for place in (0, 5, half - 1):
        count = profile.bootstrap.levels
        keys = [state(f"key/3/{level}/{row}/1/stage/{height}") for row in range(2) for level in range(count)]
        own = _points(digits, [number * half + place for number in range(2 * count)])
        found = rules.read(RULES, "product", own, [_points(key, [place])[0] for key in keys])
        assert [found["re"], found["im"]] == products[2 * (half + place) : 2 * (half + place) + 2]
    last, words = state(f"step/3/stage/{2 * height + 1}"), state(f"step/3/stage/{stages(profile) - 1}")
    for place in range(half):
        assert rules.read(RULES, "toWord", last[2 * place]) == words[place]


def test_whole_numbers_of_a_real_lookup(rules: ContractClient) -> None:
    """Digits, turns, key points and totals of terms, as the referee has them."""
    trace = trace_of(case_of("small-two-levels"), centred=False)
    state = cache(lambda name: trace.state(name).tolist())
    profile, size = trace.profile, trace.profile.polynomial_size
    referee = Referee(profile, state)
    gadget = profile.bootstrap
    for word in (0, 1, (1 << 64) - 1, 1 << 63, *state("in")[:6]):
        expected = [bits(float(each)) for each in cut(word, gadget)]
        found = [rules.read(RULES, "digit", word, gadget.base_log, gadget.levels, n) for n in range(gadget.levels)]
        assert found == expected
        weight = (word & 0xFFFF) - 0x8000
        total = rules.read(RULES, "addTerm", word, weight, 3, word)
        assert total == (word + (weight << 3) * word) % (1 << 64)
    assert [rules.read(RULES, "turn", word, (2 * size).bit_length() - 1) for word in state("small")] == state("turns")
    for index in range(0, size, 7):
        point, part = divmod(index, 2)
        word = state("key/1/0/1/0")[point + part * size // 2]
        found = rules.read(RULES, "keyPoint", word, (size // 2).bit_length() - 1)
        assert found == referee.word("key/1/0/1/0/stage/0", index)


def test_leaves_of_states_and_files(rules: ContractClient) -> None:
    """A leaf and its path under a root, of any length; a word of it changed, moved or cut short does not stand."""
    rng = np.random.default_rng(5)
    for length in (1, 128, 129, 640, 5000):
        data = rng.bytes(length)
        for index in {0, merkle.leaves(length) // 2, merkle.leaves(length) - 1}:
            leaf = data[128 * index : 128 * index + 128]
            told: tuple[Any, ...] = (merkle.root(data), leaf, index, length, list(merkle.proof(data, index)))
            assert rules.read(RULES, "holds", *told)
            changed = bytes([leaf[0] ^ 1]) + leaf[1:]
            assert not rules.read(RULES, "holds", told[0], changed, *told[2:])
            assert not rules.read(RULES, "holds", told[0], leaf[:-1], *told[2:])
            assert not rules.read(RULES, "holds", told[0], leaf, index + 1, *told[3:])


def test_what_has_no_rule_is_refused_by_name(rules: ContractClient) -> None:
    """Infinities, digits and nodes that there are not."""
    with pytest.raises(Reverted, match="infinite"):
        rules.read(RULES, "toWord", 0x7FF << 52)
    with pytest.raises(Reverted, match="No gadget"):
        rules.read(RULES, "digit", 1, 31, 3, 0)
    with pytest.raises(Reverted, match="No transform"):
        rules.read(RULES, "split", [(0, 0)] * 3, [(0, 0)] * 2, 0)


def test_a_node_fits_a_disputes_budget(rules: ContractClient) -> None:
    """A split of four, its call's data and 21,000 left out."""
    one = 0x3FF << 52
    points = [(one + (k << 40), one - (k << 41)) for k in range(4)]
    interface = Interface(load(RULES).abi)
    call = interface.encode_call("split", (points, points[:3], 1))
    asked = {"to": rules.address(RULES), "data": "0x" + call.hex()}
    used = int(rules.node.request("eth_estimateGas", asked), 16)
    data = sum(16 if byte else 4 for byte in call)
    assert used - data - 21_000 < SPLIT_GAS
