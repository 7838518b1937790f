"""The rules of a lookup's line as a contract, against the engine: every word follows, and no other word does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from app.chain.contracts.abi import Interface
from app.chain.contracts.client import Contract, ContractClient
from app.chain.contracts.deployment import created_at
from app.chain.contracts.disputes import as_struct
from app.chain.evm.embedded import EmbeddedChain
from app.chain.node import DevNode
from app.execution.source import StoreSource
from app.protocol.errors import Reverted
from app.protocol.market.disputes import WORD, LookupClaim, Verdict
from contracts import load
from fhe.arrays import U64
from fhe.engine.trace.lookup_game import LookupGame
from fhe.engine.trace.lookups import KeyTables
from fhe.engine.trace.program import program_of
from fhe.engine.trace.tape import LookupTape
from fhe.evaluation_key import EvaluationKey
from fhe.profiles import insecure_test_profile
from tests.contracts.line_referee import LineLiar, LineReferee, verdict_on
from tests.support.anvil import anvils
from tests.support.custody import EncryptedDataset, tree_circuit
from tests.support.lookup_disputes import FalseTape, kinds, named_kinds
from tests.support.market import ETHER, person

RULES, ROW = "LineRules", 70
FAULTS = 200  # false words of a kind, in deep runs


class Kept(LookupTape):
    """A line whose slots are kept: many are asked for."""

    def slot(self, number: int) -> U64:
        """The same words."""
        return self._slot(number)

    @lru_cache(maxsize=64)  # noqa: B019 - as long as the tests
    def _slot(self, number: int) -> U64:
        return super().slot(number)


class Rules:
    """The contract, a line, and what a party shows of it."""

    def __init__(self, folder: Path, levels: int, chain: DevNode) -> None:
        profile = insecure_test_profile(64, 8, levels)
        world = EncryptedDataset(folder / "world", rows=100, insecure=profile)
        table, store = world.manifest.table, world.store
        assert table.evaluation_key is not None
        key = EvaluationKey.fetch(store, table.evaluation_key, profile, table.epoch)
        circuit = tree_circuit([(0, 1), (1, 2), (3, 4)], [1, 2, 3, 4, 5, 6, 7, 8], profile)
        program = program_of(circuit, profile, table, KeyTables.of(key))
        assert program is not None
        assert program.lookups is not None
        files = [file for shard in table.shards for file in shard.files]
        self.game = LookupGame(
            program, circuit, profile, key, table, StoreSource(table, profile, store),
            lambda number: store.read(files[number].cid, limit=1 << 30), lambda: [each.root for each in files],
        )  # fmt: skip
        self.tape = self.game.tape(ROW, 0)
        self.tape.__class__ = Kept
        levels = self.tape.shape.levels_of_words
        self.claim = LookupClaim(program.digest, table.data_root, ROW, 0, profile.polynomial_size, 0, levels=levels)
        self.headers = program.header, program.lookups.header
        account, artifact = person("deployer"), load(RULES)
        chain.fund(account.address, ETHER)
        place = created_at(account.address, chain.nonce(account.address))
        self.client = ContractClient(chain, [Contract(RULES, place, Interface(artifact.abi))])
        self.client.create(account, Interface(artifact.abi), artifact.bytecode, ())

    def judge(self, claim: LookupClaim, low: str, index: int, said: int, proof: bytes) -> tuple[int, bytes]:
        """What the contract makes of a word behind those under a root: the word, and the root with it."""
        found = self.client.read(RULES, "judge", *self.headers, as_struct(claim), low, index, said, proof)
        return found["word"], bytes.fromhex(found["root"])

    def result(self, claim: LookupClaim, high: str, proof: bytes) -> int:
        """The word of the lookup behind a whole line."""
        return int(self.client.read(RULES, "result", *self.headers, as_struct(claim), high, proof))

    def judged(self, index: int, proof: bytes) -> tuple[int, bytes]:
        """What the contract makes of a word that has all true ones before it."""
        return self.judge(self.claim, self.tape.prefix(index).hex(), index, 0, proof)

    def true(self, index: int) -> tuple[int, bytes]:
        """The same by the engine. Behind the word that the line is about nothing is added."""
        end, _ = self.tape.shape.out_at(self.claim.word)
        return (0, self.tape.prefix(index)) if index >= end else (self.tape.word(index), self.tape.prefix(index + 1))

    def places(self) -> list[tuple[int, int]]:
        """Stretches of each kind, and all of it."""
        return [*kinds(self.tape.shape), (0, self.tape.shape.slots * self.tape.shape.slot)]


@pytest.fixture(scope="module", params=[1, 2])
def rules(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rules]:
    """With either gadget, on the embedded chain."""
    folder = tmp_path_factory.mktemp("rules")
    chain = EmbeddedChain(folder / "chain.sqlite")
    yield Rules(folder, request.param, chain)
    chain.close()


@pytest.fixture(scope="module", params=[1, 2])
def sooner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rules]:
    """With either gadget, on anvil, which computes many times as fast."""
    with anvils() as start:
        yield Rules(tmp_path_factory.mktemp("sooner"), request.param, start("--gas-limit", "1000000000"))


def fuzzed(rules: Rules, seed: int, each: int) -> None:
    """Words of every kind: each is what it follows to be; whatever is shown in place of the truth, it is no other."""
    rng = np.random.default_rng(seed)
    for low, high in rules.places():
        for _ in range(each):
            index = int(rng.integers(low, high))
            proof = bytearray(rules.game.word_proof(rules.claim, index, rules.tape))
            true = rules.true(index)
            assert rules.judged(index, bytes(proof)) == true, index
            if not proof:
                continue
            proof[int(rng.integers(len(proof)))] ^= 1 << int(rng.integers(8))
            try:
                assert rules.judged(index, bytes(proof)) == true, index
            except Reverted:
                continue


def test_each_kind_of_word_follows_and_no_other(rules: Rules) -> None:
    """One of each, with a true proof and a false one."""
    fuzzed(rules, 1, 1)


def test_the_word_of_a_lookup_follows(rules: Rules) -> None:
    """Each kind of word of the result: the first, the last, and one that is negated."""
    size = rules.tape.shape.size
    for word in (0, 1, size):
        claim = replace(rules.claim, word=word)
        place, _ = rules.tape.shape.out_at(word)
        proof = rules.game.result_proof(claim, rules.tape)
        assert rules.result(claim, rules.tape.prefix(place).hex(), proof) == rules.tape.out(word)


@pytest.mark.deep
@pytest.mark.anvil
def test_ten_thousand_words_follow_and_no_other(sooner: Rules) -> None:
    """With both gadgets: 10,000 false proofs, of all kinds."""
    fuzzed(sooner, 2, 180)


def games(rules: Rules, seed: int, each: int) -> Counter[str]:
    """Games about a line with a false word of each kind and what follows from nothing else: how many of each kind."""
    rng, played = np.random.default_rng(seed), Counter[str]()
    shape = rules.tape.shape
    for name, (low, high) in named_kinds(shape).items():
        for _ in range(each):
            word, change = int(rng.integers(shape.size + 1)), int(rng.integers(1, 1 << 62))
            place, negated = shape.out_at(word)
            false = {int(rng.integers(low, high)): int(rng.integers(1, 1 << 62))}
            if rng.random() < 0.3:
                false[int(rng.integers(shape.slots * shape.slot))] = int(rng.integers(1, 1 << 62))
            executor_lies = bool(rng.integers(2))
            said = (rules.tape.out(word) + (change if executor_lies else 0)) % WORD
            ends = {place: -change if negated else change} if executor_lies or rng.random() < 0.5 else {}
            claim = replace(rules.claim, word=word, said=said)
            liar = LineLiar(rules.game, FalseTape(rules.tape, false | ends), rng)
            verdict = verdict_on(LineReferee.about(rules, claim), rules.tape, liar, executor_lies)
            assert verdict is (Verdict.CONVICTED if executor_lies else Verdict.CLEARED), (name, word, false)
            played[name] += 1
    return played


def test_a_false_word_of_each_kind_convicts_and_nobody_honest(rules: Rules) -> None:
    """One of each: an executor that lies is convicted, one whose challenger does is cleared."""
    assert set(games(rules, 3, 1).values()) == {1}


@pytest.mark.deep
@pytest.mark.anvil
def test_ten_thousand_false_words_convict_and_nobody_honest(sooner: Rules) -> None:
    """With both gadgets: more than 10,000 games over all kinds of words, told by kind."""
    played = games(sooner, 4, FAULTS)
    print(f"\n{played.total()} games, {FAULTS} of each of {len(played)} kinds: {', '.join(played)}")
    assert played.total() >= 5_000
