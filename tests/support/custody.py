"""A small market in memory for the custodian's tests: a simulated chain, a real store, real ciphertexts and seals.

The chain holds entities as the contracts would and refuses what they refuse (a second release, a job that is not
computed), so that an agent can be driven, killed and attacked without a node. Tables are encrypted under the reference
profile with random binary keys, as Concrete's are.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.custodian.agent import CustodianAgent
from app.custodian.ledger import Ledger
from app.execution.execute import Evaluation, execute
from app.execution.inputs import JobInputs, load_circuit
from app.protocol.data import merkle
from app.protocol.data.dataset import Affine, Codebook, ColumnCode, EncodedFile, EncryptedTable, KeyRoots, Shard
from app.protocol.data.description import DatasetCard, FileCheck
from app.protocol.data.manifest import Manifest, write_manifest
from app.protocol.documents import sha256
from app.protocol.ids import Address, Seconds
from app.protocol.market.entities import ZERO, Approval, DatasetRecord, Job, JobState, License
from app.protocol.market.entities import Execution as Part
from app.protocol.market.receipt import RAW_WORDS, OutputPolicy, Receipt, SealContext, SealedResult
from app.protocol.ports import Progress, Store
from app.protocol.vocabulary import Encoding
from app.seal.result import Result, open_result
from app.storage.cid import digest_to_cid
from app.storage.content import ContentStore
from app.storage.folder import BlockStore
from fhe.arrays import I64
from fhe.ciphertexts.packing import Encryptor
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.circuit.codec import decode, encode
from fhe.engine.trace.lookups import roots_of_key
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EVALUATOR, EncryptionProfile
from fhe.profiles import REFERENCE, find
from tests.support.memory_chain import SimulatedChain

OWNER, BUYER, OTHER = (f"0x{digit * 40}" for digit in "123")
PROVIDERS = tuple(f"0x{digit * 40}" for digit in "abc")
BUYER_KEY = bytes.fromhex("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d")  # RFC 9180's example
BUYER_PUBLIC = "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c"
NAMES = tuple(f"c{number}" for number in range(8))
EDGES = tuple(float(edge) for edge in range(32, 256, 32))
RAW = {"release": "score", "raw_scores": RAW_WORDS, "micro_bits_per_license": 10**9, "micro_bits_per_person": 4 * 10**9}
OPEN_POLICY = OutputPolicy(max_rank=4, **RAW)  # type: ignore[arg-type] # exact scores: what most tests compare with


class PlainKeys:
    """One epoch's keys, in memory."""

    def __init__(self, secret: SecretKeys) -> None:
        self.secret: dict[int, SecretKeys] = {secret.epoch: secret}

    def epochs(self) -> frozenset[int]:
        """Epochs at hand."""
        return frozenset(self.secret)

    def open(self, epoch: int) -> SecretKeys:
        """Keys of an epoch."""
        return self.secret[epoch]


def random_keys(seed: int, epoch: int = 1) -> SecretKeys:
    """Binary keys of the reference profile, as uniform as Concrete's."""
    rng = np.random.default_rng(seed)
    bits = [rng.integers(0, 2, size).astype(np.uint8) for size in (REFERENCE.polynomial_size, REFERENCE.lwe_dimension)]
    return SecretKeys(REFERENCE.digest, epoch, *bits)


def codebook(bins: bool = False, columns: int = len(NAMES)) -> Codebook:
    """The first columns of 256 affine codes, and with `bins` of the bits "value >= 32, 64, ..., 224"."""
    affine, edges = Affine(low=0.0, step=1.0, levels=256), EDGES if bins else None
    return Codebook(
        columns=tuple(
            ColumnCode(name=name, dtype="float64", affine=affine, bins=edges, declared=True) for name in NAMES[:columns]
        )
    )


