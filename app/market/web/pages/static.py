"""Static files, kept by browsers for a year: their address changes when they do."""

from __future__ import annotations

import gzip
from functools import lru_cache

from fastapi import APIRouter
from fastapi.responses import Response

from app.market.web.pages.assets import Asset
from app.market.web.pages.site import Visiting
from app.protocol.errors import NotFound

router = APIRouter()
YEAR = "public, max-age=31536000, immutable"
LEAST = 1024  # bytes; below, compressing gains nothing


@router.get("/static/{version}/{name:path}")
def static_file(here: Visiting, version: str, name: str) -> Response:
    """One file of this version. Errors: NotFound for another version's, so that no page mixes two."""
    asset = here.site.assets.find(version, name)
    if asset is None:
        raise NotFound("This node does not have that file.", "Load the page again: the node may be newer than it.")
    headers = {"cache-control": YEAR, "vary": "accept-encoding"}
    if len(asset.data) >= LEAST and "gzip" in here.request.headers.get("accept-encoding", ""):
        return Response(_gzip(asset), headers=headers | {"content-encoding": "gzip"}, media_type=asset.media_type)
    return Response(asset.data, headers=headers, media_type=asset.media_type)


@lru_cache(maxsize=256)
def _gzip(asset: Asset) -> bytes:
    return gzip.compress(asset.data, 9, mtime=0)
