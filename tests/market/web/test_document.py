"""The API's documents: OpenAPI is complete, and docs/api.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.market.web.auth.sessions import SCOPES
from app.market.web.errors import refusals
from app.market.web.errors.problems import status_of
from app.market.web.settings import WebServerSettings
from app.protocol.errors import DarkroomError
from tests.support.web import ApiClient

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")


@pytest.fixture
def document(browser: ApiClient) -> Any:
    """The OpenAPI document as it is served."""
    return browser.client.get("/v1/openapi.json").json()


def test_every_route_is_on_the_page(document: Any) -> None:
    """docs/api.md lists each route once, with its first sentence."""
    said = re.findall(r"^\| `([A-Z]+) (/v1[^`]*)` \| [^|]+ \| (.+) \|$", PAGE, re.MULTILINE)
    there = [
        (method.upper(), path, (each.get("description") or "").split("\n")[0])
        for path, item in document["paths"].items()
        for method, each in item.items()
    ]
    assert sorted(said) == sorted(there)


def test_every_refusal_is_on_the_page() -> None:
    """docs/api.md lists the server's own codes with their status."""
    said = set(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", PAGE, re.MULTILINE))
    found = [each for each in vars(refusals).values() if isinstance(each, type) and issubclass(each, DarkroomError)]
    own = [each for each in found if each.__module__ == refusals.__name__]
    assert said == {(each.code, str(status_of(each))) for each in own}


def test_scopes_and_limits_on_the_page_are_the_defaults() -> None:
    """Numbers that are written down are those of the settings."""
    assert all(f"`{scope}`" in PAGE for scope in SCOPES)
    settings = WebServerSettings()
    assert settings.rate is not None
    assert settings.heavy is not None
    for words in (
        f"{settings.rate.burst} at once, {settings.rate.per_second} a second",
        f"{settings.heavy.burst} at once, {settings.heavy.per_second} a second",
        f"{settings.max_streams}, of one client {settings.max_streams_of_client}",
        f"{settings.audit_queue} waiting, jobs of at most {settings.audit_units:,} units",
    ):
        assert words.replace(".0", "") in PAGE, words


# What is no problem document: a node that is not ready says what is not, and x402 has a form of its own for its price.
OTHER_FORMS = {("get_ready", "503"), ("ask_once", "402")}


def test_every_operation_is_described(document: Any) -> None:
    """Each has a tag that is explained, words, a typed success, and problems for its errors."""
    tags = {tag["name"] for tag in document["tags"]}
    used = set()
    for item in document["paths"].values():
        for each in item.values():
            used |= set(each["tags"])
            assert each["description"], each["operationId"]
            for status, answer in each["responses"].items():
                if status.startswith("2") and status != "204":
                    assert answer.get("content") or status == "206", (each["operationId"], status)
                if status.startswith(("4", "5")):
                    kinds = set(answer["content"])
                    other = (each["operationId"], status) in OTHER_FORMS
                    assert other or "application/problem+json" in kinds, (each["operationId"], status)
    assert used == tags


def test_every_body_has_an_example(document: Any) -> None:
    """A reader sees what to send: each body, or each of its required fields, has one."""
    schemas = document["components"]["schemas"]
    for item in document["paths"].values():
        for each in item.values():
            for media in each.get("requestBody", {}).get("content", {}).values():
                if "example" in media or "examples" in media["schema"]:
                    continue
                schema = schemas[media["schema"]["$ref"].rsplit("/", 1)[-1]]
                for name in schema.get("required", ()):
                    field = schema["properties"][name]
                    assert "examples" in field, (each["operationId"], name)


def test_links_name_operations_that_there_are(document: Any) -> None:
    """What the document chains exists."""
    operations = {each["operationId"] for item in document["paths"].values() for each in item.values()}
    named = {
        link["operationId"]
        for item in document["paths"].values()
        for each in item.values()
        for answer in each["responses"].values()
        for link in answer.get("links", {}).values()
    }
    assert len(named) > 8
    assert named <= operations


def test_the_document_names_no_framework_form(document: Any) -> None:
    """Errors of the framework's own shape are neither sent nor described."""
    assert not [name for name in document["components"]["schemas"] if "ValidationError" in name]
    assert "HTTPValidationError" not in str(document["paths"])
