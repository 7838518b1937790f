"""Evaluations that are stopped, killed and damaged: what is done is not done again, and no byte changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from app.execution.checkpoint import DAY, STALE_DAYS, Checkpoints
from app.execution.execute import Evaluation, evaluation_digest, execute, plan_of
from app.execution.inputs import JobInputs
from app.execution.runner import LocalRunner, RowsUnderWay
from app.protocol.errors import Unavailable
from app.protocol.ports import Stopped
from fhe.arrays import U64
from fhe.engine.blocks import BlockPlan, RowBlock
from tests.execution.jobs import SMALL, StoredJob, lookup_job


@dataclass
class Counting:
    """A runner that says which blocks it computed, and ends after `most` of them as a killed process would."""

    job: StoredJob
    most: int = 10**9
    computed: list[int] = field(default_factory=list)

    def run(
        self, inputs: JobInputs, plan: BlockPlan, blocks: Sequence[RowBlock], progress: RowsUnderWay
    ) -> Iterator[tuple[RowBlock, U64]]:
        for block, words in LocalRunner(self.job.store).run(inputs, plan, blocks, progress):
            if len(self.computed) >= self.most:
                raise Stopped
            self.computed.append(block.number)
            yield block, words


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> StoredJob:
    """A job with lookups whose output is several packed ciphertexts, each of several blocks."""
    return lookup_job(tmp_path_factory.mktemp("job"), rows=150)


def run(job: StoredJob, runner: Counting, checkpoints: Checkpoints | None = None) -> Evaluation:
    return execute(job.inputs, job.store, threads=1, runner=runner, checkpoints=checkpoints, size=SMALL)


def test_a_stopped_evaluation_goes_on_where_it_was(job: StoredJob, tmp_path: Path) -> None:
    """Blocks that were finished are not computed again, whenever it ended, and the bytes are those of one go."""
    whole = Counting(job)
    expected, kept = run(job, whole), Checkpoints(tmp_path)
    assert expected.receipt == execute(job.inputs, job.store, threads=1).receipt
    assert len(whole.computed) > 10
    computed: list[int] = []
    for most in (1, 3, 0, 5):
        part = Counting(job, most)
        with pytest.raises(Stopped):
            run(job, part, kept)
        computed += part.computed
    assert kept.share(evaluation_digest(job.inputs, SMALL)) == pytest.approx(9 / len(whole.computed), abs=0.05)
    rest = Counting(job)
    found = run(job, rest, kept)
    assert (found.receipt, bytes(found.output)) == (expected.receipt, bytes(expected.output))
    assert computed + rest.computed == whole.computed
    again = Counting(job)
    assert run(job, again, kept).receipt == expected.receipt
    assert again.computed == []
    kept.forget(evaluation_digest(job.inputs, SMALL))
    assert list(tmp_path.iterdir()) == []
    assert bytes(found.output) == bytes(expected.output)  # readable though its file is gone


def test_what_a_disk_lost_or_changed_is_computed_again(job: StoredJob, tmp_path: Path) -> None:
    """Every digest is compared before anything that was kept is believed."""
    expected, kept = run(job, Counting(job)), Checkpoints(tmp_path)
    folder = tmp_path / evaluation_digest(job.inputs, SMALL)
    with pytest.raises(Stopped):
        run(job, Counting(job, 70), kept)
    waiting = sorted(folder.glob("block-*"))
    assert len((folder / "done").read_text().splitlines()) == 1
    assert len(waiting) == 70 - job.inputs.profile.polynomial_size
    with (folder / "output").open("r+b") as output:  # of the first piece
        output.seek(100)
        output.write(b"\x55\xaa")
    waiting[0].write_bytes(waiting[0].read_bytes()[:-1])
    (folder / "block-7.new").write_bytes(b"half a block")
    with (folder / "done").open("a") as done:
        done.write("99999 " + "0" * 64 + "\n3 dead")
    rest = Counting(job)
    assert bytes(run(job, rest, kept).output) == bytes(expected.output)
    assert rest.computed[0] == 0


def test_one_process_computes_an_evaluation(job: StoredJob, tmp_path: Path) -> None:
    """A second one is told to wait, and nothing is mixed up."""
    kept, name = Checkpoints(tmp_path), evaluation_digest(job.inputs, SMALL)
    plan = BlockPlan(job.inputs.circuit, job.inputs.profile, job.inputs.table, 0, 10, job.key)
    with kept.open(name, plan), pytest.raises(Unavailable, match="Another process"), kept.open(name, plan):
        pass
    with kept.open(name, plan):
        pass


def test_what_nobody_goes_on_with_goes(job: StoredJob, tmp_path: Path) -> None:
    """After days; what was touched since stays."""
    kept = Checkpoints(tmp_path)
    with pytest.raises(Stopped):
        run(job, Counting(job, 2), kept)
    assert kept.sweep() == 0
    assert kept.sweep(time.time() + STALE_DAYS * DAY + 60) == 1
    assert list(tmp_path.iterdir()) == []


def test_evaluations_differ_by_all_that_their_bytes_follow_from(job: StoredJob) -> None:
    """Another job with the same facts shares what was done; nothing else does."""
    name = evaluation_digest(job.inputs)
    assert evaluation_digest(replace(job.inputs, job=replace(job.inputs.job, id=99))) == name
    for changes in ({"first_row": 1}, {"rows": 149}, {"circuit": "0" * 64}):
        other = replace(job.inputs, job=replace(job.inputs.job, **changes))
        assert evaluation_digest(other) != name
    assert evaluation_digest(job.inputs, SMALL) != name


def test_a_killed_process_loses_the_blocks_under_way_alone(job: StoredJob, tmp_path: Path) -> None:
    """SIGKILL in the middle of a block; the next process computes what is missing."""
    log = tmp_path / "computed"
    command = [sys.executable, "-m", "tests.execution.victim", str(job.folder), str(tmp_path / "kept"), str(log)]
    folder = tmp_path / "kept" / evaluation_digest(job.inputs, SMALL)
    expected = run(job, Counting(job))
    for _ in range(2):
        before = log.stat().st_size if log.exists() else 0
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], env={**os.environ})
        while not (log.exists() and log.stat().st_size > before + 8):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (folder / "done").is_file()
    rest = Counting(job)
    assert bytes(run(job, rest, Checkpoints(tmp_path / "kept")).output) == bytes(expected.output)
    given = [int(line) for line in log.read_text().split()] + rest.computed
    blocks = {block.number for block in plan_of(job.inputs, job.store, SMALL).blocks}
    assert set(given) == blocks
    assert len(given) <= len(blocks) + 2  # the one that was told and not yet kept, at each kill
