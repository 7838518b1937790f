"""The pages that people see: documents and forms over the index, readable without scripts.

    app = create_app(settings, parts, extensions=[pages.install])

Secrets never come here: keys are made, kept and used in the browser, wallets sign there, results open there.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import Response

from app.market.web.dependencies.state import Coin
from app.market.web.errors.problems import Problem
from app.market.web.middleware.compression import PageCompression
from app.market.web.pages import (
    catalogue,
    circuits,
    dataset,
    finding,
    fits,
    jobs,
    languages,
    licensing,
    people,
    questions,
    running,
    statements,
    static,
    transactions,
)
from app.market.web.pages.freshness import STARTING, look
from app.market.web.pages.site import Site

ROUTERS = tuple(
    module.router
    for module in (
        static, languages, catalogue, finding, dataset, questions, fits, running, licensing, jobs, people, circuits,
        statements, transactions,
    )
)  # fmt: skip

NO_COIN = Coin("", 0)  # an error's page names no amount, and the chain, which knows the coin, may be out of reach


def install(app: FastAPI) -> None:
    """Add the pages to an application of `create_app`."""
    site = Site(app.state.backend)
    app.state.site = site
    for router in ROUTERS:
        app.include_router(router, include_in_schema=False)

    app.add_middleware(PageCompression)

    def error_page(request: Request, problem: Problem) -> Response:
        starting = problem.code == "not-found" and look(site.backend) is STARTING
        status = 503 if starting else problem.status
        return site.page(
            request, "error.html", title=problem.title, status=status, told=problem, starting=starting, coin=NO_COIN
        )

    app.state.error_page = error_page
