"""The rules of a lookup's line as a contract, against the engine: every word follows, and no other word does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from app.chain.contracts.abi import Interface
from app.chain.contracts.client import Contract, ContractClient
from app.chain.contracts.deployment import created_at
from app.chain.contracts.disputes import as_struct
from app.chain.evm.embedded import EmbeddedChain
from app.execution.source import StoreSource
from app.protocol.market.disputes import LookupClaim
from contracts import load
from fhe.arrays import U64
from fhe.engine.trace.lookup_game import LookupGame
from fhe.engine.trace.lookups import KeyTables
from fhe.engine.trace.program import program_of
from fhe.engine.trace.tape import LookupTape
from fhe.evaluation_key import EvaluationKey
from fhe.profiles import insecure_test_profile
from tests.support.custody import EncryptedDataset, tree_circuit
from tests.support.lookup_disputes import kinds
from tests.support.market import ETHER, person

RULES, ROW = "LineRules", 70
FALSE, FOLLOWS = 0, 1


class Kept(LookupTape):
    """A line whose slots are kept: many are asked for."""

    def slot(self, number: int) -> U64:
        """The same words."""
        return self._kept(number)

    @lru_cache(maxsize=64)  # noqa: B019 - as long as the tests
    def _kept(self, number: int) -> U64:
        return super().slot(number)


class Rules:
    """The contract, a line, and what a party shows of it."""

    def __init__(self, folder: Path, levels: int) -> None:
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
        value = program.value_at(int(program.words[program.lookup_at(0)]))
        bias, first, terms = (int(each) for each in program.words[value : value + 3])
        self.claim = LookupClaim(
            program.digest, table.data_root, ROW, 0, 0, 0, bias=bias, first=first, terms=terms,
            table=int(program.words[program.lookup_at(0) + 1]), root=self.tape.root, tree=self.tape.shape.tree,
        )  # fmt: skip
        self.headers = program.header, program.lookups.header
        chain, account, artifact = EmbeddedChain(folder / "chain.sqlite"), person("deployer"), load(RULES)
        chain.fund(account.address, ETHER)
        place = created_at(account.address, chain.nonce(account.address))
        self.client = ContractClient(chain, [Contract(RULES, place, Interface(artifact.abi))])
        self.client.create(account, Interface(artifact.abi), artifact.bytecode, ())

    def judged(self, index: int, change: int = 0) -> int:
        """What the contract finds of a word that is the true one and so much more."""
        said = (self.tape.word(index) + change) % (1 << 64)
        proof = as_struct(self.game.word_proof(self.claim, index))
        found = self.client.read(RULES, "judge", *self.headers, as_struct(self.claim), index, said, proof)
        return int(found[0])

    def places(self) -> list[tuple[int, int]]:
        """Stretches of each kind, and all of it."""
        return [*kinds(self.tape.shape), (0, self.tape.shape.slots * self.tape.shape.slot)]


@pytest.fixture(scope="module", params=[1, 2])
def rules(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rules]:
    """With either gadget."""
    found = Rules(tmp_path_factory.mktemp("rules"), request.param)
    yield found
    assert isinstance(found.client.node, EmbeddedChain)
    found.client.node.close()


def fuzzed(rules: Rules, seed: int, each: int) -> None:
    """Words of every kind, true and false."""
    rng = np.random.default_rng(seed)
    for low, high in rules.places():
        for _ in range(each):
            index = int(rng.integers(low, high))
            assert rules.judged(index) == FOLLOWS, index
            assert rules.judged(index, int(rng.integers(1, 1 << 63))) == FALSE, index


def test_each_kind_of_word_follows_and_no_other(rules: Rules) -> None:
    """One of each, true and false."""
    fuzzed(rules, 1, 1)


@pytest.mark.deep
def test_ten_thousand_words_follow_and_no_other(rules: Rules) -> None:
    """With both gadgets: 10,000 false words, of all kinds."""
    fuzzed(rules, 2, 180)
