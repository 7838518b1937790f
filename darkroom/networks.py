"""Networks that are made for circuits; scikit-learn is imported with the first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhe.compile.networks.lookup_network import LookupNetwork

__all__ = ["LookupNetwork"]


def __getattr__(name: str) -> Any:
    if name != "LookupNetwork":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fhe.compile.networks.lookup_network import LookupNetwork

    return LookupNetwork
