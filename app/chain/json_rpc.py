"""Answering JSON-RPC 2.0: a table of methods, and errors by the numbers that Ethereum's clients know."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from app.chain.node import ExecutionReverted, NonceTaken
from app.protocol.errors import BadInput, DarkroomError

INVALID, NO_METHOD, BAD_PARAMS, SERVER = -32600, -32601, -32602, -32000
REVERT = 3  # as geth

Answer = dict[str, Any]
Methods = Mapping[str, Callable[..., Any]]


class Answering(Protocol):
    """A chain, or a recording of one, that answers in this process."""

    def answer(self, request: Any) -> Answer:
        """The response to one JSON-RPC request."""


def answer(request: Any, methods: Methods, reason: Callable[[ExecutionReverted], str]) -> Answer:
    """The response to one request; never raises for what a client or the chain did.

    `reason` says in words why a contract refused, which goes after "execution reverted"; its own bytes are the data.
    """
    if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
        return _error(None, INVALID, "This is not a JSON-RPC 2.0 request.")
    key, name, params = request.get("id"), request.get("method"), request.get("params", [])
    if key is not None and not isinstance(key, str | int | float):
        return _error(None, INVALID, "A request's id is text or a number.")
    method = methods.get(name) if isinstance(name, str) else None
    if method is None:
        return _error(key, NO_METHOD, "This method is not offered here.")
    if not isinstance(params, list) or not _fits(method, params):
        return _error(key, BAD_PARAMS, f"{name} takes other parameters.")
    try:
        return {"jsonrpc": "2.0", "id": key, "result": method(*params)}
    except ExecutionReverted as error:
        why = ": ".join(each for each in ("execution reverted", reason(error)) if each)
        return _error(key, REVERT, why, "0x" + error.data.hex())
    except NonceTaken:
        return _error(key, SERVER, "nonce too low")
    except BadInput as error:
        return _error(key, BAD_PARAMS, str(error))
    except DarkroomError as error:
        return _error(key, SERVER, str(error))


def to_text(value: Any, what: str) -> str:
    """A parameter that must be text. Errors: BadInput."""
    if not isinstance(value, str):
        raise BadInput(f"{what} is text.")
    return value


def to_data(value: Any) -> bytes:
    """A parameter's bytes. Errors: BadInput."""
    if not isinstance(value, str) or not re.fullmatch(r"0x([0-9a-fA-F]{2})*", value):
        raise BadInput("Bytes are 0x and an even number of hex digits.")
    return bytes.fromhex(value[2:])


def to_hash(value: Any, what: str = "A transaction") -> str:
    """The hash of a block or a transaction, in lower case. Errors: BadInput."""
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{64}", value):
        raise BadInput(f"{what} is named by 0x and 64 hex digits.")
    return value.lower()


def to_quantity(value: Any) -> int:
    """A parameter's number. Errors: BadInput."""
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,64}", value):
        raise BadInput("A number is 0x and up to 64 hex digits.")
    return int(value, 16)


def _fits(method: Callable[..., Any], params: list[Any]) -> bool:
    try:
        inspect.signature(method).bind(*params)
    except TypeError:
        return False
    return True


def _error(key: Any, code: int, message: str, data: str | None = None) -> Answer:
    error = {"code": code, "message": message} | ({"data": data} if data is not None else {})
    return {"jsonrpc": "2.0", "id": key, "error": error}
