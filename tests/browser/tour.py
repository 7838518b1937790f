"""The pages that tell of trouble; `tests.support.tour` has those of a good day."""

from __future__ import annotations

from tests.browser.states import States
from tests.support.web import MarketNode


def tabs(scene: MarketNode) -> list[str]:
    """Paths of the tabs of a dataset's page besides the first: what is in them is laid out only there."""
    return [f"/datasets/{scene.stage.dataset}#{name}" for name in ("data", "reveals", "offers", "activity", "record")]


def troubles(states: States) -> list[str]:
    """Paths of the pages that tell of trouble, and of the lists that lead there."""
    settled = states.at["settled out of reach"]
    return [
        *states.at.values(),
        *(
            f"{states.at[words]}/result"
            for words in ("open", "computed too long", "expired by the custodian", "failed")
        ),
        *(f"{states.at[words]}/audit" for words in ("disputed", "failed", "refused")),
        f"{settled}/result",
        f"{settled}/audit",
        "/",
        "/?class=trees&rows_min=2000",
        "/?rows_min=many&price_max=-3",
        "/jobs",
        "/network",
    ]
