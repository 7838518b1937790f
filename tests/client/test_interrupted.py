"""A publication that is killed anywhere: the next run goes on, nothing is left, and no seed ever has two plaintexts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from app.client.attempt import Attempt
from app.client.publishing import publish_plan
from app.protocol.errors import NotAllowed, NotFound, TryAgain
from app.storage.cid import Cid
from app.storage.folder import FolderBlocks
from fhe.arrays import I64, U64
from fhe.ciphertexts.packing import FileEncryptor
from tests.support.custody import NAMES
from tests.support.persons import OwnersHome, chain_template, people
from tests.support.persons import recipe as recipe_of

POLY_BYTES = 2048 * 8


class Killed(BaseException):
    """What a killed process does not catch."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain to copy."""
    return chain_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def town(template: Path, tmp_path: Path) -> OwnersHome:
    """An owner's home."""
    return OwnersHome(template, tmp_path)


class Watch:
    """Sees every block that reaches a store and every polynomial that is encrypted, and kills at the n-th block."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self.puts = -1, 0
        self.seen: dict[str, bytes] = {}
        self.plain: dict[tuple[bytes, int], set[bytes]] = defaultdict(set)
        put, encrypt = FolderBlocks.put, FileEncryptor.encrypt

        def watched_put(blocks: FolderBlocks, cid: Cid, block: bytes | bytearray | memoryview) -> None:
            if self.left == 0:
                raise Killed
            self.left -= 1
            self.puts += 1
            self.seen[cid.text] = bytes(block)
            put(blocks, cid, block)

        def watched_encrypt(file: FileEncryptor, first: int, values: I64) -> U64:
            for number, poly in enumerate(values):
                self.plain[file.seed, first + number].add(poly.tobytes())
            return encrypt(file, first, values)

        monkeypatch.setattr(FolderBlocks, "put", watched_put)
        monkeypatch.setattr(FileEncryptor, "encrypt", watched_encrypt)

    def polynomials(self) -> Iterator[U64]:
        """The ciphertext polynomials that the store ever saw."""
        for block in self.seen.values():
            if len(block) % POLY_BYTES == 0:
                yield from np.frombuffer(block, "<u8").reshape(-1, 2048)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Watches this test's stores."""
    monkeypatch.setattr("app.client.owner.threads_available", lambda: 1)
    return Watch(monkeypatch)


def share_a_mask(one: U64, other: U64) -> bool:
    """What an attacker sees: with one mask, the difference is a multiple of the step, and a little noise."""
    low = (one - other)[:64] << np.uint64(28)  # the bits below the message's: 36 of them
    return bool((np.abs(low.view(np.int64) >> np.int64(28)) < 1 << 24).all())


def publish(town: OwnersHome, frame: pl.DataFrame, keys: str, owner: Any = None) -> int:
    """Publish as a new process does."""
    owner = owner or town.restarted()
    with owner.plan(town.file(frame), recipe_of()) as plan:
        return int(publish_plan(owner, plan, keys=keys).sent.value)


def files(town: OwnersHome, dataset: int) -> list[str]:
    """The CIDs of a dataset's ciphertext."""
    return [file.cid for shard in town.table(dataset).shards for file in shard.files]


def changed(frame: pl.DataFrame, row: int) -> pl.DataFrame:
    """The table with one value of one column changed."""
    name = NAMES[row % len(NAMES)]
    values = frame[name].to_list()
    values[row] = (values[row] + 100) % 256
    return frame.with_columns(pl.Series(name, values))


