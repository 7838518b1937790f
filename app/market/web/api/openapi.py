"""The OpenAPI document: words, tags, stable operation names, examples, links, and the errors that every route has."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.market.queries.feed import FeedEvent
from app.market.web.errors.problems import CODES, Problem

VERSION = "1.1.0"
REFERENCE = "#/components/schemas/{model}"
FIRST = "$response.body#/items/0/id"
DESCRIPTION = """
A Darkroom node: what the index of the market answers, what a job would cost and reveal, and transactions prepared for
a wallet to sign. It holds no key and no plaintext: results are opened where the buyer's key is, releases are decided
where the owner's key is.

- Amounts are token units as decimal text. Times are seconds since the epoch by the chain's clock.
- Lists come in pages: `next` is the opaque cursor that `after` takes.
- Errors are `application/problem+json` (RFC 9457) with a stable `code`.
- Programs sign in with a token (`Authorization: Bearer`), browsers with their wallet (EIP-4361).
"""
TAGS = {
    "datasets": "The catalogue, dataset cards, Croissant, quotes.",
    "licensing": "Offers and licenses.",
    "jobs": "Jobs, their live events, receipts, decisions and sealed results.",
    "audit": "What was claimed about a job, and re-checking it.",
    "objects": "Content-addressed bytes, and publishing circuits and policies.",
    "accounts": "What an account owns, earned and is owed.",
    "transactions": "Transactions prepared for wallets, and the way to the chain.",
    "sign-in": "Sign-In with Ethereum, sessions, tokens.",
    "node": "Providers, the network, and how this node does.",
}
CIRCUIT_EXAMPLE = {
    "codebook": "0" * 64,
    "inputs": [{"column": "age", "encoding": "affine", "index": 0}],
    "kind": "darkroom/circuit",
    "layers": [
        {
            "bias": "AAAAAAAAAAA=",
            "columns": "AAAAAAAAAAA=",
            "indptr": "AAAAAAAAAAABAAAAAAAAAA==",
            "op": "linear",
            "rows": 1,
            "values": "AQAAAAAAAAA=",
            "width": 27,
        }
    ],
    "outputs": ["score"],
    "profile": "0" * 64,
    "readout": {"at": 0, "kind": "value"},
}


def operation(route: APIRoute) -> str:
    """A route's stable name: its function's."""
    return route.name


def links(expression: str, **parameters: str) -> dict[str, Any]:
    """A response's links: operation -> the parameter that takes what `expression` points to."""
    return {
        "description": "Successful Response",
        "links": {
            name: {"operationId": name, "parameters": {parameter: expression}} for name, parameter in parameters.items()
        },
    }


def describe(app: FastAPI) -> None:
    """Let the application tell its own document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=VERSION,
                summary="Models run on encrypted tables; only licensed results come out.",
                description=DESCRIPTION.strip(),
                routes=app.routes,
                tags=[{"name": name, "description": words} for name, words in TAGS.items()],
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            )
            made["paths"] = {path: item for path, item in made["paths"].items() if path.startswith("/v1/")}
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            for model in (Problem, FeedEvent):
                schema = model.model_json_schema(ref_template=REFERENCE, mode="serialization")
                schemas.update(schema.pop("$defs", {}))
                schemas[model.__name__] = schema
            schemas["Problem"]["properties"]["code"]["enum"] = sorted(
                {code for each in CODES.values() for code in each}
            )
            for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form, which this API never sends
                schemas.pop(name, None)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
