"""The embedded chain as a web3.py provider: `Web3(EmbeddedProvider(chain))`."""

from __future__ import annotations

import json
from typing import Any, cast

from app.chain.json_rpc import Answering
from app.chain.recursion_limit import limit_kept

with limit_kept():
    from web3.providers.base import JSONBaseProvider
    from web3.types import RPCEndpoint, RPCResponse


class EmbeddedProvider(JSONBaseProvider):
    """Requests become JSON and back, so that answers have the form that they have from a node behind HTTP.

    CCIP-Read is off: no contract makes this process open a connection.
    """

    global_ccip_read_enabled = False

    def __init__(self, chain: Answering) -> None:
        super().__init__()
        self._chain = chain

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The response of `app.chain.evm.eth_api`."""
        return cast("RPCResponse", self._chain.answer(json.loads(self.encode_rpc_request(method, params))))

    def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """The same one after the other."""
        return [self.make_request(method, params) for method, params in requests]
