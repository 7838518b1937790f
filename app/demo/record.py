"""What the demo measures while it tells: time, bytes and gas of each step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from app.chain.market import Sent


@dataclass
class StoryStep:
    """One step of the story. `bytes` are those that moved or were made; 0 where that means nothing."""

    name: str
    who: str
    seconds: float = 0.0
    bytes: int = 0


@dataclass
class StoryRecord:
    """Everything measured, and the voice that tells it."""

    console: Console | None  # None: silence
    steps: list[StoryStep] = field(default_factory=list)
    gas: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def step(self, who: str, name: str) -> Iterator[StoryStep]:
        """Measure one step and say who does what."""
        self.say(f"\n[bold]{who}[/] {name}")
        step = StoryStep(name, who)
        begun = time.perf_counter()
        yield step
        step.seconds = time.perf_counter() - begun
        self.steps.append(step)

    def say(self, text: str) -> None:
        """A line of the story."""
        if self.console is not None:
            self.console.print(text)

    def paid(self, name: str, sent: Sent[Any]) -> Any:
        """Note a transaction's gas; what the transaction yields."""
        self.gas[name] = sent.gas
        return sent.value