@pytest.mark.parametrize("point", [0, 5, 8, 10])
def test_the_next_run_goes_on(town: OwnersHome, watch: Watch, point: int) -> None:
    """Killed at any block: finished files are not made again, and the dataset is that of a run without the kill."""
    keys, frame = town.keys(), people(50)
    watch.left = point
    with pytest.raises(Killed):
        publish(town, frame, keys)
    done = min(point, len(NAMES))
    watch.left, watch.puts, watch.plain = -1, 0, defaultdict(set)
    (left,) = town.restarted().unfinished.list()
    assert (left.keys, left.dataset, left.files, left.bytes) == (keys, 0, done, done * POLY_BYTES)
    first = publish(town, frame, keys)
    assert len(watch.plain) == len(NAMES) - done
    assert town.restarted().unfinished.list() == []
    assert not list(town.owner.actor.path("publications").iterdir())
    again = town.restarted().cabinet.keyring(keys).folder
    assert again.is_dir()
    watch.left = -1
    fresh = files(town, first)
    town.update(first, frame)
    assert files(town, first) == fresh


def test_no_seed_has_two_plaintexts(town: OwnersHome, watch: Watch) -> None:
    """Kills at many points, changes of the table in between, versions, a rewind: no mask is ever shared.

    Told twice: by what was handed to the cipher, and by what an attacker sees who keeps every block of the store.
    """
    keys, frame = town.keys(), people(50)
    for row in range(6):
        watch.left = 1
        with pytest.raises(Killed):
            publish(town, changed(frame, row), keys)
    watch.left = -1
    number = publish(town, frame, keys)
    for row in (3, 4, 3):
        watch.left = 1
        with pytest.raises(Killed):
            town.update(number, changed(changed(frame, row), row + 24))
        watch.left = -1
        town.update(number, changed(frame, row))
    assert {len(texts) for texts in watch.plain.values()} == {1}
    seen = list(watch.polynomials())
    assert len(seen) > len(NAMES) + 2
    for place, one in enumerate(seen):
        assert not any(share_a_mask(one, other) for other in seen[:place])


def test_the_attack_would_be_seen(town: OwnersHome) -> None:
    """Two plaintexts under one seed are what the attacker's test finds."""
    from fhe.ciphertexts.packing import Encryptor
    from fhe.ciphertexts.seeds import FileSeeds
    from fhe.profiles import REFERENCE
    from tests.support.custody import random_keys

    with Encryptor(random_keys(1), REFERENCE, 1) as encryptor:
        values = np.arange(2048, dtype=np.int64)[None]
        one, other = (
            encryptor.file(FileSeeds(bytes(16), bytes([n]) * 16)).encrypt(0, values + 7 * n)[0] for n in (0, 1)
        )
    assert share_a_mask(one, other)


def test_what_was_left_can_be_taken_back(town: OwnersHome, watch: Watch) -> None:
    """A sweep removes ciphertext and journal, and keeps keys that were there before; a second one finds nothing."""
    keys = town.keys()
    watch.left = 5
    with pytest.raises(Killed):
        publish(town, people(50), keys)
    assert [path for path in (town.folder / "store").rglob("*") if path.is_file()]
    town.restarted().unfinished.sweep(keys)
    assert not [path for path in (town.folder / "store").rglob("*") if path.is_file()]
    assert not list(town.owner.actor.path("publications").iterdir())
    assert keys in town.owner.cabinet.names()
    with pytest.raises(NotFound, match="cut short"):
        town.restarted().unfinished.sweep(keys)


def test_another_table_under_the_same_keys_leaves_nothing_of_the_first(town: OwnersHome, watch: Watch) -> None:
    """Where the table was corrected after a kill, what only the killed run made goes once the new one is recorded."""
    keys, frame = town.keys(), people(50)
    watch.left = 6
    with pytest.raises(Killed):
        publish(town, changed(frame, 1), keys)
    watch.left = -1
    number = publish(town, frame, keys)
    kept = {path.name for path in (town.folder / "store").rglob("*") if path.is_file()}
    assert set(files(town, number)) <= kept
    assert len(kept) == len(NAMES) + 3  # and the preview, the manifest, the card


