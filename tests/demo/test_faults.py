"""One fault at a time in every artefact of a real job: each is refused by the reader that meets it, unparsed.

An artefact in the store is found by its hash, so whatever is wrong with its bytes is one error, `BadBlock`. A key file
has a digest of its own and says `BadKey`. Every fault is undone afterwards and the untouched artefact is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.auditor.audit import Auditor
from app.chain.wallet.account import Account
from app.client.buyer import Buyer
from app.client.dataset import Dataset
from app.client.models import ModelStore
from app.execution.inputs import load_circuit, load_evaluation_key
from app.execution.source import StoreSource
from app.home.home import Home
from app.home.network import Network
from app.protocol.errors import BadBlock, BadDocument, BadKey, VerificationFailed
from app.protocol.market.receipt import Receipt, SealedResult
from app.seal.keys import SealingKey
from app.storage.cid import digest_to_cid
from fhe.keys.keyring import Keyring
from tests.demo.conftest import DemoHome, copy_home

JOB = 1
FAULTS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "emptied": lambda data, other: b"",
    "cut by one byte": lambda data, other: data[:-1],
    "cut in half": lambda data, other: data[: len(data) // 2],
    "one byte longer": lambda data, other: data + b"\0",
    "first bit flipped": lambda data, other: bytes([data[0] ^ 1]) + data[1:],
    "a middle bit flipped": lambda data, other: _flip(data, len(data) // 2, 3),
    "last bit flipped": lambda data, other: data[:-1] + bytes([data[-1] ^ 128]),
    "swapped for another": lambda data, other: other,
}


def _flip(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


@dataclass(frozen=True)
class Twin:
    """A copy of the demo's home whose files may be spoilt."""

    home: Home
    network: Network

    def block(self, cid: str) -> Path:
        """The file of a block."""
        return self.home.root / "store" / cid[-2:] / cid

    def leaf(self, cid: str) -> Path:
        """The file of a long file's first leaf, found by its content."""
        if self.block(cid).stat().st_size == self.network.store.size(cid):
            return self.block(cid)
        start = self.network.store.read(cid, 0, 1 << 20, limit=1 << 20)
        from app.storage.content import file_cid

        return self.block(file_cid(start))

    def secret(self, role: str) -> str:
        """The demo's passphrase of a role."""
        return self.home.actor(role).passphrase()


@pytest.fixture(scope="module")
def twin(world: DemoHome, tmp_path_factory: pytest.TempPathFactory) -> Twin:
    """A copy of the demo's home."""
    home = Home(copy_home(world.home, tmp_path_factory.mktemp("twin") / "home"))
    return Twin(home, Network.open(home))


@pytest.fixture
def spoil() -> Iterator[Callable[[Path, bytes], None]]:
    """Give a file other bytes until the test ends."""
    kept: dict[Path, bytes] = {}

    def give(path: Path, data: bytes) -> None:
        kept.setdefault(path, path.read_bytes())
        path.unlink()
        path.write_bytes(data)

    yield give
    for path, data in kept.items():
        path.unlink()
        path.write_bytes(data)


def _artefacts(twin: Twin) -> dict[str, tuple[Path, Callable[[], object]]]:
    """Where each stored artefact of job 1 lies, and the reader that meets it."""
    market, store = twin.network.market, twin.network.store
    job = market.job(JOB)
    record = market.dataset_version(job.dataset, job.version)
    dataset = Dataset.open(twin.network, job.dataset)
    circuit = load_circuit(store, job.circuit)
    column = next(file for file in dataset.table.shards[0].files if file.column == circuit.inputs[0].column)
    receipt = Receipt.from_bytes(store.read(digest_to_cid(job.receipt), limit=1 << 20))
    sealed = SealedResult.from_bytes(store.read(digest_to_cid(job.sealed), limit=1 << 20))
    key = SealingKey.load(twin.home.actor("buyer").path("sealing.key"), twin.secret("buyer"))
    preview, evaluation = dataset.manifest.preview, dataset.table.evaluation_key
    assert preview is not None
    assert evaluation is not None

    def open_result() -> object:
        actor = twin.home.actor("buyer")
        account = Account.load(actor.path("account.json"), actor.passphrase())
        return Buyer(twin.network, actor, account).open_result(JOB, key)

    def audit() -> None:
        report = Auditor(market, store).audit(JOB)
        if not report.confirmed:
            raise BadBlock(next(check.detail for check in report.checks if check.status == "wrong"))

    def source() -> StoreSource:
        return StoreSource(dataset.table, dataset.profile, store)

    return {
        "manifest": (twin.block(digest_to_cid(record.manifest)), lambda: Dataset.open(twin.network, job.dataset)),
        "circuit": (twin.block(digest_to_cid(job.circuit)), lambda: load_circuit(store, job.circuit)),
        "column": (twin.leaf(column.cid), lambda: source().bodies(circuit.inputs[0], 0, range(1))),
        "preview": (twin.leaf(preview.cid), dataset.preview),
        "evaluation key": (
            twin.leaf(evaluation),
            lambda: load_evaluation_key(store, dataset.table, dataset.profile),
        ),
        "receipt": (twin.block(digest_to_cid(job.receipt)), audit),
        "output": (twin.leaf(receipt.output), audit),
        "decision": (twin.block(digest_to_cid(job.decision)), audit),
        "sealed result": (twin.block(digest_to_cid(job.sealed)), open_result),
        "sealed bytes": (twin.leaf(sealed.ciphertext_cid), open_result),
    }


