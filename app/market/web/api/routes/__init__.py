"""The routes, one module a subject. Each is thin: read the request, ask one function, answer."""

from __future__ import annotations

from app.market.web.api.routes import (
    accounts,
    asks,
    chain,
    datasets,
    jobs,
    licensing,
    network,
    objects,
    questions,
    session,
    sums,
    tokens,
)

ROUTERS = tuple(
    module.router
    for module in (datasets, questions, sums, licensing, jobs, asks, objects, accounts, chain, session, tokens, network)
)
