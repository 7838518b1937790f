"""/llms.txt: what a language model's program is told of a node is true."""

from __future__ import annotations

import re

from tests.support.web import ORIGIN, MarketNode, api_client


def test_every_link_of_it_answers(scene: MarketNode) -> None:
    """It names this market, its links work, and its routes are the API's."""
    with api_client(scene) as api:
        answer = api.client.get("/llms.txt")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/markdown")
        text = answer.text
        assert scene.market.address in text
        links = re.findall(rf"\]\({re.escape(ORIGIN)}(/[^)]+)\)", text)
        assert len(links) >= 4
        assert [path for path in links if api.client.get(path).status_code != 200] == []
        known = set(api.client.get("/v1/openapi.json").json()["paths"])
        named = re.findall(rf"`(?:GET|POST) {re.escape(ORIGIN)}(/v1/[\w/]+)`", text)
        shapes = {re.sub(r"\{\w+\}", "X", path) for path in known}
        wanted = {path.replace("ID", "X").replace("CIRCUIT", "X") for path in named}
        assert {each for each in wanted if "ACTION" not in each} <= shapes
        assert any(path.startswith("/v1/transactions/") for path in known)
