"""Bodies that are read as bytes, because their bytes are what counts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request


async def _read(request: Request) -> bytes:
    return await request.body()  # bounded by the shield


Raw = Annotated[bytes, Depends(_read)]


def raw_body(media: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    """OpenAPI's words for such a body."""
    return {"requestBody": {"required": True, "content": {media: {"schema": schema, "example": example}}}}
