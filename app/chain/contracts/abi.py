"""A contract's ABI as Python values: calls encoded, returns, events and custom errors decoded.

Out come addresses as EIP-55 text, `bytes32` as 64 hex digits, structs as dicts by field, arrays as tuples. In go the
same, with structs as tuples in the order of their fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from app.protocol.errors import BadInput, VerificationFailed

Entry = Mapping[str, Any]
PANICS = {0x01: "assertion", 0x11: "overflow", 0x12: "division by zero", 0x21: "bad enum", 0x32: "index out of range"}


@dataclass(frozen=True)
class Param:
    """One argument or return value. `kind` is its type with structs written out: (address,uint256)[]."""

    name: str
    kind: str
    indexed: bool = False
    fields: tuple[Param, ...] = ()

    @classmethod
    def of(cls, entry: Entry) -> Param:
        """From the ABI's JSON."""
        fields = tuple(cls.of(part) for part in entry.get("components", ()))
        return cls(entry.get("name", ""), str(collapse_if_tuple(dict(entry))), bool(entry.get("indexed")), fields)


@dataclass(frozen=True)
class Signature:
    """A function, event or error."""

    name: str
    params: tuple[Param, ...]
    returns: tuple[Param, ...] = ()

    @property
    def text(self) -> str:
        """For example transfer(address,uint256)."""
        return f"{self.name}({','.join(param.kind for param in self.params)})"

    @property
    def digest(self) -> bytes:
        """Keccak-256 of the text: an event's first topic; its first four bytes select a function or an error."""
        return bytes(keccak(text=self.text))


ERROR_STRING = Signature("Error", (Param("message", "string"),))
PANIC = Signature("Panic", (Param("code", "uint256"),))


@dataclass(frozen=True)
class CustomError:
    """A decoded revert; `args` by name."""

    name: str
    args: Mapping[str, Any]


class Interface:
    """What one contract understands, emits and reverts with."""

    def __init__(self, abi: Iterable[Entry]) -> None:
        entries = list(abi)
        self.functions = {signature.text: signature for signature in _signatures(entries, "function")}
        self.events = {signature.digest: signature for signature in _signatures(entries, "event")}
        self.errors = {signature.digest[:4]: signature for signature in _signatures(entries, "error")}
        self.constructor = next(iter(_signatures(entries, "constructor")), Signature("constructor", ()))

    def encode_call(self, name: str, args: Sequence[Any]) -> bytes:
        """Selector and arguments. Errors: BadInput for arguments that do not fit their types."""
        signature = self.function(name, len(args))
        return signature.digest[:4] + encode_args(signature, args)

    def decode_result(self, name: str, args: Sequence[Any], data: bytes) -> tuple[Any, ...]:
        """A function's return values. Errors: VerificationFailed when `data` does not have their shape."""
        signature = self.function(name, len(args))
        return _decode(signature.returns, data, signature.name)

    def decode_event(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
        """Name and arguments of an event, or None when this contract does not declare it.

        Errors: VerificationFailed when topics or data contradict the declaration.
        """
        signature = self.events.get(topics[0]) if topics else None
        if signature is None:
            return None
        indexed = [param for param in signature.params if param.indexed]
        plain = [param for param in signature.params if not param.indexed]
        if len(topics) - 1 != len(indexed):
            raise VerificationFailed(f"An event {signature.name} has {len(topics) - 1} indexed arguments.")
        args = dict(zip((p.name for p in plain), _decode(plain, data, signature.name), strict=True))
        for param, topic in zip(indexed, topics[1:], strict=True):
            (args[param.name],) = _decode((param,), topic, signature.name)
        return signature.name, {param.name: args[param.name] for param in signature.params}

    def function(self, name: str, count: int) -> Signature:
        """By name and number of arguments, or by full text for overloads that agree in both."""
        if name in self.functions:
            return self.functions[name]
        found = [s for s in self.functions.values() if s.name == name and len(s.params) == count]
        if len(found) != 1:
            raise BadInput(f"The contract has {len(found)} functions {name} with {count} arguments, not one.")
        return found[0]

    def topic(self, event: str) -> bytes:
        """The first topic of an event."""
        (digest,) = (digest for digest, signature in self.events.items() if signature.name == event)
        return digest


def decode_revert(data: bytes, interfaces: Iterable[Interface]) -> CustomError | None:
    """The error behind revert data: a custom error of one of these contracts, Error(string) or Panic(uint256)."""
    selector, body = data[:4], data[4:]
    try:
        if selector == ERROR_STRING.digest[:4]:
            return CustomError("Error", {"message": _decode(ERROR_STRING.params, body, "Error")[0]})
        if selector == PANIC.digest[:4]:
            code = _decode(PANIC.params, body, "Panic")[0]
            return CustomError("Panic", {"message": PANICS.get(code, f"panic {code}")})
        for interface in interfaces:
            if signature := interface.errors.get(selector):
                values = _decode(signature.params, body, signature.name)
                return CustomError(signature.name, dict(zip((p.name for p in signature.params), values, strict=True)))
    except VerificationFailed:
        return None
    return None


def encode_args(signature: Signature, args: Sequence[Any]) -> bytes:
    """ABI encoding of arguments; hex text is taken for bytes. Errors: BadInput."""
    try:
        values = [_to_wire(param.kind, value) for param, value in zip(signature.params, args, strict=True)]
        return bytes(encode([param.kind for param in signature.params], values))
    except (EncodingError, ValueError, TypeError) as error:
        raise BadInput(f"The arguments of {signature.name} do not fit the contract: {error}.") from None


def _to_wire(kind: str, value: Any) -> Any:
    """Hex to bytes, also inside structs and arrays."""
    if kind.endswith("[]"):
        return [_to_wire(kind[:-2], item) for item in value]
    if kind.startswith("("):
        return tuple(bytes.fromhex(v) if isinstance(v, str) and not v.startswith("0x") else v for v in value)
    if kind.startswith("bytes") and isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x"))
    return value


def _decode(params: Sequence[Param], data: bytes, name: str) -> tuple[Any, ...]:
    try:
        values = decode([param.kind for param in params], data)
    except (DecodingError, OverflowError, ValueError) as error:
        raise VerificationFailed(f"The chain's answer to {name} is not of its declared form: {error}.") from None
    return tuple(_from_wire(param, param.kind, value) for param, value in zip(params, values, strict=True))


def _from_wire(param: Param, kind: str, value: Any) -> Any:
    if kind.endswith("]"):
        return tuple(_from_wire(param, kind[: kind.rindex("[")], item) for item in value)
    if param.fields:
        return {f.name: _from_wire(f, f.kind, item) for f, item in zip(param.fields, value, strict=True)}
    if kind == "address":
        return str(to_checksum_address(value))
    if kind.startswith("bytes") and kind != "bytes":
        return bytes(value).hex()
    return value


def _signatures(entries: Iterable[Entry], kind: str) -> Iterable[Signature]:
    for entry in entries:
        if entry["type"] == kind:
            yield Signature(
                entry.get("name", kind),
                tuple(Param.of(each) for each in entry.get("inputs", ())),
                tuple(Param.of(each) for each in entry.get("outputs", ())),
            )
