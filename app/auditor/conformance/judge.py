"""Holding an auditor against the kit: it gets a case's folder and says one verdict on its standard output."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.auditor.conformance.kit import Kit, RecordedCase
from app.auditor.report import CheckStatus
from app.protocol.errors import UsageError

SECONDS = 300  # that an auditor may take over one case
MAX_ANSWER = 1 << 20


@dataclass(frozen=True)
class AuditorVerdict:
    """What an auditor said of a case. `wrong` names facts, by an auditor that tells them."""

    verdict: str
    wrong: tuple[str, ...] = ()
    trouble: str = ""  # why there is no verdict


@dataclass(frozen=True)
class Judged:
    """A case and whether an auditor judged it as it must."""

    case: RecordedCase
    said: AuditorVerdict

    @property
    def right(self) -> bool:
        """The verdict is the kit's; of an auditor that tells what is wrong, the fault is among it."""
        if self.said.verdict != self.case.verdict:
            return False
        return self.case.verdict != "wrong" or not self.said.wrong or self.case.fact in self.said.wrong


AuditorOfCase = Callable[[Path], AuditorVerdict]


def ours(folder: Path) -> AuditorVerdict:
    """What this version's auditor says."""
    from app.auditor.conformance.own import audit_recorded

    report = audit_recorded(folder)
    wrong = tuple(check.fact for check in report.checks if check.status is CheckStatus.WRONG)
    return AuditorVerdict("wrong" if wrong else "confirmed" if report.complete else "open", wrong)


def theirs(command: Sequence[str]) -> AuditorOfCase:
    """What a command says: a JSON object on its last line, with `verdict` and, if it tells, `wrong`."""

    def say(folder: Path) -> AuditorVerdict:
        try:
            done = subprocess.run([*command, str(folder)], capture_output=True, timeout=SECONDS, check=False)
        except FileNotFoundError:
            raise UsageError(f"There is no command {command[0]}.", "Name one that can be run.") from None
        except subprocess.TimeoutExpired:
            return AuditorVerdict("", trouble=f"it took more than {SECONDS} seconds")
        lines = done.stdout[-MAX_ANSWER:].decode("utf-8", "replace").strip().splitlines()
        try:
            answer: Any = json.loads(lines[-1]) if lines else None
            return AuditorVerdict(str(answer["verdict"]), tuple(str(each) for each in answer.get("wrong", ())))
        except (ValueError, KeyError, TypeError, AttributeError):
            return AuditorVerdict("", trouble=f"it ended with {done.returncode} and said no verdict")

    return say


def judge(kit: Kit, cases: Iterable[RecordedCase], auditor: AuditorOfCase) -> Iterator[Judged]:
    """An auditor on these cases, one after the other, each in a folder of its own."""
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="darkroom-case-") as folder:
            kit.write(case, Path(folder))
            yield Judged(case, auditor(Path(folder)))
