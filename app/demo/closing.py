"""The last page of the demo: one table for each question that a reader has left."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.console.output import rows_table
from app.protocol.policy.bits import tell_bits

if TYPE_CHECKING:
    from rich.console import Console

    from app.console.output import Terminal
    from app.demo.record import StoryRecord


def closing(record: StoryRecord, output: Terminal, jobs: list[dict[str, Any]], dataset: int, seconds: float) -> None:
    """Show results, steps and gas: tables for people, one object for programs."""
    first = jobs[0]
    value = {
        "dataset": dataset,
        "rows": first["rows"],
        "accuracy": first["accuracy"],
        "equal_rows": first["equal_rows"],
        "equal": all(job["equal"] for job in jobs),
        "audited": all(job["audit"]["complete"] for job in jobs),
        "jobs": jobs,
        "steps": [asdict(step) for step in record.steps],
        "gas": record.gas,
        "seconds": seconds,
    }
    output.show(value, lambda console: _draw(console, record, jobs, seconds))


def _draw(console: Console, record: StoryRecord, jobs: list[dict[str, Any]], seconds: float) -> None:
    results = [
        {
            "job": job["job"],
            "model": job["model"],
            "rows": job["rows"],
            "accuracy": f"{job['accuracy']:.3f}",
            "labels as in the clear": f"{job['equal_rows']} of {job['rows']}",
            "told of each person": tell_bits(job["micro_bits"]),
            "audit": "every fact confirmed" if job["audit"]["complete"] else "NOT CONFIRMED",
        }
        for job in jobs
    ]
    steps = [
        {
            "step": f"{step.who} {step.name}",
            "seconds": f"{step.seconds:.2f}",
            "bytes": f"{step.bytes:,}" if step.bytes else "",
        }
        for step in record.steps
    ]
    gas = [{"transaction": name, "gas": f"{used:,}"} for name, used in record.gas.items()]
    console.print()
    for title, rows in (("Results", results), ("Time and bytes", steps), ("Gas", gas)):
        console.print(rows_table(rows, title=title))
    console.print(f"The whole story took {seconds:.1f} s. Drive any role by hand: darkroom --help.")
