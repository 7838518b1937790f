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

from fastapi import Depends, FastAPI

from app.market.queries.status import status
from app.market.web import llms
from app.market.web.api.openapi import describe, operation
from app.market.web.api.routes import ROUTERS
from app.market.web.auth.sessions import SessionStore
from app.market.web.background.audits import AuditProgress, AuditQueue
from app.market.web.background.streams import Streams
from app.market.web.dependencies.parameters import known_parameters
from app.market.web.dependencies.state import AppState, Dependencies
from app.market.web.errors import problems
from app.market.web.language.choice import PageLanguage
from app.market.web.middleware.concurrency import ConcurrencyLimit
from app.market.web.middleware.conditional import ConditionalAnswers
from app.market.web.middleware.rate_limits import RateLimiter
from app.market.web.middleware.security import SecurityMiddleware
from app.market.web.settings import WebServerSettings

Extension = Callable[[FastAPI], None]


def create_app(settings: WebServerSettings, parts: Dependencies, *, extensions: Sequence[Extension] = ()) -> FastAPI:
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
        app.include_router(router, prefix="/v1", dependencies=[Depends(known_parameters)])
    app.include_router(llms.router, include_in_schema=False)
    describe(app)
    for extend in extensions:
        extend(app)
    app.add_middleware(ConditionalAnswers)
    app.add_middleware(SecurityMiddleware, settings=settings, clock=time.monotonic)
    app.add_middleware(PageLanguage)
    return app


def assemble(settings: WebServerSettings, parts: Dependencies) -> AppState:
    """The parts at work, without the web around them."""

    def audit(job: int, progress: AuditProgress) -> dict[str, Any]:
        from app.auditor.audit import Auditor

        return Auditor(parts.market, parts.store, threads=parts.threads, progress=progress).audit(job).to_dict()

    def beat() -> object:
        with parts.database.session() as session:
            place = status(session)
        return place.height, place.hash, place.reorganisations, place.events

    return AppState(
        settings=settings,
        parts=parts,
        access=SessionStore(parts.database, parts.clock),
        audits=AuditQueue(audit, parts.clock, waiting=settings.audit_queue),
        streams=Streams(settings, beat),
        quoting=ConcurrencyLimit(settings.quotes_at_once, "quotes"),
        heavy=RateLimiter(settings.heavy, time.monotonic) if settings.heavy else None,
        uploads=RateLimiter(settings.uploads, time.monotonic) if settings.uploads else None,
    )
