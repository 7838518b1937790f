"""How often a request changes threads."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import pytest

from tests.support.web import ApiClient


@pytest.mark.parametrize("path", ["/v1/datasets?sort=newest", "/v1/datasets/1"])
def test_a_request_takes_one_turn_on_another_thread(
    browser: ApiClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """For its work alone: each further hand-over costs as much as a search of the catalogue, and fifty readers wait."""
    turns, real = [], anyio.to_thread.run_sync

    async def counted(work: Any, *args: Any, **settings: Any) -> Any:
        turns.append(work)
        return await real(work, *args, **settings)

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
    assert browser.client.get(path).status_code == 200
    assert len(turns) == 1
