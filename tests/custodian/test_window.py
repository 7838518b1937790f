"""An owner who leaves results open to objections: what is decrypted unrecomputed, and all that never is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.execution.execute import Evaluation
from app.execution.inputs import JobInputs
from app.protocol.ids import Digest, Seconds
from app.protocol.market.entities import ZERO, Job
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.rules import policy_problems
from app.protocol.ports import Progress
from fhe.circuit.circuit import Circuit
from tests.support.custody import RAW, MarketInMemory, linear_circuit
from tests.support.market import digest

SPREAD = [17, -4, 9, 30, 2, 8, -11, 5]
PROGRAM, HOUR = digest("program"), 3600
WINDOW = OutputPolicy(max_rank=4, verify="window", challenge_hours=2, **RAW)  # type: ignore[arg-type]


@dataclass
class ScriptedCourt:
    """A contract that judges: what it says is set, what it is asked is noted."""

    computed: int  # when the job was
    running: bool = False
    accused: list[int] = field(default_factory=list)

    def program(self, _work: JobInputs) -> Digest:
        """The same for every circuit."""
        return PROGRAM

    def play(self, _job: Job) -> bool:
        """Nobody moves."""
        return self.running

    def challenge(self, job: Job, _own: Evaluation) -> bool:
        """Each is accused once."""
        if job.id in self.accused:
            return False
        self.accused.append(job.id)
        return True

    def objections_end(self, _job: Job, hours: int) -> int:
        """From the computation on."""
        return self.computed + hours * HOUR


class Scene(MarketInMemory):
    """Jobs under a policy with a window, on a clock that a test holds; re-executions are counted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.court, self.recomputed = ScriptedCourt(self.time), 0

    def order(self, bias: int = 0, policy: OutputPolicy = WINDOW, **changes: Any) -> int:
        """A computed job; by default its order states its program, and its release has a day."""
        usual: dict[str, Any] = {"program": PROGRAM, "deadline": Seconds(self.time + 24 * HOUR)}
        return self.job(circuit(bias), license=self.license(policy), **(usual | changes))

    def recompute(self, facts: JobInputs, progress: Progress | None = None) -> Evaluation:
        """Re-execution, counted."""
        self.recomputed += 1
        return self.execute(facts, progress)

    def process(self, number: int) -> tuple[str, str]:
        """One look of a custodian who has just started."""
        done = self.agent(execute=self.recompute, court=self.court).process(number)
        return done.what, done.detail


def circuit(bias: int) -> Circuit:
    """One weighted sum."""
    return linear_circuit([SPREAD], [bias])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A fresh market."""
    return Scene(tmp_path)


def test_a_result_to_which_nobody_objected_is_decrypted_unrecomputed(scene: Scene) -> None:
    """Not a second before its time is over; then its values are those of the table."""
    number = scene.order()
    assert scene.process(number) == ("waiting", f"anybody may object to its result until {scene.time + 2 * HOUR}")
    scene.time += 2 * HOUR - 1
    assert scene.process(number)[0] == "waiting"
    scene.time += 1
    scene.court.running = True
    assert scene.process(number) == ("waiting", "a contract is judging its result")
    scene.court.running = False
    assert scene.process(number)[0] == "done"
    assert scene.recomputed == 0
    assert np.array_equal(scene.opened(number).values, scene.clear(number))


@pytest.mark.parametrize(
    ("changes", "policy"),
    [
        ({"program": ZERO}, WINDOW),
        ({}, OutputPolicy(max_rank=4, **RAW)),  # type: ignore[arg-type]
        ({}, WINDOW.model_copy(update={"quorum": 3})),
        ({}, WINDOW.model_copy(update={"challenge_hours": 24})),
    ],
    ids=["no program", "another policy", "too few executors", "no time for it"],
)
def test_everything_else_is_recomputed(scene: Scene, changes: dict[str, Any], policy: OutputPolicy) -> None:
    """At once: nobody waits for objections that would change nothing."""
    number = scene.order(policy=policy, **changes)
    assert scene.process(number)[0] == "done"
    assert scene.recomputed == 1


def test_what_nobody_can_read_is_recomputed(scene: Scene) -> None:
    """Executors agree on an output that no store has, or whose root is another's: nobody could object to that."""
    lies: list[dict[str, Any]] = [{"output_root": "ab" * 32}, {"output": scene.store.put(b"other bytes")}]
    for bias, changes in enumerate(lies):
        number = scene.order(bias)
        honest = scene.execute(scene.facts(number))
        scene.agree(number, honest.receipt.model_copy(update=changes), honest.output)
        scene.court.computed -= 3 * HOUR
        assert scene.process(number)[0] == "contested"
        assert scene.court.accused == [number]
        scene.court.accused.clear()
        assert scene.recomputed == bias + 1


def test_a_wrong_result_goes_before_the_contract_first(scene: Scene) -> None:
    """Others are asked only where nobody can be accused; what became of either is waited for."""
    number = scene.order(policy=OutputPolicy(max_rank=4, **RAW))  # type: ignore[arg-type]
    true = scene.chain.jobs[number]
    scene.chain.jobs[number] = replace(true, receipt=Digest("a" * 64))
    assert scene.process(number)[0] == "contested"
    assert (scene.court.accused, scene.chain.contested) == ([number], [])
    assert scene.process(number)[0] == "contested"
    assert scene.chain.contested == [number]
    scene.chain.jobs[number] = true
    assert scene.process(number)[0] == "done"


def test_an_order_of_another_program_is_refused(scene: Scene) -> None:
    """What it states could not be judged; the reason says so."""
    number = scene.order(program=digest("another program"))
    assert scene.process(number) == ("refused", "wrong-program")
    assert scene.recomputed == 0


def test_a_result_that_changes_after_its_decryption_is_refused(scene: Scene) -> None:
    """Executors may lose it in a dispute before the release is sent; what was sealed is another receipt's."""
    number = scene.order(policy=OutputPolicy(max_rank=4, **RAW))  # type: ignore[arg-type]

    class Killed(Exception):
        """The process ended here."""

    def kill(step: str) -> None:
        if step == "decide":
            raise Killed

    with pytest.raises(Killed):
        scene.agent(hook=kill, court=scene.court).process(number)
    scene.time += 10**4
    scene.chain.jobs[number] = replace(scene.chain.jobs[number], receipt=Digest("a" * 64))
    assert scene.process(number) == ("refused", "wrong-receipt")


def test_a_policy_says_its_hours_and_nothing_by_halves() -> None:
    """Hours without the word, the word without hours, and too many of them are no policy."""
    assert policy_problems(WINDOW) == []
    for changes in ({"verify": "self"}, {"challenge_hours": 0}, {"challenge_hours": 24 * 14 + 1}, {"quorum": 1}):
        assert policy_problems(WINDOW.model_copy(update=changes)), changes
    assert "challenge_hours" not in str(OutputPolicy().to_bytes())
    assert OutputPolicy.from_bytes(WINDOW.to_bytes()) == WINDOW
