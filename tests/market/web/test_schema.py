"""The API against its own document: requests of every shape that it allows and many that it does not, chained by links.

No answer is a fault of the server, and every answer is of the form that the document states.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.web import MarketNode, api_client, operation_names

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
LIGHT = settings(
    max_examples=50,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
CHAINS = settings(LIGHT, max_examples=20, stateful_step_count=6)


# An audit runs the EVM in a thread of its own, with a recursion limit that Hypothesis then sees.
pytestmark = pytest.mark.filterwarnings("ignore:The recursion limit will not be reset")


@pytest.fixture(scope="module")
def headers(scene: MarketNode) -> dict[str, str]:
    """Those of a signed-in browser."""
    with api_client(scene) as person:
        person.sign_in(scene.stage.buyer)
        return {"cookie": f"darkroom={person.client.cookies['darkroom']}", "x-csrf-token": person.csrf}


@pytest.fixture(scope="module")
def document(scene: MarketNode) -> Any:
    """The API's own document, and the application that it speaks of."""
    return schemathesis.openapi.from_asgi("/v1/openapi.json", scene.app())


def tame(case: Any, headers: dict[str, str]) -> None:
    """Live streams end at once, and nobody signs the session out that all examples share."""
    name = case.operation.definition.raw["operationId"]
    if name in ("follow_job", "follow_market"):
        case.query = dict(case.query or {}) | {"seconds": 0}
    if name != "close_session":
        case.headers = dict(case.headers or {}) | headers


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("name", sorted(operation_names()))
def test_no_request_is_a_fault(document: Any, headers: dict[str, str], name: str, mode: GenerationMode) -> None:
    """Requests to each operation, of the form that it asks for and of others."""
    operation = document.find_operation_by_id(name)

    @LIGHT
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        tame(case, headers)
        case.call_and_validate(checks=CHECKS)

    with suppress(Unsatisfiable):  # an operation without parameters has no wrong form
        attempt()


def test_no_chain_of_requests_is_a_fault(document: Any, headers: dict[str, str]) -> None:
    """Requests that follow the document's links, each with what the one before gave."""

    class Chains(document.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Any) -> None:
            tame(case, headers)

        def validate_response(self, response: Any, case: Any, **options: Any) -> None:
            case.validate_response(response, checks=CHECKS)

    Chains.run(settings=CHAINS)
