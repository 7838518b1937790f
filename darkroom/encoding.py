"""The dataset's codebook as a step of a scikit-learn Pipeline."""

from __future__ import annotations

from app.client.encoder import CodebookEncoder

__all__ = ["CodebookEncoder"]
