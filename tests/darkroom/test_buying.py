"""A buyer's way through the face, on a real market: bounds, licenses, jobs that are taken up again, what is shown."""

from __future__ import annotations

from tests.client.conftest import darkroom as commands
from tests.client.conftest import home, scene, served  # the API tests' market, and a home on it

__all__ = ["commands", "home", "scene", "served"]
