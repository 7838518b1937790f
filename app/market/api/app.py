"""The application, put together from settings and parts.

    app = create_app(Settings(), Parts(market, store, database))
    uvicorn.run(app)        or any ASGI server; `app.state.backend.streams.close()` lets it stop while streams are open

`extensions` add what is not API, such as pages: each is called with the application. An extension may set
`app.state.error_page`, which then answers errors outside of /v1/.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from app.market.api import problems
from app.market.api.access import Access
from app.market.api.audits import Audits, Tell
from app.market.api.buckets import Buckets
from app.market.api.gate import Gate
from app.market.api.openapi import describe, operation
from app.market.api.parts import Backend, Parts
from app.market.api.routes import ROUTERS
from app.market.api.settings import Settings
from app.market.api.shield import Shield
from app.market.api.streams import Streams
from app.market.queries.status import status

Extension = Callable[[FastAPI], None]


def create_app(settings: Settings, parts: Parts, *, extensions: Sequence[Extension] = ()) -> FastAPI:
    """The API on these parts. The index's database is migrated by its indexer, not here. Errors: Unavailable."""
    backend = assemble(settings, parts)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        backend.streams.close()

    app = FastAPI(
        title=settings.title,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # a page that runs scripts of another site; docs/api.md and the document itself are there
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=operation,
    )
    app.state.backend = backend
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix="/v1")
    describe(app)
    for extend in extensions:
        extend(app)
    app.add_middleware(Shield, settings=settings, clock=time.monotonic)
    return app


def assemble(settings: Settings, parts: Parts) -> Backend:
    """The parts at work, without the web around them."""

    def audit(job: int, tell: Tell) -> dict[str, Any]:
        from app.auditor.audit import Auditor

        return Auditor(parts.market, parts.store, threads=parts.threads, progress=tell).audit(job).to_dict()

    def beat() -> object:
        with parts.database.session() as session:
            place = status(session)
        return place.height, place.hash, place.reorganisations, place.events

    return Backend(
        settings=settings,
        parts=parts,
        access=Access(parts.database, parts.clock),
        audits=Audits(audit, parts.clock, waiting=settings.audit_queue),
        streams=Streams(settings, beat),
        quoting=Gate(settings.quotes_at_once, "quotes"),
        heavy=Buckets(settings.heavy, time.monotonic) if settings.heavy else None,
        uploads=Buckets(settings.uploads, time.monotonic) if settings.uploads else None,
    )
