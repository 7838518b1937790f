"""A buyer who has nothing but a node's address: everything over HTTP, as a browser's wallet and pages would do it."""

from __future__ import annotations

import time
from typing import Any

import httpx

from app.chain.node import Fees
from app.chain.wallet.account import Account
from app.client.dataset import Dataset
from app.demo import table as tables
from app.protocol.documents import sha256
from app.protocol.market.receipt import SealContext, SealedResult
from app.seal.keys import SealingKey
from app.seal.result import Result, open_result
from fhe.arrays import I64
from fhe.circuit import codec
from fhe.circuit.clear import evaluate_clear, gather_inputs
from ingestion.codes import affine_codes, bin_codes, find

DOLLAR = 10**6


class Shopper:
    """One account, one sealing key, one HTTP client."""

    def __init__(self, url: str) -> None:
        self.account, self.key = Account.generate(), SealingKey.generate()
        self.http = httpx.Client(base_url=url, timeout=60)

    def close(self) -> None:
        """Let go of the connection."""
        self.http.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a path."""
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, status: int = 200, **words: Any) -> Any:
        """The JSON of an answer to a post."""
        answer = self.http.post(path, **words)
        assert answer.status_code == status, answer.text
        return answer.json()

    def sign_in(self) -> None:
        """As a wallet does, by a signed message; writes carry the CSRF token from then on."""
        asked = self.post("/v1/session/challenge", json={"address": self.account.address})
        signed = {"message": asked["message"], "signature": "0x" + self.account.sign_text(asked["message"])}
        self.http.headers["x-csrf-token"] = self.post("/v1/session", 201, json=signed)["csrf"]

    def fill_purse(self) -> None:
        """Ether and test dollars from the faucets of a chain for demonstrations."""
        self.post("/v1/faucet", json={"account": self.account.address})
        self.act("faucet", amount=str(1000 * DOLLAR))

    def act(self, action: str, **order: Any) -> dict[str, Any]:
        """Have a transaction prepared, sign it (and a permit when one is asked for), send it; its receipt."""
        body = {"account": self.account.address} | order
        prepared = self.post(f"/v1/transactions/{action}", json=body)
        if prepared["permit"]:
            typed, deadline = prepared["permit"]["typed_data"], prepared["permit"]["deadline"]
            types = {name: fields for name, fields in typed["types"].items() if name != "EIP712Domain"}
            numbers = ("value", "nonce", "deadline")
            message = {k: int(v) if k in numbers else v for k, v in typed["message"].items()}
            signature = "0x" + self.account.sign_typed(typed["domain"], types, message).hex()
            permit = {"deadline": deadline, "signature": signature}
            prepared = self.post(f"/v1/transactions/{action}", json=body | {"permit": permit})
        receipt: dict[str, Any] = {}
        for each in prepared["transactions"]:
            receipt = self._send(each["request"])
        return receipt

    def _send(self, request: dict[str, str]) -> dict[str, Any]:
        raw = self.account.sign_transaction(
            chain_id=int(request["chainId"], 16),
            nonce=int(request["nonce"], 16),
            to=request["to"],
            data=bytes.fromhex(request["data"][2:]),
            gas=int(request["gas"], 16),
            fees=Fees(int(request["maxFeePerGas"], 16), int(request["maxPriorityFeePerGas"], 16)),
        )
        tx = self.post("/v1/transactions", 202, json={"raw": "0x" + raw.hex()})["tx"]
        limit = time.monotonic() + 30
        while (answer := self.http.get(f"/v1/transactions/{tx}")).status_code == 404 and time.monotonic() < limit:
            time.sleep(0.05)
        receipt: dict[str, Any] = answer.json()
        assert receipt["ok"], receipt
        return receipt

    def buy(self, offer: int) -> int:
        """A license."""
        return _number(self.act("buy-license", offer=offer), "LicenseBought", "license")

    def order(self, license: int, circuit: bytes, rows: int) -> int:
        """Publish a circuit and open a job with it; the job's number."""
        digest = self.post("/v1/circuits", 201, content=circuit)["digest"]
        assert digest == sha256(circuit)
        key = self.key.public.hex()
        receipt = self.act("open-job", license=license, circuit=digest, first_row=0, rows=rows, sealing_key=key)
        return _number(receipt, "JobOpened", "job")

    def wait(self, job: int, *states: str, seconds: float = 120.0) -> dict[str, Any]:
        """The job's details once it is in one of these states."""
        limit = time.monotonic() + seconds
        while True:
            answer = self.http.get(f"/v1/jobs/{job}")  # 404 until the index has it
            detail: dict[str, Any] = answer.json()
            if answer.status_code == 200 and detail["job"]["state"] in states:
                return detail
            assert time.monotonic() < limit, detail
            time.sleep(0.2)

    def open(self, detail: dict[str, Any]) -> Result:
        """Fetch and open a result, against what the chain says of the job; no byte is taken on trust."""
        job = detail["job"]
        status = self.get("/v1/status")
        document = self.http.get(f"/v1/jobs/{job['id']}/result").content
        assert sha256(document) == detail["sealed"]
        sealed = SealedResult.from_bytes(document)
        ciphertext = self._handed_over(f"/v1/blobs/{sealed.ciphertext_cid}")
        expected = SealContext(
            chain_id=status["chain_id"],
            market=status["market"],
            job=job["id"],
            license=job["license"],
            buyer=self.account.address,
            sealing_key=self.key.public.hex(),
            manifest=detail["manifest"],
            circuit=job["circuit"],
            receipt=detail["receipt"],
        )
        return open_result(sealed, ciphertext, self.key.private, expected)

    def _handed_over(self, path: str, seconds: float = 30.0) -> bytes:
        """The sealed bytes, which the custodian stores right after the chain has its release."""
        limit = time.monotonic() + seconds
        while (answer := self.http.get(path)).status_code != 200:
            assert time.monotonic() < limit, answer.text
            time.sleep(0.2)
        return answer.content

    def audit(self, job: int, seconds: float = 120.0) -> dict[str, Any]:
        """The node's own audit of a job."""
        asked = self.post(f"/v1/jobs/{job}/audits", 202)
        limit = time.monotonic() + seconds
        while (found := self.get(f"/v1/audits/{asked['id']}"))["state"] not in ("done", "failed"):
            assert time.monotonic() < limit
            time.sleep(0.2)
        assert found["state"] == "done", found
        report: dict[str, Any] = found["result"]
        return report


def in_the_clear(dataset: Dataset, circuit: bytes, rows: int) -> I64:
    """The labels (1, rows) that the sample sells of its secret rows, computed on their codes."""
    decoded, halves = codec.decode(circuit), tables.load()
    codes = {}
    for wire in decoded.inputs:
        column = halves.owner[:rows, halves.columns.index(wire.column)]
        coded = affine_codes if wire.encoding == "affine" else bin_codes
        codes[wire.column, wire.encoding] = coded(find(dataset.codebook, wire.column), column)
    return decoded.readout.label(evaluate_clear(decoded, gather_inputs(decoded, codes)).T)


def _number(receipt: dict[str, Any], event: str, name: str) -> int:
    (found,) = [each for each in receipt["events"] if each["name"] == event]
    return int(found["args"][name])
