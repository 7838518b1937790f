"""Answers as they go out: models that are serialised once, and objects that never change."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from starlette.responses import Response

JSON = "application/json"
FOREVER = "public, max-age=31536000, immutable"


def reply(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A model as JSON. Routes return this instead of the model, which FastAPI would validate a second time."""
    return Response(model.model_dump_json(), status, dict(headers or {}), JSON)


def frozen(data: bytes, name: str, media: str, asked: str | None) -> Response:
    """Bytes that are what their name says for ever; nothing when the client has them already."""
    headers = {"etag": f'"{name}"', "cache-control": FOREVER}
    if asked is not None and f'"{name}"' in [tag.strip().removeprefix("W/") for tag in asked.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=media)
