"""The rules of a packed ciphertext's line as a contract, against the engine: every word follows, and no other does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.chain.contracts.abi import Interface
from app.chain.contracts.client import Contract, ContractClient
from app.chain.contracts.deployment import created_at
from app.chain.contracts.disputes import as_struct
from app.chain.evm.embedded import EmbeddedChain
from app.execution.source import StoreSource
from app.protocol.errors import Reverted
from app.protocol.market.disputes import LookupClaim
from contracts import load
from fhe.engine.output import round_words
from fhe.engine.trace.lookup_game import LookupGame
from fhe.engine.trace.lookups import KeyTables
from fhe.engine.trace.packed_line import PackedLine
from fhe.engine.trace.packing import PackingTape
from fhe.engine.trace.program import program_of
from fhe.evaluation_key import EvaluationKey
from fhe.profiles import insecure_test_profile
from tests.support.custody import EncryptedDataset, tree_circuit
from tests.support.lookup_disputes import packing_kinds
from tests.support.market import ETHER, person

RULES, FIRST_ROW, VALUES = "LineRules", 3, 75  # a ciphertext of 64 values, and one of 11


class Rules:
    """The contract, a line, and what a party shows of it."""

    def __init__(self, folder: Path, levels: int) -> None:
        profile = insecure_test_profile(64, 8, levels)
        world = EncryptedDataset(folder / "world", rows=100, insecure=profile, packing=True, roots=True)
        table, store = world.manifest.table, world.store
        assert table.evaluation_key is not None
        key = EvaluationKey.fetch(store, table.evaluation_key, profile, table.epoch)
        circuit = tree_circuit([(0, 1), (1, 2), (3, 4)], [1, 2, 3, 4, 5, 6, 7, 8], profile)
        program = program_of(circuit, profile, table, KeyTables.of(key))
        assert program is not None
        assert program.lookups is not None
        assert program.digest == program_of(circuit, profile, table).digest  # type: ignore[union-attr]
        files = [file for shard in table.shards for file in shard.files]
        self.game = LookupGame(
            program, circuit, profile, key, table, StoreSource(table, profile, store),
            lambda number: store.read(files[number].cid, limit=1 << 30), lambda: [each.root for each in files],
        )  # fmt: skip
        number = len(program.lookups.lookups) + VALUES
        tape = self.game.line(FIRST_ROW, number)
        assert isinstance(tape, PackingTape)
        self.tape = tape
        tree = int(program.lookups.header[12])
        self.claim = LookupClaim(
            program.digest, table.data_root, FIRST_ROW, number, 2 * profile.polynomial_size - 1, 0, levels=tree
        )
        self.headers = program.header, program.lookups.header
        chain, account, artifact = EmbeddedChain(folder / "chain.sqlite"), person("deployer"), load(RULES)
        chain.fund(account.address, ETHER)
        place = created_at(account.address, chain.nonce(account.address))
        self.client = ContractClient(chain, [Contract(RULES, place, Interface(artifact.abi))])
        self.client.create(account, Interface(artifact.abi), artifact.bytecode, ())

    def judged(self, index: int, proof: bytes) -> tuple[int, bytes]:
        """What the contract makes of a word that has all true ones before it: the word, and the root with it."""
        before, said = self.tape.prefix(index).hex(), self.tape.word(index)
        found = self.client.read(RULES, "judge", *self.headers, as_struct(self.claim), before, index, said, proof)
        line = PackedLine.of(self.game.program, FIRST_ROW, self.claim.lookup)
        assert line is not None
        value = line.value(index)
        assert found["deeper"] == (value is not None)
        if value is not None:
            row, output, word = value
            assert (row - FIRST_ROW, output, word) == (found["lookup"], 0, found["place"])
        return found["word"], bytes.fromhex(found["root"])

    def true(self, index: int) -> tuple[int, bytes]:
        """The same by the engine."""
        return self.tape.word(index), self.tape.prefix(index + 1)


@pytest.fixture(scope="module", params=[1, 2])
def rules(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rules]:
    """With either gadget."""
    found = Rules(tmp_path_factory.mktemp("rules"), request.param)
    yield found
    assert isinstance(found.client.node, EmbeddedChain)
    found.client.node.close()


def fuzzed(rules: Rules, seed: int, each: int) -> None:
    """Words of every kind: each is what it follows to be; whatever is shown in place of the truth, it is no other."""
    rng, (end, _) = np.random.default_rng(seed), rules.tape.shape.out_at(rules.claim.word)
    for low, high in [*packing_kinds(rules.tape.shape), (0, end)]:
        for _ in range(each):
            index = int(rng.integers(low, min(high, end)))
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


def test_the_word_of_a_packed_ciphertext_follows(rules: Rules) -> None:
    """Words of mask and body, rounded; the line ends before them."""
    size = rules.tape.shape.size
    for word in (0, size - 1, size, size + VALUES % size - 1):
        claim = replace(rules.claim, word=word)
        place, _ = rules.tape.shape.out_at(word)
        before, proof = rules.tape.prefix(place).hex(), rules.game.result_proof(claim, rules.tape)
        found = rules.client.read(RULES, "result", *rules.headers, as_struct(claim), before, proof)
        assert found == int(round_words(np.array([rules.tape.word(place)], np.uint64), 32)[0])
        behind = rules.client.read(RULES, "judge", *rules.headers, as_struct(claim), before, place, 0, b"")
        assert bytes.fromhex(behind["root"]) == bytes.fromhex(before)


@pytest.mark.deep
def test_thousands_of_words_follow_and_no_other(rules: Rules) -> None:
    """With both gadgets, of all kinds."""
    fuzzed(rules, 2, 120)
