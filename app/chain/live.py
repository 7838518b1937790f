"""The jobs of a market that are not over, kept from its events: what an agent looks at, however long the history is.

The pure part, `follow`, applies a cursor's step to what is known, reorganisations included. The shell, `LiveJobs`, asks
the chain for what is new, and keeps place and jobs in one file where the agent has a folder, so that a restart goes on
from there. The file is a copy of what the chain says: without it, or with another chain's, everything is read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.chain.contracts.client import ContractClient
from app.chain.cursor import Checkpoint, Cursor, CursorStep
from app.files.private import write_private
from app.protocol.errors import BadDocument

CONTRACT = "JobMarket"
OPENED = "JobOpened"
OVER = frozenset({"JobSettled", "JobRefused", "JobExpired", "JobFailed"})  # each ends a job for good
FILE = "live-jobs.json"  # in an agent's folder
SAVE_BLOCKS = 50  # a restart reads this many blocks again at most


@dataclass(frozen=True)
class JobSpan:
    """The blocks in which a job was opened and ended; `over` is None for a live one."""

    opened: int
    over: int | None = None


def follow(jobs: Mapping[int, JobSpan], step: CursorStep) -> dict[int, JobSpan]:
    """The jobs after a step: the live ones, and those whose end a reorganisation could still take back."""
    known = dict(jobs)
    if (ancestor := step.forget_after) is not None:
        known = {
            number: JobSpan(life.opened) if life.over is not None and life.over > ancestor else life
            for number, life in known.items()
            if life.opened <= ancestor
        }
    for event in step.events:
        if event.name == OPENED:
            known[event.args["job"]] = JobSpan(event.block)
        elif event.name in OVER and event.args["job"] in known:
            known[event.args["job"]] = JobSpan(known[event.args["job"]].opened, event.block)
    oldest = (
        step.checkpoint.marks[0].number if step.checkpoint.marks else -1
    )  # no step goes back behind it, but to the start
    return {number: life for number, life in known.items() if life.over is None or life.over > oldest}


class LiveJobs:
    """The live jobs of one market. Not thread-safe: its agent serialises the calls."""

    def __init__(self, client: ContractClient, first_block: int, file: Path | None = None) -> None:
        """Go on from `file` where there is one of this market; without it, each process reads all events once.

        `first_block`: the one before which the market has no events.
        """
        self._identity, self._file = [client.node.chain_id, client.address(CONTRACT), first_block], file
        self._jobs: dict[int, JobSpan] = {}
        self._saved = -1  # the height at which the file was written last
        trail = self._read() or Checkpoint(first_block)
        self._cursor = Cursor(ContractClient(client.node, [client.contracts[CONTRACT]]), trail, sparse=True)

    def ids(self) -> list[int]:
        """The jobs that are live at the newest block, by number. Without news it takes two questions to the node.

        Errors: Unavailable.
        """
        changed = False
        while True:
            step = self._cursor.poll()
            jobs = follow(self._jobs, step)
            changed, self._jobs = changed or jobs != self._jobs, jobs
            if not step.behind:
                break
        if changed or step.checkpoint.next - self._saved > SAVE_BLOCKS:
            self._save(step.checkpoint)
        return sorted(number for number, life in self._jobs.items() if life.over is None)

    def _read(self) -> Checkpoint | None:
        if self._file is None or not self._file.exists():
            return None
        try:
            kept = json.loads(self._file.read_bytes())
            trail = Checkpoint.from_json(kept["trail"])
            jobs = {int(number): JobSpan(int(opened), over) for number, opened, over in kept["jobs"]}
            if kept["market"] != self._identity:
                return None
        except (OSError, ValueError, KeyError, TypeError, BadDocument):
            return None
        self._jobs, self._saved = jobs, trail.next
        return trail

    def _save(self, checkpoint: Checkpoint) -> None:
        self._saved = checkpoint.next
        if self._file is not None:
            jobs = [[number, life.opened, life.over] for number, life in sorted(self._jobs.items())]
            kept = {"market": self._identity, "trail": checkpoint.to_json(), "jobs": jobs}
            with suppress(OSError):  # on a full disk a restart reads more, and nothing else is lost
                write_private(self._file, json.dumps(kept).encode())