def encrypt(
    codes: I64, secret: SecretKeys, store: Store, profile: EncryptionProfile, bins: bool, key: str | None
) -> tuple[EncryptedTable, tuple[FileCheck, ...]]:
    """One shard of codes (rows, columns): every column affine, and its bits with `bins`."""
    rows, size = len(codes), profile.polynomial_size
    files, checks = [], []
    with Encryptor(secret, profile, threads=1) as encryptor:
        for name, column in zip(NAMES[: codes.shape[1]], codes.T, strict=True):
            for encoding, published in _encodings(column, bins).items():
                values = np.zeros((len(published), -(-rows // size) * size), np.int64)
                values[:, :rows] = published
                values, file = values.reshape(-1, size), encryptor.file()
                data = file.encrypt(0, values).astype("<u8").tobytes()
                cid, root, seed = store.put(data), merkle.root(data), file.seed.hex()
                files.append(
                    EncodedFile(column=name, encoding=encoding, cid=cid, polys=len(values), seed=seed, root=root)
                )
                checks.append(FileCheck(bytes=len(data), sha256=sha256(data)))
    shard = Shard(first_row=0, rows=rows, files=tuple(files))
    table = EncryptedTable(
        profile=profile.digest,
        codebook=codebook(bins, codes.shape[1]),
        epoch=secret.epoch,
        rows=rows,
        shards=(shard,),
        evaluation_key=key,
        data_root=merkle.data_root([file.root for file in files]),
        evaluator=EVALUATOR,
    )
    return table, tuple(checks)


def _encodings(column: I64, bins: bool) -> dict[Encoding, list[I64]]:
    found: dict[Encoding, list[I64]] = {"affine": [column]}
    if bins:
        found["bins"] = [(column >= edge).astype(np.int64) for edge in EDGES]
    return found


def tree_circuit(bits: list[tuple[int, int]], table: list[int], profile: EncryptionProfile) -> Circuit:
    """One 3-bit lookup of the number that three bits (column, edge) spell, most significant first."""
    which = [0, 1, 2]
    linear = Linear(
        3, np.array([0, 3]), np.array(which), np.array([4, 2, 1]), np.zeros(1, np.int64)
    )  # y = 4 a + 2 b + c
    lookup = Lookup(10, np.zeros(1, np.int64), np.array([table], np.int64))
    last = Linear(10, np.array([0, 1]), np.array([3]), np.array([1]), np.zeros(1, np.int64))
    inputs = tuple(Input(NAMES[column], "bins", edge) for column, edge in bits)
    layers = (linear, lookup, last)
    return Circuit(profile.digest, codebook(bins=True).digest, inputs, layers, ("y0",), Readout("value"))


def linear_circuit(
    weights: list[list[int]],
    bias: list[int] | None = None,
    at: int | None = None,
    *,
    profile: EncryptionProfile = REFERENCE,
    bins: bool = False,
    width: int = len(NAMES),
    block: int = 0,
) -> Circuit:
    """One Linear of these rows of weights over the affine codes; columns that no row reads are left out."""
    matrix = np.array(weights, np.int64)
    used = np.flatnonzero(matrix.any(axis=0))
    matrix = matrix[:, used]
    rows, columns = np.nonzero(matrix)
    layer = Linear(
        width=27,
        indptr=np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(matrix)))]).astype(np.int64),
        columns=columns.astype(np.int64),
        values=matrix[rows, columns],
        bias=np.array(bias or [0] * len(matrix), np.int64),
    )
    kind = "threshold" if at is not None else "argmax" if len(matrix) > 1 and not block else "value"
    return Circuit(
        profile=profile.digest,
        codebook=codebook(bins, width).digest,
        inputs=tuple(Input(NAMES[column], "affine") for column in used),
        layers=(layer,),
        outputs=tuple(f"y{number}" for number in range(len(matrix))),
        readout=Readout(kind, at or 0),  # type: ignore[arg-type]
        block=block,
    )


