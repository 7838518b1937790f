"""A contract's ABI as Python values: calls encoded, returns, events and custom errors decoded.

Addresses come out as EIP-55 text, `bytes32` as 64 hex digits, structs as tuples in the order of their fields.
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
class Signature:
    """The types behind one name of an ABI."""

    name: str
    types: tuple[str, ...]
    names: tuple[str, ...]
    indexed: tuple[bool, ...]
    returns: tuple[str, ...]

    @property
    def text(self) -> str:
        """For example transfer(address,uint256)."""
        return f"{self.name}({','.join(self.types)})"

    @property
    def hash(self) -> bytes:
        """Keccak-256 of the text: an event's first topic; its first four bytes select a function or an error."""
        return bytes(keccak(text=self.text))


@dataclass(frozen=True)
class CustomError:
    """A decoded revert. `args` are in the order of the declaration."""

    name: str
    args: Mapping[str, Any]


class Interface:
    """What one contract understands, emits and reverts with."""

    def __init__(self, abi: Iterable[Entry]) -> None:
        entries = list(abi)
        self.functions = {s.text: s for s in _signatures(entries, "function")}
        self._by_name: dict[str, list[Signature]] = {}
        for signature in self.functions.values():
            self._by_name.setdefault(signature.name, []).append(signature)
        self.events = {s.hash: s for s in _signatures(entries, "event")}
        self.errors = {s.hash[:4]: s for s in _signatures(entries, "error")}
        self.constructor = next((tuple(_types(e.get("inputs", ()))) for e in entries if e["type"] == "constructor"), ())

    def encode_call(self, name: str, args: Sequence[Any]) -> bytes:
        """Selector and arguments. Errors: BadInput for arguments that do not fit their types."""
        signature = self._find(name, len(args))
        return signature.hash[:4] + encode_args(signature.types, args, signature.name)

    def decode_result(self, name: str, args: Sequence[Any], data: bytes) -> tuple[Any, ...]:
        """A function's return values. Errors: VerificationFailed when `data` does not have their shape."""
        signature = self._find(name, len(args))
        return _decode(signature.returns, data, signature.name)

    def decode_event(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
        """Name and arguments of an event, or None when this contract does not declare it.

        Errors: VerificationFailed when topics or data contradict the declaration.
        """
        signature = self.events.get(topics[0]) if topics else None
        if signature is None:
            return None
        plain = [t for t, indexed in zip(signature.types, signature.indexed, strict=True) if not indexed]
        values, hashed = iter(_decode(plain, data, signature.name)), iter(topics[1:])
        if len(topics) - 1 != sum(signature.indexed):
            raise VerificationFailed(f"An event {signature.name} has {len(topics) - 1} indexed arguments.")
        args: dict[str, Any] = {}
        for name, kind, indexed in zip(signature.names, signature.types, signature.indexed, strict=True):
            args[name] = _decode((kind,), next(hashed), signature.name)[0] if indexed else next(values)
        return signature.name, args

    def _find(self, name: str, count: int) -> Signature:
        """By name and number of arguments, or by full text for overloads."""
        if name in self.functions:
            return self.functions[name]
        (signature,) = (s for s in self._by_name[name] if len(s.types) == count)
        return signature


def decode_revert(data: bytes, interfaces: Iterable[Interface]) -> CustomError | None:
    """The error behind revert data: a custom error of one of these contracts, Error(string) or Panic(uint256)."""
    selector, body = data[:4], data[4:]
    try:
        if selector == ERROR_STRING.hash[:4]:
            return CustomError("Error", {"message": _decode(("string",), body, "Error")[0]})
        if selector == PANIC.hash[:4]:
            code = _decode(("uint256",), body, "Panic")[0]
            return CustomError("Panic", {"message": PANICS.get(code, f"code {code}")})
        for interface in interfaces:
            if signature := interface.errors.get(selector):
                values = _decode(signature.types, body, signature.name)
                return CustomError(signature.name, dict(zip(signature.names, values, strict=True)))
    except VerificationFailed:
        return None
    return None


def encode_args(types: Sequence[str], args: Sequence[Any], name: str) -> bytes:
    """ABI encoding; hex text is taken for bytes32. Errors: BadInput."""
    try:
        return bytes(encode(types, [_to_wire(kind, value) for kind, value in zip(types, args, strict=True)]))
    except (EncodingError, ValueError, TypeError) as error:
        raise BadInput(f"The arguments of {name} do not fit the contract: {error}.") from None


def _to_wire(kind: str, value: Any) -> Any:
    if kind.startswith("bytes") and isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x"))
    if kind.endswith("[]"):
        return [_to_wire(kind[:-2], item) for item in value]
    return value


def _decode(types: Sequence[str], data: bytes, name: str) -> tuple[Any, ...]:
    try:
        values = decode(types, data)
    except (DecodingError, OverflowError, ValueError) as error:
        raise VerificationFailed(f"The chain's answer to {name} is not of its declared form: {error}.") from None
    return tuple(_from_wire(kind, value) for kind, value in zip(types, values, strict=True))


def _from_wire(kind: str, value: Any) -> Any:
    if kind.endswith("]"):
        return tuple(_from_wire(kind[: kind.rindex("[")], item) for item in value)
    if kind.startswith("("):
        return tuple(_from_wire(part, item) for part, item in zip(_split(kind), value, strict=True))
    if kind == "address":
        return str(to_checksum_address(value))
    if kind.startswith("bytes") and kind != "bytes":
        return bytes(value).hex()
    return value


def _split(kind: str) -> list[str]:
    """The member types of a tuple type."""
    parts, depth, start = [], 0, 1
    for position, letter in enumerate(kind):
        depth += (letter == "(") - (letter == ")")
        if (letter == "," and depth == 1) or depth == 0:
            parts.append(kind[start:position])
            start = position + 1
    return parts


def _types(inputs: Iterable[Any]) -> list[str]:
    return [str(collapse_if_tuple(entry)) for entry in inputs]


def _signatures(entries: Iterable[Entry], kind: str) -> Iterable[Signature]:
    for entry in entries:
        if entry["type"] == kind:
            inputs = entry.get("inputs", ())
            yield Signature(
                name=entry["name"],
                types=tuple(_types(inputs)),
                names=tuple(each["name"] for each in inputs),
                indexed=tuple(bool(each.get("indexed")) for each in inputs),
                returns=tuple(_types(entry.get("outputs", ()))),
            )


ERROR_STRING = Signature("Error", ("string",), ("message",), (False,), ())
PANIC = Signature("Panic", ("uint256",), ("code",), (False,), ())
