"""A node whose operator set limits: each is applied by the served node, not only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.support.running_node import RunningNode, free_port, running

PATIENCE = 30.0
SETTINGS = """
[web]
port = {port}

[web.limits]
max_body = 5000
rate = {{ burst = 40, per_second = 0.001 }}
heavy = {{ burst = 3, per_second = 0.001 }}
max_streams_of_client = 2
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """An embedded node without a sample."""
    folder = tmp_path_factory.mktemp("limits")
    config = folder / "node.toml"
    config.write_text(SETTINGS.format(port=free_port()))
    with running(folder / "home", "--config", str(config)) as started:
        started.said("index", "ready")
        yield started


def test_configured_limits_are_applied(node: RunningNode) -> None:
    """A body, work, live streams and requests beyond what node.toml allows are refused, each by its own code."""
    with httpx.Client(base_url=node.url, timeout=PATIENCE) as client:

        def code(answer: httpx.Response) -> tuple[int, str]:
            return answer.status_code, answer.json()["code"]

        assert code(client.post("/v1/circuits", content=b"{}" * 3000)) == (413, "too-large")
        with ExitStack() as streams:
            opened = [streams.enter_context(client.stream("GET", "/v1/events")).iter_lines() for _ in range(2)]
            assert all(next(lines).startswith("retry") for lines in opened)
            assert code(client.get("/v1/events")) == (503, "busy")
        drafts = [client.post("/v1/policies", content=b"{}") for _ in range(3)]
        assert (429, "too-many-requests") in [code(draft) for draft in drafts]
        answers = [client.get("/v1/status") for _ in range(40)]
        assert answers[0].status_code == 200
        assert code(answers[-1]) == (429, "too-many-requests")
        assert client.get("/v1/health").status_code == 200  # whoever watches a node asks as often as needed
