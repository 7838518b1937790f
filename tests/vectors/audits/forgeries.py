"""Ways to forge a recorded market: each takes it and leaves one thing in it that is not so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from app.chain.contracts.entities import commitment
from app.execution.program import stated_program
from app.protocol.data import merkle
from app.protocol.data.manifest import Manifest
from app.protocol.market.receipt import SealedResult
from fhe.circuit.circuit import Linear
from fhe.circuit.codec import decode, encode
from tests.support.market import digest, person
from tests.vectors.audits.forge import Args, Forgery
from tests.vectors.audits.record import APPROVED, JUDGED, LINEAR, PROFILE

STRANGER = person("stranger").address
OTHER = digest("another")


def promised(**other: object) -> Callable[[Forgery], None]:
    """The first executor's commitment binds other facts."""

    def forge(f: Forgery) -> None:
        key = f.events(LINEAR, "Committed")[0]
        who, reveal = f.args(key)["provider"], f.events(LINEAR, "Revealed")[0]
        assert f.args(reveal)["provider"] == who
        salt = f.transactions[f.logs[reveal]["transactionHash"]]["input"][-64:]
        true = {
            "chain_id": f.market["chain_id"], "market": f.addresses["JobMarket"], "job": LINEAR, "provider": who,
            "receipt": f.args(reveal)["receipt"], "salt": salt,
        }  # fmt: skip
        f.edit(key, commitment=commitment(**{**true, **other}))

    return forge


def swapped(first: str, n: int, second: str, m: int, job: int = LINEAR) -> Callable[[Forgery], None]:
    """Event `n` of one kind and event `m` of another change places."""
    return lambda f: f.swap(f.events(job, first)[n], f.events(job, second)[m])


def sent(change: Callable[[str], str]) -> Callable[[Forgery], None]:
    """The first reveal's transaction carried other data."""

    def forge(f: Forgery) -> None:
        transaction = f.transactions[f.logs[f.events(LINEAR, "Revealed")[0]]["transactionHash"]]
        transaction["input"] = change(transaction["input"])

    return forge


def word(value: int) -> Callable[[Forgery], None]:
    """The job's storage says another word of the owner, without its event."""

    def forge(f: Forgery) -> None:
        del f.logs[f.events(APPROVED, "JobApproved")[0]]
        f.amend("JobMarket", "get", APPROVED, approval=value)

    return forge


def denied(f: Forgery) -> None:
    """The owner said no, and the custodian released all the same."""
    f.rename(f.events(APPROVED, "JobApproved")[0], "JobDenied")
    f.amend("JobMarket", "get", APPROVED, approval=2)


def manifest_of(f: Forgery) -> str:
    """The digest of the dataset's manifest."""
    return str(f.args(f.events(0, "DatasetVersion")[-1])["manifest"])


def false_roots(f: Forgery) -> None:
    """The manifest says roots that are not its key's, and the order the program that they give."""
    key, circuit = manifest_of(f), decode(f.read(f.receipt(JUDGED).circuit))
    table = Manifest.from_bytes(f.read(key)).table
    assert table.key_roots is not None
    roots = table.key_roots.model_copy(update={"points": OTHER})
    program = stated_program(circuit, PROFILE, table.model_copy(update={"key_roots": roots}), 40)
    f.republish(lambda strict: strict["table"]["key_roots"].update({"points": OTHER}))
    f.state(JUDGED, program)


def files_of(f: Forgery) -> list[Args]:
    """The manifest's files."""
    table = json.loads(f.read(manifest_of(f)))["darkroom"]["table"]
    return [file for shard in table["shards"] for file in shard["files"]]


def column(f: Forgery) -> str:
    """The CID of a column that the linear job reads."""
    return str(next(file["cid"] for file in files_of(f) if file["encoding"] == "affine"))


def false_root(f: Forgery) -> None:
    """A file's root in the manifest, and so the data root, is not that of its bytes."""
    roots = [file["root"] for file in files_of(f)]
    root = merkle.data_root([OTHER, *roots[1:]])

    def change(strict: Args) -> None:
        table = strict["table"]
        table["shards"][0]["files"][0]["root"] = OTHER
        table["data_root"] = root

    f.republish(change, dataRoot=root)


def in_table(name: str, value: object) -> Callable[[Forgery], None]:
    """The manifest's table says something else than the chain."""
    return lambda f: f.republish(lambda strict: strict["table"].update({name: value}), lie=False)


def circuit(change: Callable[[Linear], Linear] | None, **fields: object) -> Callable[[Forgery], None]:
    """The ordered circuit is one that nobody may run on this dataset."""

    def forge(f: Forgery) -> None:
        made = replace(decode(f.read(f.receipt(LINEAR).circuit)), **fields)  # type: ignore[arg-type]
        if change is not None:
            (layer,) = made.layers
            assert isinstance(layer, Linear)
            made = replace(made, layers=(change(layer),))
        f.reorder_circuit(LINEAR, encode(made))

    return forge


def output(change: Callable[[bytes], bytes], job: int = LINEAR) -> Callable[[Forgery], None]:
    """All executors agreed on bytes that re-execution does not give."""
    return lambda f: f.output(job, change(f.read(f.receipt(job).output)))


def bit(data: bytes, at: int = -1) -> bytes:
    """One bit of a byte flipped."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def lied(**changes: object) -> Callable[[Forgery], None]:
    """All executors' receipt says something else."""
    return lambda f: f.lie(LINEAR, **changes)


def decided(
    *, signer: str = "owner", sign: bool = True, of: int = LINEAR, **changes: object
) -> Callable[[Forgery], None]:
    """The custodian's decision says something else."""
    return lambda f: f.redecide(of, signer=signer, sign=sign, **changes)


def sealed(**changes: object) -> Callable[[Forgery], None]:
    """The sealed result says another context."""

    def forge(f: Forgery) -> None:
        f.reseal(LINEAR, **changes)

    return forge


def ciphertext(f: Forgery, job: int = LINEAR) -> str:
    """The CID of a job's sealed bytes."""
    return SealedResult.from_bytes(f.read(f.sealed(job))).ciphertext_cid


def evaluation_key(f: Forgery) -> str:
    """The CID of the dataset's evaluation key."""
    return str(json.loads(f.read(manifest_of(f)))["darkroom"]["table"]["evaluation_key"])


def policy(f: Forgery, license: int) -> str:
    """The digest of a license's policy."""
    return str(f.result("LicenseMarket", "licenseOf", license)["policy"])


def amended(contract: str, function: str, id: int, **changes: object) -> Callable[[Forgery], None]:
    """A view function returns a struct with other fields."""
    return lambda f: f.amend(contract, function, id, **changes)


def edited(name: str, **changes: object) -> Callable[[Forgery], None]:
    """The linear job's first event of a kind has other arguments."""
    return lambda f: f.edit(f.events(LINEAR, name)[0], **changes)


def dropped(name: str, n: int = 0, job: int = LINEAR) -> Callable[[Forgery], object]:
    """An event is not there."""
    return lambda f: f.logs.pop(f.events(job, name)[n])


def spoilt(name: Callable[[Forgery], str]) -> Callable[[Forgery], None]:
    """Other bytes under an object's name."""
    return lambda f: f.spoil(name(f))


def withheld(name: Callable[[Forgery], str]) -> Callable[[Forgery], None]:
    """Nobody has an object any more."""
    return lambda f: f.withhold(name(f))
