"""Auditing a job from this machine, which first shows that it computes as the canonical evaluator says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.home.network import Network, threads_available

if TYPE_CHECKING:
    from app.auditor.report import AuditReport
    from app.execution.checkpoint import Checkpoints
    from app.protocol.ports import Progress
    from fhe.engine.core import BackendName


def audit_job(
    network: Network,
    number: int,
    *,
    threads: int | None = None,
    device: BackendName = "auto",
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> AuditReport:
    """Re-check every fact of a job, re-execution included, with no key and nobody's permission.

    `threads` None takes all processors. With `checkpoints` an audit that was killed goes on where it was.
    Errors: NotFound without such a job; Unavailable where this machine computes
    wrongly or the device is not there, so that it accuses nobody.
    """
    from app.auditor.audit import Auditor
    from fhe.engine.conformance import self_test

    count = threads or threads_available()
    self_test(device, count)
    auditor = Auditor(
        network.market,
        network.store,
        count,
        progress,
        backend=device,
        runner=network.runner(device),
        checkpoints=checkpoints,
    )
    return auditor.audit(number)