class EncryptedDataset:
    """A table that is encrypted, described and kept in a store, with its keys and its plain codes."""

    def __init__(
        self,
        folder: Path,
        seed: int = 0,
        rows: int = 60,
        policy: OutputPolicy = OPEN_POLICY,
        *,
        insecure: EncryptionProfile | None = None,
        codes: I64 | None = None,
        packing: bool = False,
        roots: bool = False,
    ) -> None:
        """With `insecure`, a profile without security, the table has bits and an evaluation key as well.

        `packing`: the key packs results; `roots`: the manifest says what contracts judge lookups by.
        """
        rng = np.random.default_rng(seed)
        self.profile, self.bins = insecure or REFERENCE, insecure is not None
        self.folder = folder
        self.store: ContentStore = BlockStore(folder / "store")
        self.codes: I64 = rng.integers(0, 256, (rows, len(NAMES))) if codes is None else codes
        self.evaluation_key: str | None = None
        self.key_roots: KeyRoots | None = None
        self.secret = random_keys(seed)
        if insecure is not None:
            self.secret, key = insecure_test_keys(insecure, seed=seed)
            if packing:
                key = with_packing(key, self.secret, insecure, 1)
            self.evaluation_key = self.store.put(b"".join(key.stream()))
            self.key_roots = roots_of_key(key) if roots else None
        self.keys = PlainKeys(self.secret)
        self.time = 1_000
        self.manifests: dict[int, Manifest] = {}
        self.records: dict[int, DatasetRecord] = {}  # by version, as the contracts would keep them
        self.manifest = self._publish(policy)

    def _publish(self, policy: OutputPolicy) -> Manifest:
        table, checks = encrypt(self.codes, self.secret, self.store, self.profile, self.bins, self.evaluation_key)
        table = table.model_copy(update={"key_roots": self.key_roots})
        card = DatasetCard(
            title="test", description="test", license="CC0-1.0", creator="test", published="2026-01-01", keywords=()
        )
        manifest = Manifest(card=card, table=table, policy=policy, preview=None, checks=checks)
        self._record(manifest, 1)
        return manifest

    def _record(self, manifest: Manifest, version: int) -> None:
        table, digest = manifest.table, sha256(data := write_manifest(manifest))
        self.store.put(data)
        self.manifests[version] = manifest
        self.records[version] = DatasetRecord(
            id=1, owner=Address(OWNER), custodian=Address(OWNER), manifest=digest, data_root=table.data_root,
            profile=table.profile,
            rows=table.rows, version=version, epoch=table.epoch, tombstoned=False,
        )  # fmt: skip

    def new_version(self, *, epoch: int = 1, title: str = "test", columns: int | None = None) -> None:
        """Publish version 2: the same files under another epoch's number or another title, or fewer columns."""
        if columns is not None:
            codes, keys = self.codes[:, :columns], (self.secret, self.store, self.profile, self.bins)
            table, checks = encrypt(codes, *keys, self.evaluation_key)
            self._record(self.manifest.model_copy(update={"table": table, "checks": checks}), 2)
            return
        table = self.manifest.table.model_copy(update={"epoch": epoch})
        card = self.manifest.card.model_copy(update={"title": title})
        self._record(self.manifest.model_copy(update={"table": table, "card": card}), 2)

    def ledger_of(self, chain_id: int, address: str, name: str = "ledger.sqlite", lease: int = 0) -> Ledger:
        """A ledger file; leases are over at once, so that a restarted agent goes on immediately."""
        return Ledger(self.folder / name, f"{chain_id}:{address}", lambda: self.time, lease=lease)


