"""Run as a program: for each (job, step) of a plan, a process that is killed at that step, and one that goes on.

`python -m tests.custodian.killed FOLDER SEED` reads the plan as JSON from stdin and writes, as JSON, how the killed
processes ended. Processes are forked, so that the imports are paid once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path

import opendp.prelude  # noqa: F401 - before the forks, since it takes a second

from tests.custodian.filechain import reopened_agent


def in_a_process(folder: Path, seed: int, job: int, step: str) -> int:
    """Process a job in a new process that kills itself when `step` is announced; its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]

    def witness(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        reopened_agent(folder, seed, witness).process(job)
    except BaseException:  # noqa: BLE001 - the child must not run on into the parent's loop
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    """Follow the plan."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    ends = []
    for job, step in json.load(sys.stdin):
        killed = in_a_process(folder, seed, job, step)
        recovered = in_a_process(folder, seed, job, "")
        ends.append([killed, recovered])
    json.dump(ends, sys.stdout)


if __name__ == "__main__":
    main()
