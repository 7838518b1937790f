"""A web3.py client's way to the same endpoints, within the same bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from app.chain.recursion_limit import limit_kept

with limit_kept():
    from web3.providers.base import JSONBaseProvider
    from web3.types import RPCEndpoint, RPCResponse

if TYPE_CHECKING:
    from app.chain.rpc.provider import Endpoint


class Web3Provider(JSONBaseProvider):
    """Writes requests as web3.py does, and leaves the rest to our own provider. CCIP-Read is off: no contract makes
    this process open a connection.
    """

    global_ccip_read_enabled = False

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._endpoint.host!r})"

    __repr__ = __str__

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """As `BoundedProvider.make_request`."""
        return cast("RPCResponse", self._endpoint.send(method, self.encode_rpc_request(method, params)))

    def make_batch_request(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """As `BoundedProvider.make_batch_request`."""
        body = self.encode_batch_rpc_request(batch_requests)
        answers = self._endpoint.send("a batch", body, len(batch_requests))
        return sorted(cast("list[RPCResponse]", answers), key=lambda answer: str(answer.get("id")).zfill(20))