def test_a_kill_around_the_transaction_is_told_by_the_chain(town: OwnersHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the transaction the dataset is there, with its tags; killed before, it is handed over, once."""
    network: Any = town.owner.network  # the embedded chain, whose `send` takes what was signed
    send = network.node.send

    def killed(raw: bytes) -> None:
        send(raw)
        raise Killed

    keys, before = town.keys(), town.market.dataset_count()
    monkeypatch.setattr(network.node, "send", killed)
    with pytest.raises(Killed):
        publish(town, people(50), keys)
    monkeypatch.setattr(network.node, "send", send)
    assert town.restarted().unfinished.list() == []
    record = town.market.dataset(before + 1)
    assert town.restarted().persons._files.all()[record.manifest].dataset == before + 1
    with pytest.raises(NotAllowed, match="belongs to another dataset"):
        publish(town, people(50), keys)

    def refused(raw: bytes) -> None:
        raise Killed

    keys = town.keys()
    monkeypatch.setattr(network.node, "send", refused)
    with pytest.raises(Killed):
        publish(town, people(50), keys)
    monkeypatch.setattr(network.node, "send", send)
    with pytest.raises(NotAllowed, match="belongs to another dataset"):  # what was signed was handed over again
        publish(town, people(50), keys)
    assert town.restarted().unfinished.list() == []
    record = town.market.dataset(before + 2)
    assert town.restarted().persons._files.all()[record.manifest].dataset == before + 2 == town.market.dataset_count()


def test_two_processes_do_not_publish_under_one_keyring(town: OwnersHome) -> None:
    """The journal is held while a publication runs; the second one is told to wait."""
    keys, owner = town.keys(), town.owner
    with owner.plan(town.file(people(50)), recipe_of()) as plan, owner.attempt(keys, plan.path) as attempt:
        assert isinstance(attempt, Attempt)
        with pytest.raises(TryAgain, match="Another process"):
            publish(town, people(50), keys)


CHILD = """
import os, signal, sys
from pathlib import Path
from app.storage.folder import FolderBlocks
from tests.client.test_interrupted import publish, town_at, people
town, keys, left = town_at(Path(sys.argv[1])), sys.argv[2], [int(sys.argv[3])]
put = FolderBlocks.put
def dying(blocks, cid, block):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    put(blocks, cid, block)
FolderBlocks.put = dying
print(publish(town, people(50), keys))
"""


def town_at(folder: Path) -> OwnersHome:
    """The home in a folder, as another process sees it."""
    from app.chain.evm.embedded import EmbeddedChain
    from app.chain.market import Market
    from app.client.owner import Owner
    from app.home.home import Home
    from app.home.network import Network
    from app.storage.folder import BlockStore
    from tests.support.market import person

    town = OwnersHome.__new__(OwnersHome)
    town.folder = folder
    chain = EmbeddedChain(folder / "chain" / "chain.sqlite")
    market = Market.open(chain, folder / "chain" / "deployment.json")
    account = person("owner")
    actor = Home(folder / "home").actor("owner")
    town.account = account
    town.owner = Owner(Network(chain, market, BlockStore(folder / "store")), actor, account)
    return town


def test_a_real_kill(town: OwnersHome) -> None:
    """SIGKILL in another process: keys, files and tags are gone on with; nothing of the kill is left afterwards."""
    keys, before = town.keys(), town.market.dataset_count()

    def child(left: int) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", CHILD, str(town.folder), keys, str(left)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)

    assert child(5).returncode == -signal.SIGKILL
    assert list(town.owner.actor.path("persons").glob(".survey-*"))
    for scratch in town.owner.actor.path("persons").glob(".survey-*"):
        os.utime(scratch, (0, 0))
    (left,) = town.restarted().unfinished.list()
    assert left.files in {4, 5}  # two threads
    done = child(1000)
    assert done.stdout.strip() == str(before + 1), done.stderr
    assert not list(town.owner.actor.path("persons").glob(".survey-*"))
    assert not list(town.owner.actor.path("publications").iterdir())
