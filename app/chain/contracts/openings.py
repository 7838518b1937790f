"""What jobs' orders said when they were opened, read from events: many in one question, and once where it is final."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.chain.contracts.client import ContractClient
from app.chain.contracts.custodians import JOBS
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO

MOST = 10_000  # openings that are kept

JobOpening = Mapping[str, Any]  # the arguments of JobOpened, and `program`: what the order states, zeros for none


class JobOpenings:
    """Of one market. An agent that was just started asks for those of all live jobs at once."""

    def __init__(self, client: ContractClient) -> None:
        self._client = client
        self._known: dict[int, tuple[int, JobOpening]] = {}  # block and opening, by job
        self._final = -1  # the highest block known to be final

    def of(self, blocks: Mapping[int, int]) -> dict[int, JobOpening]:
        """The openings of jobs, each by the block that it was opened in; without those whose event is not there.

        Errors: Unavailable.
        """
        known = {job: self._known[job] for job in blocks if job in self._known}
        found = {job: said for job, (block, said) in known.items() if block == blocks[job]}
        asked = {job: block for job, block in blocks.items() if job not in found}
        if asked:
            fresh = self._read(asked)
            if max(asked.values()) > self._final:
                self._final = self._client.node.finalized().number
            self._known |= {job: (asked[job], said) for job, said in fresh.items() if asked[job] <= self._final}
            while len(self._known) > MOST:
                self._known.pop(next(iter(self._known)))
            found |= fresh
        return found

    def forget(self) -> None:
        """Keep none."""
        self._known.clear()

    def _read(self, asked: Mapping[int, int]) -> dict[int, JobOpening]:
        opened: dict[int, JobOpening] = {}
        programs: dict[int, Digest] = {}
        for event in self._client.events_in(JOBS, sorted(set(asked.values()))):
            job = int(event.args.get("job", 0))
            if event.block != asked.get(job):
                continue
            if event.name == "JobOpened":
                opened[job] = event.args
            elif event.name == "ProgramStated":
                programs[job] = Digest(event.args["program"])
        return {job: {**said, "program": programs.get(job, ZERO)} for job, said in opened.items()}
