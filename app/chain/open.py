"""The node that a setting names."""

from __future__ import annotations

from app.chain.node import ChainNode
from app.protocol.errors import UsageError


def open_node(url: str, *fallbacks: str) -> ChainNode:
    """The node that `url` names: `embedded:PATH` or an http(s) JSON-RPC endpoint, which `fallbacks` may stand in for.

    Errors: UsageError, Unavailable.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "embedded" and rest:
        from app.chain.evm.embedded import EmbeddedChain

        return EmbeddedChain(rest)
    if all(each.startswith(("http:", "https:")) for each in (url, *fallbacks)):
        from app.chain.rpc.node import connect

        return connect(url, *fallbacks)
    raise UsageError(
        f"A chain is named by embedded:PATH or by an http(s) URL, not by something that begins with {scheme!r}.",
        "Set the chain in the node settings, for example embedded:chain.sqlite.",
    )
