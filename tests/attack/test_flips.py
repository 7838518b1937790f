"""Flipped bytes: whatever a custodian fetches is refused before anything is decrypted, whichever bit is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.custodian.attempts import LONGEST_RETRY
from app.custodian.evidence import Judgement, JudgementLimits, load_judgement, verified_output
from app.custodian.unlocked_keys import keep, recall
from app.protocol.documents import sha256
from app.protocol.errors import BadBlock, BadKey, VerificationFailed
from app.protocol.market.receipt import OutputPolicy
from app.storage.cid import Cid, digest_to_cid, parse
from app.storage.content import ContentStore
from app.storage.folder import FolderBlocks
from tests.support.custody import MarketInMemory, linear_circuit

SPREAD = [17, -4, 9, 30, 2, 8, -11, 5]
ENVELOPE = 4096  # bytes


class LyingBlocks:
    """Blocks of a folder, one of them with one bit flipped."""

    def __init__(self, folder: Path) -> None:
        self._inner = FolderBlocks(folder)
        self.victim, self.bit = "", 0

    def has(self, cid: Cid) -> bool:
        return self._inner.has(cid)

    def put(self, cid: Cid, block: bytes | bytearray | memoryview) -> None:
        self._inner.put(cid, block)

    def pin(self, cid: Cid) -> None:
        self._inner.pin(cid)

    def pinned(self, cid: Cid) -> bool:
        """Whether a file is kept."""
        return False

    @property
    def removes(self) -> bool:
        """Each block goes alone."""
        return True

    def unpin(self, cid: Cid) -> None:
        self._inner.unpin(cid)

    def remove(self, cid: Cid) -> None:
        self._inner.remove(cid)

    def get(self, cid: Cid) -> bytes:
        block = bytearray(self._inner.get(cid))
        if cid.text == self.victim:
            block[self.bit // 8] ^= 1 << self.bit % 8
        return bytes(block)


@pytest.fixture
def world(tmp_path: Path) -> MarketInMemory:
    """A job that is verified both ways, so that every envelope is read."""
    policy = OutputPolicy(max_rank=4, verify="both", levels=3)
    world = MarketInMemory(tmp_path)
    world.job(linear_circuit([SPREAD]), license=world.license(policy))
    return world


def envelopes(world: MarketInMemory) -> dict[str, str]:
    """CID of every document that a release depends on."""
    job, held = world.chain.job(1), world.chain.license(1)
    digests = {
        "manifest": world.chain.datasets[1, 1].manifest,
        "policy": held.policy,
        "circuit": job.circuit,
        "receipt": job.receipt,
    }
    return {name: digest_to_cid(digest) for name, digest in digests.items()}


def verify(world: MarketInMemory, store: ContentStore) -> object:
    """Everything up to the decryption."""
    found = load_judgement(
        world.chain, store, world.chain.job(1), find_profile=world.find, epochs=world.keys.epochs(),
        decryptions=lambda epoch: 0, limits=JudgementLimits(),
    )  # fmt: skip
    if not isinstance(found, Judgement):
        return found
    return verified_output(found, store, world.execute, lambda done, total: None)


@pytest.mark.parametrize("name", ["manifest", "policy", "circuit", "receipt"])
def test_every_byte_of_every_envelope(world: MarketInMemory, name: str) -> None:
    """Each byte of each envelope flipped (every one up to 4 KiB, then 500 at random) ends before the decryption."""
    blocks = LyingBlocks(world.folder / "store")
    store, cid = ContentStore(blocks), envelopes(world)[name]
    assert isinstance(verify(world, store), bytes | memoryview)
    size = store.size(cid)
    rng = np.random.default_rng(5)
    places = [*range(min(size, ENVELOPE)), *(int(p) for p in rng.integers(0, size, 500 * (size > ENVELOPE)))]
    blocks.victim = cid
    for place in places:
        blocks.bit = 8 * place + int(rng.integers(8))
        with pytest.raises(VerificationFailed):
            verify(world, store)


def test_flipped_envelopes_stop_the_agent(world: MarketInMemory) -> None:
    """With any envelope flipped the whole agent fails, opens no key and sends nothing; unflipped it releases."""
    honest = world.store
    blocks = LyingBlocks(world.folder / "store")
    world.store = ContentStore(blocks)
    for cid in envelopes(world).values():
        blocks.victim, blocks.bit = cid, 100
        world.time += LONGEST_RETRY
        assert [outcome.what for outcome in world.agent().step()] == ["failed"]
    assert world.chain.transactions == []
    assert world.ledger.decryptions(1, 1) == 0
    world.store = honest
    world.time += LONGEST_RETRY
    assert [outcome.what for outcome in world.agent().step()] == ["done"]


def test_ten_thousand_flips_of_larger_artefacts(world: MarketInMemory) -> None:
    """Any flipped bit of columns' ciphertext or of an output is refused on reading."""
    blocks = LyingBlocks(world.folder / "store")
    store = ContentStore(blocks)
    rng = np.random.default_rng(6)
    columns = [file.cid for file in world.manifest.table.shards[0].files]
    output = world.execute(world.facts(1)).receipt.output
    for number in range(10_000):
        cid = [*columns, output][number % 9]
        blocks.victim, blocks.bit = cid, int(rng.integers(8 * store_size(world, cid)))
        with pytest.raises(BadBlock):
            store.read(cid, limit=1 << 20)


def store_size(world: MarketInMemory, cid: str) -> int:
    """Length of an object, by an honest store."""
    return len(FolderBlocks(world.folder / "store").get(parse(cid)))


def _swap(a: str, b: str) -> Callable[[MarketInMemory], None]:
    def change(world: MarketInMemory) -> None:
        cids = envelopes(world)
        source, target = parse(cids[a]), parse(cids[b])
        path = FolderBlocks(world.folder / "store")._file(target)
        path.chmod(0o600)
        path.write_bytes(FolderBlocks(world.folder / "store").get(source))

    return change


@pytest.mark.parametrize("pair", [("manifest", "circuit"), ("policy", "receipt"), ("receipt", "policy")], ids=str)
def test_swapped_envelopes(world: MarketInMemory, pair: tuple[str, str]) -> None:
    """An envelope with another one's honest bytes is refused."""
    _swap(*pair)(world)
    with pytest.raises(VerificationFailed):
        verify(world, world.store)


def test_kept_answers_are_bound(world: MarketInMemory) -> None:
    """A kept answer opens for its own query and key only, and with no byte flipped."""
    query = sha256(b"query")
    kept = keep(world.secret, query, b"answer" * 20)
    assert recall(world.secret, query, kept) == b"answer" * 20
    with pytest.raises(BadKey):
        recall(world.secret, sha256(b"other"), kept)
    for place in range(len(kept)):
        broken = bytearray(kept)
        broken[place] ^= 1
        with pytest.raises(BadKey):
            recall(world.secret, query, bytes(broken))
