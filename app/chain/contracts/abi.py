"""A contract's ABI as Python values: calls encoded, returns, events and custom errors decoded.

Signatures, selectors and topics are eth-utils', the coding is eth-abi's: the parts of web3 that start in a quarter of
its time and decode in a third of it (docs/adr/0023). Here are the forms that the rest of Darkroom speaks. Out come
addresses as EIP-55 text, `bytes32` as 64 hex digits, structs as dicts by field, arrays as tuples. In go the same, with
structs as tuples in the order of their fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_abi.codec import ABIDecoder
from eth_abi.decoding import StringDecoder
from eth_abi.encoding import TextStringEncoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import BaseEquals
from eth_abi.registry import registry as usual_registry
from eth_utils.abi import abi_to_signature, collapse_if_tuple
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from app.protocol.errors import BadInput, VerificationFailed

Entry = Mapping[str, Any]  # of an ABI's JSON: a function, event or error, or one of its parameters
WORD_BYTES = 32
PANICS = {0x01: "assertion", 0x11: "overflow", 0x12: "division by zero", 0x21: "bad enum", 0x32: "index out of range"}


class _AnyText(StringDecoder):
    """Text as the chain has it. Anybody can put bytes there that are no text: they are shown as such, and are no reason
    not to read the block.
    """

    def __init__(self, handle_string_errors: str = "replace") -> None:
        super().__init__(handle_string_errors)  # type: ignore[no-untyped-call]


_registry = usual_registry.copy()  # type: ignore[no-untyped-call]
_registry.unregister("string")
_registry.register(BaseEquals("string"), TextStringEncoder, _AnyText, label="string")  # type: ignore[no-untyped-call]
DECODER = ABIDecoder(_registry)


class Parameters:
    """Those of a function, event or error, in order: `kinds` are their types, structs written out."""

    def __init__(self, params: Iterable[Entry]) -> None:
        self._params = tuple(params)
        self.kinds = [str(collapse_if_tuple(dict(param))) for param in self._params]
        self.names = [str(param.get("name", "")) for param in self._params]

    def encode(self, values: Sequence[Any], name: str) -> bytes:
        """Hex text is taken for bytes. `name` is what the values belong to. Errors: BadInput."""
        try:
            plain = [_to_wire(*each) for each in zip(self._params, self.kinds, values, strict=True)]
            return bytes(encode(self.kinds, plain))
        except (EncodingError, ValueError, TypeError) as error:
            raise BadInput(f"The arguments of {name} do not fit the contract: {error}.") from None

    def decode(self, data: bytes, name: str) -> tuple[Any, ...]:
        """Inverse of `encode`. Errors: VerificationFailed when `data` does not have this shape."""
        try:
            values = DECODER.decode(self.kinds, data)
        except (DecodingError, OverflowError, ValueError) as error:
            raise VerificationFailed(f"The chain's answer to {name} is not of its declared form: {error}.") from None
        return tuple(_from_wire(*each) for each in zip(self._params, self.kinds, values, strict=True))


class Signature:
    """A function, event or error. `digest` is the Keccak-256 of its text, such as transfer(address,uint256): an event's
    first topic; its first four bytes select a function or an error.
    """

    def __init__(self, entry: Entry) -> None:
        self.name = str(entry.get("name", entry["type"]))
        self.text = str(abi_to_signature({"name": self.name, **entry}))  # type: ignore[arg-type]
        self.digest = bytes(keccak(text=self.text))
        inputs = entry.get("inputs", ())
        self.inputs, self.outputs = Parameters(inputs), Parameters(entry.get("outputs", ()))
        self.indexed = Parameters(each for each in inputs if each.get("indexed"))
        self.plain = Parameters(each for each in inputs if not each.get("indexed"))


ERROR_STRING = Signature({"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]})
PANIC = Signature({"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]})


@dataclass(frozen=True)
class CustomError:
    """A decoded revert; `args` by name."""

    name: str
    args: Mapping[str, Any]


class Interface:
    """What one contract understands, emits and reverts with."""

    def __init__(self, abi: Iterable[Entry]) -> None:
        entries = list(abi)
        of = {kind: [Signature(each) for each in entries if each["type"] == kind] for kind in KINDS}
        self.functions = {signature.text: signature for signature in of["function"]}
        self.events = {signature.digest: signature for signature in of["event"]}
        self.errors = {signature.digest[:4]: signature for signature in of["error"]}
        self.constructor = (of["constructor"] or [Signature({"type": "constructor"})])[0]

    def encode_call(self, name: str, args: Sequence[Any]) -> bytes:
        """Selector and arguments. Errors: BadInput for arguments that do not fit their types."""
        signature = self.function(name, len(args))
        return signature.digest[:4] + signature.inputs.encode(args, signature.name)

    def decode_result(self, name: str, args: Sequence[Any], data: bytes) -> tuple[Any, ...]:
        """A function's return values. Errors: VerificationFailed when `data` does not have their shape."""
        signature = self.function(name, len(args))
        return signature.outputs.decode(data, signature.name)

    def decode_event(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
        """Name and arguments of an event, or None when this contract does not declare it.

        Errors: VerificationFailed when topics or data contradict the declaration.
        """
        event = self.events.get(topics[0]) if topics else None
        if event is None:
            return None
        words = topics[1:]
        if len(words) != len(event.indexed.kinds) or any(len(word) != WORD_BYTES for word in words):
            raise VerificationFailed(f"An event {event.name} has {len(words)} indexed arguments.")
        args = dict(zip(event.plain.names, event.plain.decode(data, event.name), strict=True))
        args |= zip(event.indexed.names, event.indexed.decode(b"".join(words), event.name), strict=True)
        return event.name, {name: args[name] for name in event.inputs.names}

    def function(self, name: str, count: int) -> Signature:
        """By name and number of arguments, or by full text for overloads that agree in both."""
        if name in self.functions:
            return self.functions[name]
        found = [s for s in self.functions.values() if s.name == name and len(s.inputs.kinds) == count]
        if len(found) != 1:
            raise BadInput(f"The contract has {len(found)} functions {name} with {count} arguments, not one.")
        return found[0]

    def takes(self, name: str, count: int) -> bool:
        """Whether there is a function of this name with so many arguments."""
        return any(each.name == name and len(each.inputs.kinds) == count for each in self.functions.values())

    def topic(self, event: str) -> bytes:
        """The first topic of an event."""
        (digest,) = (digest for digest, signature in self.events.items() if signature.name == event)
        return digest


KINDS = ("function", "event", "error", "constructor")


def decode_revert(data: bytes, interfaces: Iterable[Interface]) -> CustomError | None:
    """The error behind revert data: a custom error of one of these contracts, Error(string) or Panic(uint256)."""
    selector, body = data[:4], data[4:]
    try:
        if selector == ERROR_STRING.digest[:4]:
            return CustomError("Error", {"message": ERROR_STRING.inputs.decode(body, "Error")[0]})
        if selector == PANIC.digest[:4]:
            code = PANIC.inputs.decode(body, "Panic")[0]
            return CustomError("Panic", {"message": PANICS.get(code, f"panic {code}")})
        for interface in interfaces:
            if error := interface.errors.get(selector):
                values = error.inputs.decode(body, error.name)
                return CustomError(error.name, dict(zip(error.inputs.names, values, strict=True)))
    except VerificationFailed:
        return None
    return None


def _to_wire(param: Entry, kind: str, value: Any) -> Any:
    """Hex to bytes, also inside structs and arrays; addresses and text stay as they are."""
    if kind.endswith("]"):
        return [_to_wire(param, kind[: kind.rindex("[")], item) for item in value]
    if fields := param.get("components"):
        return tuple(_to_wire(each, each["type"], item) for each, item in zip(fields, value, strict=True))
    if kind.startswith("bytes") and isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x"))
    return value


def _from_wire(param: Entry, kind: str, value: Any) -> Any:
    if kind.endswith("]"):
        return tuple(_from_wire(param, kind[: kind.rindex("[")], item) for item in value)
    if fields := param.get("components"):
        return {each["name"]: _from_wire(each, each["type"], item) for each, item in zip(fields, value, strict=True)}
    if kind == "address":
        return str(to_checksum_address(value))
    if kind.startswith("bytes") and kind != "bytes":
        return bytes(value).hex()
    return value
