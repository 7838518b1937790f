"""Whoever has docs/formats.md can read what we write, and we write what it says."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from app.storage.cid import digest_to_cid
from tests.protocol import formats_reader as reader
from tests.support.custody import BUYER_KEY, MarketInMemory, linear_circuit
from tests.vectors.formats import write

KNOWN: dict[str, Any] = json.loads((Path(write.__file__).parent / "vectors.json").read_text("utf-8"))
data = write.data


@pytest.mark.parametrize("part", sorted(KNOWN.keys() - {"sealed"}))
def test_we_still_write_the_known_answers(part: str) -> None:
    """A published byte never changes its meaning: what was written once is what is written now."""
    assert json.loads(json.dumps(write.vectors()[part])) == KNOWN[part]


def test_documents_and_digests() -> None:
    """Canonical bytes, and the digests of both profiles."""
    for each in KNOWN["documents"]:
        assert reader.canonical(each["value"]).decode() == each["bytes"]
    for each in KNOWN["profiles"]:
        assert reader.document(each["bytes"].encode())["kind"] == "darkroom/profile"
        assert sha256(each["bytes"].encode()).hexdigest() == each["digest"]


def test_files_and_their_trees() -> None:
    """CIDs of small and large files, Merkle roots, the data root, masks."""
    for each in KNOWN["files"]:
        assert reader.file_cid(data(each["length"])) == each["cid"]
    for each in KNOWN["merkle"]:
        assert reader.file_root(data(each["length"])) == each["root"]
    assert reader.data_root(KNOWN["data_root"]["roots"]) == KNOWN["data_root"]["root"]
    known = KNOWN["mask"]
    assert reader.mask(bytes.fromhex(known["seed"]), known["polynomial"], known["size"]) == known["words"]


def test_circuits() -> None:
    """A linear circuit is computed from its document alone; tables are read where they stand."""
    linear = reader.document(KNOWN["circuits"]["linear"].encode())
    assert reader.linear_values(linear, [10, 20]) == [10 * 3 - 20 * 5 + 11, 20 * 7 - 13]
    lookup = reader.document(KNOWN["circuits"]["lookup"].encode())
    assert reader.words(lookup["layers"][1]["tables"]) == list(range(-4, 4))
    assert lookup["readout"] == {"at": 3, "kind": "threshold"}


def test_what_a_job_leaves() -> None:
    """Commitment, decision, its signature and head, and a sealed result."""
    known = KNOWN["receipt"]
    receipt = reader.document(known["bytes"].encode())
    digest = sha256(known["bytes"].encode()).hexdigest()
    told = reader.abi(receipt["chain_id"], receipt["market"], receipt["job"], known["provider"], digest, known["salt"])
    assert reader.keccak256(told).hex() == known["commitment"]
    known = KNOWN["decision"]
    decision = reader.document(known["bytes"].encode())
    unsigned = sha256(reader.canonical(decision | {"signature": ""})).hexdigest()
    assert reader.signer(unsigned, decision["signature"]) == known["signer"].lower()
    signed = sha256(known["bytes"].encode()).hexdigest()
    assert reader.keccak256(reader.abi(0, decision["job"], signed)).hex() == known["head"]
    known = KNOWN["sealed"]
    sealed, ciphertext = reader.document(known["document"].encode()), base64.b64decode(known["ciphertext"])
    context = reader.canonical(sealed["context"])
    private, enc = bytes.fromhex(known["private"]), bytes.fromhex(sealed["enc"])
    _, values = reader.result(reader.unseal(private, enc, ciphertext, b"darkroom/seal/1", context))
    assert values == known["values"]


def test_a_job_is_read_from_its_bytes_alone(tmp_path: Path) -> None:
    """Manifest, files, data root, circuit, receipt, output and sealed result of a job that was really computed."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([[3, -2, 0, 0, 0, 0, 0, 5]]))
    assert world.agent().process(number).what == "done"

    def fetch(name: str) -> bytes:
        found = bytes(world.store.read(name, limit=1 << 26))
        assert reader.file_cid(found) == name
        return found

    job = world.chain.job(number)
    receipt = reader.document(fetch(digest_to_cid(job.receipt)))
    table = reader.document(fetch(digest_to_cid(receipt["manifest"])))["darkroom"]["table"]
    files = [file for shard in table["shards"] for file in shard["files"]]
    assert [reader.file_root(fetch(file["cid"])) for file in files] == [file["root"] for file in files]
    assert reader.data_root([file["root"] for file in files]) == table["data_root"] == receipt["data_root"]
    output = fetch(receipt["output"])
    assert (len(output), reader.file_root(output)) == (receipt["output_bytes"], receipt["output_root"])
    circuit = reader.document(fetch(digest_to_cid(receipt["circuit"])))
    assert output[:8] == b"DRKOUT01"
    bodies = {file["column"]: fetch(file["cid"]) for file in files if file["encoding"] == "affine"}
    scale = 1 << 63 - circuit["layers"][0]["width"] - (63 - 27)  # from a packed value's lowest bit to the layer's
    row = receipt["first_row"]
    inputs = [int.from_bytes(bodies[wire["column"]][8 * row : 8 * row + 8], "little") for wire in circuit["inputs"]]
    bias = sum(reader.words(circuit["layers"][0]["bias"]))
    body = (reader.linear_values(circuit, inputs)[0] - bias) * scale + (bias << 63 - circuit["layers"][0]["width"])
    assert output[24:32] == (body % 2**64).to_bytes(8, "little")
    sealed = reader.document(fetch(digest_to_cid(job.sealed)))
    context, enc = reader.canonical(sealed["context"]), bytes.fromhex(sealed["enc"])
    plain = reader.unseal(BUYER_KEY, enc, fetch(sealed["ciphertext_cid"]), b"darkroom/seal/1", context)
    header, values = reader.result(plain)
    assert values == world.clear(number).reshape(-1).tolist()
    assert header["rows"] == receipt["rows"]
