"""The link at a page's foot that puts all pages into another language."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse

from app.market.web.language.catalogue import LANGUAGES
from app.market.web.language.choice import COOKIE
from app.market.web.pages.site import Visiting
from app.protocol.errors import NotFound

router = APIRouter()
YEAR = 31_536_000  # seconds
OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")  # of this site: a browser reads // and /\ as another's


@router.get("/language/{tag}")
def choose_language(here: Visiting, tag: str, to: Annotated[str, Query(max_length=4_000)] = "/") -> RedirectResponse:
    """Keep the choice in a cookie, which says nothing else, and go back to the page. Errors: NotFound."""
    if tag not in LANGUAGES:
        raise NotFound("There are no pages in this language.", "Choose one at the foot of a page.")
    answer = RedirectResponse(to if OWN_PATH.fullmatch(to) else "/", 303, {"cache-control": "no-store"})
    answer.set_cookie(
        COOKIE, tag, max_age=YEAR, path="/", secure=here.backend.settings.secure, httponly=True, samesite="lax"
    )
    return answer
