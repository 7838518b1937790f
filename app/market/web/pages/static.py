"""Static files, kept by browsers for a year: their address changes when they do."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from app.market.web.pages.site import Visiting
from app.protocol.errors import NotFound

router = APIRouter()
YEAR = "public, max-age=31536000, immutable"


@router.get("/static/{version}/{name:path}")
def static_file(here: Visiting, version: str, name: str) -> Response:
    """One file of this version. Errors: NotFound for another version's, so that no page mixes two."""
    asset = here.site.assets.find(version, name)
    if asset is None:
        raise NotFound("This node does not have that file.", "Load the page again: the node may be newer than it.")
    return Response(asset.data, headers={"cache-control": YEAR}, media_type=asset.media_type)