STORED = ("manifest", "circuit", "column", "preview", "evaluation key", "receipt", "output", "decision",
          "sealed result", "sealed bytes")  # fmt: skip


@pytest.fixture(scope="module")
def artefacts(twin: Twin) -> dict[str, tuple[Path, Callable[[], object]]]:
    """All stored artefacts."""
    return _artefacts(twin)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", STORED)
def test_a_faulty_artefact_is_refused_by_its_hash(
    artefacts: dict[str, tuple[Path, Callable[[], object]]], spoil: Callable[[Path, bytes], None], name: str, fault: str
) -> None:
    """A stored artefact with one fault is refused for its bytes, before anything in it is believed."""
    path, read = artefacts[name]
    other = artefacts["circuit" if name != "circuit" else "manifest"][0].read_bytes()
    spoil(path, FAULTS[fault](path.read_bytes(), other))
    with pytest.raises(BadBlock):
        read()


@pytest.mark.parametrize("name", STORED)
def test_the_untouched_artefact_is_accepted(artefacts: dict[str, tuple[Path, Callable[[], object]]], name: str) -> None:
    """The same readers accept what nobody touched, so that the refusals above mean something."""
    artefacts[name][1]()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_secret_key_is_refused(twin: Twin, spoil: Callable[[Path, bytes], None], fault: str) -> None:
    """A damaged or swapped file of secret keys is told from a wrong passphrase and opens nothing."""
    actor = twin.home.actor("owner")
    path, other = actor.path("keys/measurements/epoch-0001.key"), twin.home.actor("buyer").path("sealing.key")
    spoil(path, FAULTS[fault](path.read_bytes(), other.read_bytes()))
    with pytest.raises(BadKey):
        Keyring(actor.path("keys/measurements")).open(1, actor.passphrase())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_sealing_key_is_refused(twin: Twin, spoil: Callable[[Path, bytes], None], fault: str) -> None:
    """A damaged or swapped sealing key opens nothing."""
    actor = twin.home.actor("buyer")
    path, other = actor.path("sealing.key"), twin.home.actor("owner").path("keys/measurements/epoch-0001.key")
    spoil(path, FAULTS[fault](path.read_bytes(), other.read_bytes()))
    with pytest.raises(BadKey):
        SealingKey.load(path, actor.passphrase())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_account_is_refused(twin: Twin, spoil: Callable[[Path, bytes], None], fault: str) -> None:
    """A damaged or swapped account file signs nothing."""
    actor = twin.home.actor("buyer")
    path, other = actor.path("account.json"), twin.home.actor("owner").path("account.json")
    spoil(path, FAULTS[fault](path.read_bytes(), other.read_bytes()))
    with pytest.raises(VerificationFailed):
        Account.load(path, actor.passphrase())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["circuit", "model"])
def test_a_faulty_model_is_refused(twin: Twin, spoil: Callable[[Path, bytes], None], fault: str, kind: str) -> None:
    """A damaged or swapped file of a buyer's compiled model is refused."""
    shelf = ModelStore(twin.home.actor("buyer").path("models"))
    first, second = (shelf.find(twin.network.market.job(number).circuit) for number in (1, 2))
    names = [each.circuit_digest if kind == "circuit" else each.digest for each in (first, second)]
    path, other = (twin.home.actor("buyer").path(f"models/{digest}.{kind}") for digest in names)
    spoil(path, FAULTS[fault](path.read_bytes(), other.read_bytes()))
    with pytest.raises(BadDocument):
        shelf.find(first.digest)
