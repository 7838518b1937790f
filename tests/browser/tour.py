"""Every page there is, in each of its states."""

from __future__ import annotations

from tests.api.scene import Scene

NOBODY = "0x00000000000000000000000000000000000000AA"


def tour(scene: Scene) -> list[str]:
    """Paths of all pages."""
    stage = scene.stage
    return [
        "/",
        "/?q=zzz&rows_min=many",
        f"/datasets/{stage.dataset}",
        f"/datasets/{stage.dataset}/offer",
        f"/offers/{scene.offer}",
        f"/licenses/{scene.license}",
        f"/licenses/{scene.license}/job",
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
        f"/accounts/{stage.buyer.address}",
        f"/accounts/{NOBODY}",
        "/owner",
        f"/owners/{stage.owner.address}",
        f"/owners/{NOBODY}",
        "/network",
        f"/providers/{stage.providers[0].address}",
        "/wallet",
        "/nowhere",
    ]
