"""Every page there is, on a good day."""

from __future__ import annotations

from tests.support.web import MarketNode

NOBODY = "0x00000000000000000000000000000000000000AA"


def tour(scene: MarketNode) -> list[str]:
    """Paths of all pages, as people see them on a good day."""
    stage = scene.stage
    return [
        "/",
        "/?q=zzz&rows_min=many",
        f"/datasets/{stage.dataset}",
        f"/datasets/{stage.dataset}/offer",
        f"/datasets/{stage.dataset}/ask",
        f"/datasets/{stage.dataset}/fit?kind=ridge&label=c1",
        f"/datasets/{stage.dataset}/run",
        f"/offers/{scene.offer}",
        f"/licenses/{scene.license}",
        f"/licenses/{scene.license}/job",
        "/search?q=darkrom",
        "/jobs",
        "/jobs?state=failed",
        f"/jobs/{scene.settled}",
        f"/jobs/{scene.refused}",
        f"/jobs/{scene.computed}",
        f"/jobs/{scene.settled}/result",
        f"/jobs/{scene.computed}/result",
        f"/jobs/{scene.refused}/result",
        f"/jobs/{scene.settled}/audit",
        f"/jobs/{scene.computed}/audit",
        f"/jobs/{scene.computed}/reveals",
        f"/circuits/{scene.circuit}",
        f"/accounts/{stage.buyer.address}",
        f"/accounts/{NOBODY}",
        f"/accounts/{NOBODY}/mandates",
        "/owner",
        f"/owners/{stage.owner.address}",
        f"/owners/{NOBODY}",
        "/network",
        f"/providers/{stage.providers[0].address}",
        "/wallet",
        f"/transactions/{scene.market.events(scene.market.first_block, scene.market.block_number)[-1].tx}",
        f"/blocks/{scene.market.block_number}",
        "/nowhere",
    ]
