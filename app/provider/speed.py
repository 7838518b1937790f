"""How fast this machine computes, measured once and kept, and the largest job it may promise because of it.

A provider declares a capacity on the chain: units of static cost that it takes at a time, over all its jobs. It has the
commit window to compute them, so it promises what it computes in a quarter of that window: what was drawn last is ready
in time even when all else comes first. Buyers read a provider's speed off the same convention
(`app.protocol.market.entities.CAPACITY_SHARE`).
"""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Literal

import numpy as np

from app.files.private import write_private
from app.protocol.documents import Document
from app.protocol.errors import BadDocument
from app.protocol.market.entities import CAPACITY_SHARE
from fhe.circuit.cost import UNIT, bootstrap_work, keyswitch_work
from fhe.engine import vectors
from fhe.engine.backends import prepare
from fhe.engine.core import BackendName
from fhe.engine.cuda import selection
from fhe.engine.gadget import table_polynomials
from fhe.profile import EVALUATOR
from fhe.profiles import REFERENCE

FILE = "speed.json"
CASE = REFERENCE.name  # its conformance case has a key of uniform words, which costs what a real one costs
LOOKUPS_A_THREAD = 16  # a tenth of a second of one core


class Speed(Document):
    """What was measured, and of what.

    `asked`: the device that was asked for; `computed`: the core that it became; `gpus`: the names of those that shared
    the work, none where the CPU did it.
    """

    kind: Literal["darkroom/speed"] = "darkroom/speed"
    asked: str
    computed: str
    gpus: tuple[str, ...] = ()
    machine: str
    threads: int
    evaluator: str
    lookups: int
    units_per_second: int

    def capacity(self, window: int) -> int:
        """Units to take at a time, for a commit window of so many seconds; at least one."""
        return max(1, self.units_per_second * window // CAPACITY_SHARE)


def measure(threads: int, device: BackendName = "auto") -> Speed:
    """Time keyswitches and bootstraps of the reference profile, in one batch; a second or two, and 300 MB.

    Errors: VerificationFailed, Unavailable, as `prepare`.
    """
    case = next(case for case in vectors.vectors().cases if case.name == CASE)
    key, size = vectors.key_of(case.model_copy(update={"packing": False})), case.profile.polynomial_size
    core = prepare(case.profile, key, device, threads)
    count = core.batch if core.name == "cuda" else LOOKUPS_A_THREAD * threads
    rng = np.random.default_rng()
    lwe = rng.integers(0, 2**64, (count, size + 1), np.uint64)
    tables, which = table_polynomials(rng.integers(-99, 99, (1, 8)), 8, size), np.zeros(count, np.int64)
    core.bootstrap(core.keyswitch(lwe[:1]), tables, which[:1])  # transforms the keys
    start = time.perf_counter()
    core.bootstrap(core.keyswitch(lwe), tables, which)
    seconds = time.perf_counter() - start
    units = count * (bootstrap_work(case.profile) + keyswitch_work(case.profile)) / UNIT
    return Speed(
        asked=device,
        computed=core.name,
        gpus=_gpus(device),
        machine=platform.node(),
        threads=threads,
        evaluator=EVALUATOR,
        lookups=count,
        units_per_second=max(1, int(units / seconds)),
    )


def _gpus(device: BackendName) -> tuple[str, ...]:
    """The GPUs that a core of this device uses on this machine now."""
    return (
        tuple(gpu.name for gpu in selection.trusted()) if device in {"auto", "cuda"} and selection.available() else ()
    )


def kept(folder: Path, threads: int, device: BackendName = "auto") -> Speed | None:
    """What was measured before for this machine, GPUs, device and threads.

    A GPU that came or went makes another machine, so that nobody promises the work of a GPU that is gone.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        found = Speed.from_bytes(path.read_bytes())
    except BadDocument:
        return None  # damaged
    wanted = (device, _gpus(device), platform.node(), threads, EVALUATOR)
    return found if (found.asked, found.gpus, found.machine, found.threads, found.evaluator) == wanted else None


def known(folder: Path, threads: int, device: BackendName = "auto", *, again: bool = False) -> Speed:
    """What was measured before (`kept`), else (or `again`) a new measurement, kept. Errors: as `measure`."""
    found = None if again else kept(folder, threads, device)
    if found is None:
        found = measure(threads, device)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / FILE, found.to_bytes())
    return found
