"""The dataset's codebook as a step of a scikit-learn Pipeline; scikit-learn is imported with the first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.client.encoder import CodebookEncoder

__all__ = ["CodebookEncoder"]


def __getattr__(name: str) -> Any:
    if name != "CodebookEncoder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from app.client.encoder import CodebookEncoder

    return CodebookEncoder
