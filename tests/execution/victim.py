"""A process that evaluates a job with checkpoints, says which blocks it gave, and is to be killed.

python -m tests.execution.victim FOLDER CHECKPOINTS LOG [RAY ADDRESS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.execution.checkpoint import Checkpoints
from app.execution.execute import execute
from app.execution.inputs import JobInputs
from app.execution.on_ray import RayRunner
from app.execution.runner import BlockRunner, LocalRunner, RowsUnderWay
from fhe.arrays import U64
from fhe.engine.blocks import BlockPlan, RowBlock
from tests.execution.jobs import SMALL, opened

PAUSE = 0.05  # seconds between blocks, so that there is time to be killed in


class Telling:
    """Another runner's blocks, each told before it is kept."""

    def __init__(self, runner: BlockRunner, log: Path) -> None:
        self._runner, self._log = runner, log

    def run(
        self, inputs: JobInputs, plan: BlockPlan, blocks: Sequence[RowBlock], progress: RowsUnderWay
    ) -> Iterator[tuple[RowBlock, U64]]:
        for block, words in self._runner.run(inputs, plan, blocks, progress):
            with self._log.open("a") as file:
                file.write(f"{block.number}\n")
            yield block, words
            time.sleep(PAUSE)


def main(folder: Path, checkpoints: Path, log: Path, address: str = "") -> None:
    """Evaluate to the end, if nobody ends it."""
    job = opened(folder)
    inner = RayRunner(address, [f"folder:{folder / 'store'}"], "cpu") if address else LocalRunner(job.store)
    runner = Telling(inner, log)
    execute(job.inputs, job.store, threads=1, runner=runner, checkpoints=Checkpoints(checkpoints), size=SMALL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