class MarketInMemory(EncryptedDataset):
    """The dataset on a chain of dictionaries, with licenses and jobs that honest executors have computed."""

    def __init__(
        self,
        folder: Path,
        seed: int = 0,
        rows: int = 60,
        policy: OutputPolicy = OPEN_POLICY,
        *,
        insecure: EncryptionProfile | None = None,
        codes: I64 | None = None,
    ) -> None:
        """As an EncryptedDataset."""
        self.chain = SimulatedChain()
        self._numbers = itertools.count(1)
        super().__init__(folder, seed, rows, policy, insecure=insecure, codes=codes)
        self.ledger = self.new_ledger()

    def _record(self, manifest: Manifest, version: int) -> None:
        super()._record(manifest, version)
        self.chain.datasets[1, version] = self.records[version]

    def new_ledger(self, name: str = "ledger.sqlite", lease: int = 0) -> Ledger:
        """Another ledger file of this market."""
        return self.ledger_of(self.chain.chain_id, self.chain.address, name, lease)

    def license(self, policy: OutputPolicy | None = None, buyer: str = BUYER, **changes: object) -> int:
        """A new license under a policy."""
        policy = policy or self.manifest.policy
        self.store.put(policy.to_bytes())
        number = len(self.chain.licenses) + 1
        held = License(
            id=number, offer=1, dataset=1, buyer=Address(buyer), valid_from=Seconds(0), valid_until=Seconds(10**9),
            jobs_left=100,
            rows_left=10**6, policy=policy.digest, revoked=False, micro_bits=policy.micro_bits_per_license,
        )  # fmt: skip
        self.chain.licenses[number] = replace(held, **changes)  # type: ignore[arg-type]
        return number

    def job(
        self,
        circuit: Circuit,
        first: int = 0,
        rows: int = 40,
        *,
        license: int | None = None,
        version: int = 1,
        **changes: object,
    ) -> int:
        """A job that two honest executors computed."""
        held = license or self.license()
        digest = sha256(data := encode(circuit))
        self.store.put(data)
        number = next(self._numbers)
        buyer = self.chain.licenses[held].buyer
        self.chain.jobs[number] = Job(
            id=number, license=held, dataset=1, buyer=buyer, state=JobState.ASSIGNED, circuit=digest,
            first_row=first, rows=rows, sealing_key=BUYER_PUBLIC, units=1, replicas=2, executions=(), receipt=ZERO,
            sealed=ZERO, decision=ZERO, deadline=Seconds(0), opened_block=1, version=version,
        )  # fmt: skip
        self.compute(number)
        self.chain.jobs[number] = replace(self.chain.jobs[number], **changes)  # type: ignore[arg-type]
        return number

    def say(self, number: int, word: Approval) -> None:
        """The owner's word, on the chain."""
        self.chain.jobs[number] = replace(self.chain.jobs[number], approval=word)

    def compute(self, number: int) -> Evaluation:
        """Let honest executors agree on a job and publish its output."""
        done = self.execute(self.facts(number))
        self.agree(number, done.receipt, done.output)
        return done

    def facts(self, number: int) -> JobInputs:
        """What an executor gathers about a job."""
        job = self.chain.job(number)
        circuit = load_circuit(self.store, job.circuit)
        dataset = self.chain.dataset_version(1, job.version)
        return JobInputs(
            self.chain.chain_id, self.chain.address, job, dataset, self.manifests[job.version], circuit, self.profile
        )

    def agree(self, number: int, receipt: Receipt, output: bytes | memoryview) -> None:
        """Make the chain say that executors agreed on this receipt (honest or not)."""
        self.store.put(bytes(output))
        self.store.put(receipt.to_bytes())
        parts = tuple(Part(provider=Address(p), commitment=ZERO, receipt=receipt.digest) for p in PROVIDERS[:2])
        self.chain.jobs[number] = replace(
            self.chain.jobs[number], receipt=receipt.digest, executions=parts, state=JobState.COMPUTED
        )

    def execute(self, facts: JobInputs, progress: Progress | None = None) -> Evaluation:
        """Re-execution on one thread."""
        return execute(facts, self.store, threads=1, progress=progress)

    def agent(self, ledger: Ledger | None = None, **changes: object) -> CustodianAgent:
        """A custodian of this world."""
        parts: dict[str, object] = {"execute": self.execute, "threads": 1, "find_profile": self.find}
        parts |= changes
        sign = lambda text: f"signed:{text}"  # noqa: E731
        return CustodianAgent(self.chain, self.store, lambda _: self.keys, ledger or self.ledger, sign, **parts)  # type: ignore[arg-type]

    def find(self, digest: str) -> EncryptionProfile:
        """The world's profile, by its digest."""
        return find(digest, [self.profile])

    def context(self, number: int) -> SealContext:
        """What the buyer derives from the chain."""
        job = self.chain.job(number)
        return SealContext(
            chain_id=self.chain.chain_id, market=self.chain.address, job=number, license=job.license, buyer=job.buyer,
            sealing_key=job.sealing_key, manifest=self.chain.datasets[1, job.version].manifest, circuit=job.circuit,
            receipt=job.receipt,
        )  # fmt: skip

    def opened(self, number: int) -> Result:
        """What the buyer reads, from the chain's digest, the store and their private key alone."""
        job = self.chain.job(number)
        assert job.state is JobState.SETTLED, job.reason
        document = SealedResult.from_bytes(self.store.read(digest_to_cid(job.sealed), limit=1 << 20))
        ciphertext = self.store.read(document.ciphertext_cid, limit=1 << 28)
        return open_result(document, ciphertext, BUYER_KEY, self.context(number))

    def clear(self, number: int) -> I64:
        """The outputs (outputs, rows) that the job's circuit has in the clear."""
        job = self.chain.job(number)
        circuit = decode(self.store.read(digest_to_cid(job.circuit), limit=1 << 20))
        layer = circuit.layers[0]
        assert isinstance(layer, Linear)
        matrix = np.zeros((len(layer.bias), len(NAMES)), np.int64)
        for row in range(len(layer.bias)):
            part = slice(layer.indptr[row], layer.indptr[row + 1])
            columns = [NAMES.index(circuit.inputs[c].column) for c in layer.columns[part]]
            matrix[row, columns] = layer.values[part]
        codes = self.codes[job.first_row : job.first_row + job.rows]
        outputs: I64 = matrix @ codes.T + layer.bias[:, None]
        return outputs
