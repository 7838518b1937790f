"""How a dataset is used from a program, a terminal and the API, as the page of it says: each runs as it stands."""

from __future__ import annotations

from dataclasses import dataclass

from app.market.queries.dataset import DatasetDetail


@dataclass(frozen=True)
class UsageExample:
    """One way in, and what it needs first."""

    name: str
    text: str


def usage(detail: DatasetDetail, origin: str) -> tuple[UsageExample, ...]:
    """Python, command line and curl for one dataset of the node at `origin`; none of them pays anything."""
    number = detail.entry.id
    python = [
        "import darkroom",
        "",
        "market = darkroom.connect()",
        f"dataset = market.dataset({number})",
        "print(dataset.card)",
    ]
    command = [f"darkroom dataset show {number}", f"darkroom dataset preview {number}"]
    if any(offer.policy.release == "aggregate" for offer in detail.offers):
        python += ['print(dataset.explain("SELECT count(*) FROM data"))']
    curl = [f"curl -s {origin}/v1/datasets/{number}", f"curl -s '{origin}/v1/offers?dataset={number}'"]
    return (
        UsageExample("Python", "\n".join(python)),
        UsageExample("Command line", "\n".join(command)),
        UsageExample("curl", "\n".join(curl)),
    )
