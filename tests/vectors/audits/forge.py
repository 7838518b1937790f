"""A recorded market that may be forged, with everything that follows made to fit, so that exactly one fact is false."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from app.chain.contracts.abi import Interface, Signature
from app.chain.contracts.deployment import ORDER
from app.chain.contracts.entities import commitment, content, next_head
from app.protocol.data.manifest import Manifest
from app.protocol.documents import Document, canonical, sha256
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO
from app.protocol.market.receipt import Decision, Receipt, SealedResult
from app.storage.cid import digest_to_cid
from app.storage.content import file_cid
from contracts import load
from fhe.merkle import root_of
from tests.support.market import person

Args = dict[str, Any]
RAW_CODEC = 0x55
ORDER_TYPES = ("bytes32", "uint64", "uint64", "bytes32", "bytes32")


@cache
def interfaces() -> dict[str, Interface]:
    """Of the market's contracts, by name."""
    return {name: Interface(load(name).abi) for name in ORDER}


class Forgery:
    """One copy of the recording. Keys are those of its sections."""

    def __init__(self, recording: dict[str, Any]) -> None:
        self.market = recording["market"]
        sections = copy.deepcopy(recording["sections"])
        self.logs, self.calls = sections["logs"], sections["calls"]
        self.transactions, self.objects = sections["transactions"], sections["objects"]
        names = self.market["deployment"]["contracts"]
        self.addresses = {name: placed["address"] for name, placed in names.items()}
        self.interfaces = interfaces()

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        """As the kit has them."""
        return {
            "logs": self.logs, "transactions": self.transactions, "calls": self.calls, "objects": self.objects,
        }  # fmt: skip

    # Events

    def events(self, job: int, name: str) -> list[str]:
        """The keys of a job's events of one kind, in order."""
        (topic,) = {
            "0x" + each.topic(name).hex()
            for each in self.interfaces.values()
            if name in {event.name for event in each.events.values()}
        }
        keys = sorted((key for key, log in self.logs.items() if log["topics"][0] == topic), key=place)
        return [key for key in keys if self.args(key).get("job", job) == job]

    def args(self, key: str) -> Args:
        """An event's arguments."""
        return self._told(self.logs[key])[1]

    def edit(self, key: str, **changes: Any) -> None:
        """An event with other arguments."""
        log = self.logs[key]
        name, args = self._told(log)
        signature = self._event(log)
        args = args | changes
        plain = [args[each] for each in signature.plain.names]
        indexed = [args[each] for each in signature.indexed.names]
        words = signature.indexed.encode(indexed, name)
        log["data"] = "0x" + signature.plain.encode(plain, name).hex()
        log["topics"] = [log["topics"][0], *("0x" + words[i : i + 32].hex() for i in range(0, len(words), 32))]

    def rename(self, key: str, name: str) -> None:
        """An event of another kind with the same arguments."""
        (digest,) = (each for each, event in self.interfaces["JobMarket"].events.items() if event.name == name)
        self.logs[key]["topics"][0] = "0x" + digest.hex()

    def swap(self, first: str, second: str) -> None:
        """Two events change places in the chain; each stays in its transaction."""
        place = ("blockNumber", "blockHash", "logIndex")
        one, two = self.logs[first], self.logs[second]
        for name in place:
            one[name], two[name] = two[name], one[name]
        self.logs[first], self.logs[second] = two, one

    def _told(self, log: Args) -> tuple[str, Args]:
        for name, address in self.addresses.items():
            if address.lower() == log["address"]:
                topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
                found = self.interfaces[name].decode_event(topics, bytes.fromhex(log["data"][2:]))
                if found:
                    return found
        return "", {}

    def _event(self, log: Args) -> Signature:
        name = next(name for name, address in self.addresses.items() if address.lower() == log["address"])
        return self.interfaces[name].events[bytes.fromhex(log["topics"][0][2:])]

    # Calls

    def result(self, contract: str, function: str, *args: Any) -> Any:
        """What a view function returned."""
        key, signature = self._call(contract, function, args)
        (value,) = signature.outputs.decode(bytes.fromhex(self.calls[key][2:]), function)
        return value

    def answer(self, contract: str, function: str, *args: Any, value: Any) -> None:
        """A view function returns another value."""
        key, signature = self._call(contract, function, args)
        assert key in self.calls
        self.calls[key] = "0x" + signature.outputs.encode([_plain(value)], function).hex()

    def amend(self, contract: str, function: str, *args: Any, **changes: Any) -> None:
        """Some fields of what a view function returns."""
        self.answer(contract, function, *args, value=self.result(contract, function, *args) | changes)

    def _call(self, contract: str, function: str, args: tuple[Any, ...]) -> tuple[str, Signature]:
        interface = self.interfaces[contract]
        data = interface.encode_call(function, args)
        return f"{self.addresses[contract].lower()}:0x{data.hex()}", interface.function(function, len(args))

    # Objects

    def read(self, name: str) -> bytes:
        """An object by CID or digest."""
        return base64.b64decode(self.objects[_cid(name)])

    def put(self, data: bytes) -> str:
        """One more object; its CID."""
        self.objects[cid := file_cid(data)] = base64.b64encode(data).decode()
        return cid

    def spoil(self, name: str) -> None:
        """An object loses a bit under its name."""
        data = bytearray(self.read(name))
        data[len(data) // 2] ^= 4
        self.objects[_cid(name)] = base64.b64encode(data).decode()

    def withhold(self, name: str) -> None:
        """Nobody has an object any more."""
        del self.objects[_cid(name)]

    # What follows

    def replace(self, old: str, new: str) -> None:
        """A word of 32 bytes becomes another everywhere on the chain."""
        for section in (self.logs, self.transactions, self.calls):
            for key, value in section.items():
                section[key] = json.loads(json.dumps(value).replace(old, new))

    def decision(self, job: int) -> Digest:
        """The digest of a job's decision, from its event."""
        (key,) = self.events(job, "JobReleased") or self.events(job, "JobRefused")
        return Digest(self.args(key)["decision"])

    def sealed(self, job: int) -> Digest:
        """The digest of a job's sealed result."""
        (key,) = self.events(job, "JobReleased")
        return Digest(self.args(key)["sealedDigest"])

    def receipt(self, job: int) -> Receipt:
        """The receipt that a job's executors agreed on."""
        return Receipt.from_bytes(self.read(self.result("JobMarket", "get", job)["receipt"]))

    def lie(self, number: int, /, **changes: Any) -> None:
        """All executors committed to, revealed and agreed on another receipt, and the custodian went along."""
        old = self.receipt(number)
        new = old.model_copy(update=changes)
        self.put(new.to_bytes())
        market = self.addresses["JobMarket"]
        for key in self.events(number, "Revealed"):
            who, salt = self.args(key)["provider"], self.transactions[self.logs[key]["transactionHash"]]["input"][-64:]
            self.replace(*(commitment(old.chain_id, market, number, who, each.digest, salt) for each in (old, new)))
        self.replace(old.digest, new.digest)
        if self.events(number, "JobReleased"):
            self.reseal(number, receipt=new.digest)
            self.redecide(number, receipt=new.digest)

    def redecide(self, number: int, /, *, signer: str = "owner", sign: bool = True, **changes: Any) -> None:
        """The custodian decided otherwise; `sign` False leaves the signature that stood there."""
        old = Decision.from_bytes(self.read(self.decision(number)))
        new = old.model_copy(update=changes)
        if sign:
            unsigned = new.model_copy(update={"signature": ""})
            new = new.model_copy(update={"signature": person(signer).sign_digest(unsigned.digest)})
        self._renew(old, new)
        self.rehead()

    def reseal(self, number: int, /, **changes: Any) -> None:
        """The sealed result says another context."""
        old = SealedResult.from_bytes(self.read(self.sealed(number)))
        self._renew(old, old.model_copy(update={"context": old.context.model_copy(update=changes)}))

    def reseal_as(self, job: int, **changes: Any) -> None:
        """The sealed result's document says something else about its ciphertext."""
        old = SealedResult.from_bytes(self.read(self.sealed(job)))
        self._renew(old, old.model_copy(update=changes))

    def _renew(self, old: Document, new: Document) -> None:
        self.put(new.to_bytes())
        self.replace(old.digest, new.digest)

    def rehead(self) -> None:
        """The dataset's head follows from its answers again."""
        head = ZERO
        keys = [key for job in range(1, 7) for name in ("JobReleased", "JobRefused") for key in self.events(job, name)]
        for key in sorted(keys, key=place):
            head = next_head(head, self.args(key)["job"], self.args(key)["decision"])
        self.answer("JobMarket", "decisionHead", 1, value=head)

    def republish(self, change: Callable[[Args], None], *, lie: bool = True, **recorded: Any) -> None:
        """Another manifest, of which the chain records the digest and `recorded`; with `lie`, receipts name it too."""
        key = self.events(0, "DatasetVersion")[-1]
        args = self.args(key)
        strict = json.loads(self.read(args["manifest"]))["darkroom"]
        change(strict)
        data = Manifest.model_validate_json(canonical(strict)).to_bytes()
        self.put(data)
        stored = self.result("DatasetRegistry", "get", 1)
        new = args | {"manifest": sha256(data)} | recorded
        self.edit(key, **new)
        words = (new["manifest"], RAW_CODEC, new["dataRoot"], new["profile"])
        self.amend(
            "DatasetRegistry", "get", 1, content=content(*words), **{k: v for k, v in recorded.items() if k in stored}
        )
        if not lie:
            return
        for job in range(1, 7):
            if self.events(job, "JobReleased"):
                self.reseal(job, manifest=new["manifest"])
            self.lie(job, manifest=new["manifest"], data_root=new["dataRoot"])

    def reorder_circuit(self, job: int, circuit: bytes) -> None:
        """The buyer had ordered another circuit."""
        old = self.receipt(job)
        self.put(circuit)
        self.replace(old.circuit, sha256(circuit))
        self.reseal(job, circuit=sha256(circuit))
        self.lie(job, circuit=sha256(circuit))

    def state(self, number: int, program: str) -> None:
        """The buyer had stated another program, and the contract keeps that."""
        (key,) = self.events(number, "ProgramStated")
        self.edit(key, program=program)
        order = self.args(*self.events(number, "JobOpened"))
        kept = self.result("DatasetRegistry", "get", 1)["content"]
        words = [bytes.fromhex(order["circuit"]), order["firstRow"], order["rows"]]
        data = encode(ORDER_TYPES, [*words, bytes.fromhex(kept), bytes.fromhex(program)])
        self.answer("JobMarket", "orderDigest", number, value=bytes(keccak(data)).hex())

    def output(self, job: int, data: bytes) -> None:
        """All executors agreed on other output bytes."""
        self.lie(job, output=self.put(data), output_bytes=len(data), output_root=root_of(data))


def place(key: str) -> tuple[int, ...]:
    """Where an event is in the chain: its block and its index in it."""
    return tuple(map(int, key.split(".")))


def _cid(name: str) -> str:
    return name if len(name) != len(ZERO) else digest_to_cid(Digest(name))


def _plain(value: Any) -> Any:
    """A decoded value as it is encoded: structs as tuples."""
    if isinstance(value, dict):
        return tuple(_plain(each) for each in value.values())
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
