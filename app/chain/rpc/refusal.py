"""What a node's error answer means: a contract's refusal, the node's own, or only too many questions.

web3.py's own reading is not used here. It takes every error with a `data` object for a contract's revert, also a rate
limit or a missing block, and reverts are what a caller must be able to trust.
"""

from __future__ import annotations

from typing import Any

from app.chain.node import ExecutionReverted

RATE_CODES = (429, -32029)
RATE_WORDS = (
    "rate limit", "rate-limit", "ratelimit", "too many requests", "per second", "compute units", "request limit",
    "requests limit", "request count", "throttle", "quota", "slow down",
)  # fmt: skip


class RpcRefused(Exception):
    """The node answered with an error that is not a revert."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def limited(self) -> bool:
        """Whether the node minds how often it is asked, not what. (-32005 alone is also "too many results".)"""
        message = self.message.lower()
        return self.code in RATE_CODES or any(words in message for words in RATE_WORDS)


def read_refusal(error: Any) -> ExecutionReverted | RpcRefused:
    """Nodes differ in where they put revert data: `data` as text, nested `data.data`, or nowhere."""
    error = error if isinstance(error, dict) else {"message": str(error)}
    message, data = str(error.get("message", "")), error.get("data")
    if isinstance(data, dict):
        data = data.get("data") or data.get("result")
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return ExecutionReverted(bytes.fromhex(data[2:]), message)
        except ValueError:
            pass
    if error.get("code") == 3 or "revert" in message.lower():
        return ExecutionReverted(b"", message)
    code = error.get("code")
    return RpcRefused(code if isinstance(code, int) else 0, message)
