"""Writes vectors.json, one known answer for each format of docs/formats.md: `python tests/vectors/formats/write.py`."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from eth_account import Account as EthAccount

from app.chain.contracts.entities import commitment, next_head
from app.chain.wallet.account import Account
from app.protocol.data import merkle
from app.protocol.documents import canonical
from app.protocol.ids import Address, Digest
from app.protocol.market.entities import ZERO
from app.protocol.market.receipt import Decision, Receipt, SealContext
from app.seal.result import Result, ResultHeader, open_result, seal_result
from app.storage.content import file_cid
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.circuit.codec import encode
from fhe.mask import mask
from fhe.profiles import PROFILES, REFERENCE

HERE = Path(__file__).parent
MARKET, PROVIDER, BUYER = (Address("0x" + digit * 40) for digit in "123")
SIGNER = Account(EthAccount.from_key("0x" + "46" * 32))
BUYER_KEY = bytes.fromhex("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d")  # RFC 9180's example
BUYER_PUBLIC = "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c"
LENGTHS = (0, 1, 128, 129, 1000, 5 * 128)
VALUES = [
    None,
    True,
    "é€\U0001f600\n",
    1.5,
    1e-7,
    6.407615038933382e-11,
    -0.0,
    1e17,
    {"b": 1, "a": [2, {}], "\u20ac": 0},
]


def data(length: int) -> bytes:
    """Bytes that count up to 250, again and again."""
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def circuits() -> dict[str, Circuit]:
    """One linear circuit, and one with lookups."""

    def words(*values: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array(values, np.int64)

    names = REFERENCE.digest, Digest("c0" * 32)
    columns = (Input("age", "affine"), Input("height", "affine"))
    two = Linear(20, words(0, 2, 3), words(0, 1, 1), words(3, -5, 7), words(11, -13))
    bits = (Input("age", "bins", 0), Input("age", "bins", 3))
    first = Linear(3, words(0, 2), words(0, 1), words(2, 1), words(0))
    table = Lookup(12, words(0), np.arange(-4, 4).reshape(1, 8))
    last = Linear(12, words(0, 1), words(2), words(1), words(5))
    return {
        "linear": Circuit(*names, columns, (two,), ("a", "b"), Readout("argmax")),
        "lookup": Circuit(*names, bits, (first, table, last), ("score",), Readout("threshold", 3)),
    }


def vectors() -> dict[str, Any]:
    """Everything, as JSON."""
    receipt = Receipt(
        chain_id=31337,
        market=MARKET,
        job=7,
        manifest=Digest("a1" * 32),
        data_root=Digest("a2" * 32),
        circuit=Digest("a3" * 32),
        profile=REFERENCE.digest,
        evaluator="darkroom-canonical-1",
        first_row=0,
        rows=2,
        form="bodies",
        output=file_cid(data(48)),
        output_bytes=48,
        output_root=merkle.root(data(48)),
    )
    unsigned = Decision(
        chain_id=31337,
        market=MARKET,
        job=7,
        receipt=receipt.digest,
        policy=Digest("a4" * 32),
        verified_by="self",
        outcome="release",
        reason="",
        released="score",
        rank=1,
        micro_bits=4_000_000,
        query="a5" * 32,
        again=False,
    )
    decision = unsigned.model_copy(update={"signature": SIGNER.sign_digest(unsigned.digest)})
    salt = "5a" * 32
    files = [merkle.root(data(length)) for length in LENGTHS]
    return {
        "documents": [{"value": value, "bytes": canonical(value).decode()} for value in VALUES],
        "profiles": [{"bytes": profile.to_bytes().decode(), "digest": profile.digest} for profile in PROFILES],
        "merkle": [{"length": length, "root": root} for length, root in zip(LENGTHS, files, strict=True)],
        "data_root": {"roots": files, "root": merkle.data_root(files)},
        "files": [{"length": length, "cid": file_cid(data(length))} for length in (0, 1, 1 << 20, (5 << 20) + 3)],
        "mask": {"seed": "07" * 16, "polynomial": 5, "size": 64, "words": mask(bytes([7] * 16), 5, 1, 64)[0].tolist()},
        "circuits": {name: encode(circuit).decode() for name, circuit in circuits().items()},
        "receipt": {
            "bytes": receipt.to_bytes().decode(),
            "digest": receipt.digest,
            "provider": PROVIDER,
            "salt": salt,
            "commitment": commitment(31337, MARKET, 7, PROVIDER, receipt.digest, salt),
        },
        "decision": {
            "bytes": decision.to_bytes().decode(),
            "signer": SIGNER.address,
            "head": next_head(Digest(ZERO), 7, decision.digest),
        },
        "sealed": sealed(receipt.digest),
    }


def sealed(receipt: Digest) -> dict[str, Any]:
    """A sealed result; sealing draws a fresh key, so the one that is there is kept while it opens."""
    context = SealContext(
        chain_id=31337,
        market=MARKET,
        job=7,
        license=3,
        buyer=BUYER,
        sealing_key=BUYER_PUBLIC,
        manifest=Digest("a1" * 32),
        circuit=Digest("a3" * 32),
        receipt=receipt,
    )
    header = ResultHeader(
        released="score",
        outputs=("a", "b"),
        first_row=0,
        rows=2,
        group=1,
        levels=16,
        lows=(-5, -9),
        highs=(5, 9),
        noise_scale_milli=0,
    )
    result = Result(header, np.array([[1, -2], [3, -4]], np.int64))
    document, ciphertext = seal_result(context, result, file_cid)
    assert np.array_equal(open_result(document, ciphertext, BUYER_KEY, context).values, result.values)
    return {
        "private": BUYER_KEY.hex(),
        "document": document.to_bytes().decode(),
        "ciphertext": base64.b64encode(ciphertext).decode(),
        "values": result.values.reshape(-1).tolist(),
    }


if __name__ == "__main__":
    text = json.dumps(vectors(), indent=1, ensure_ascii=True)
    (HERE / "vectors.json").write_text(text + "\n", encoding="utf-8")
