"""Everything that needs an NVIDIA GPU, in one call: `python scripts/gpu_check.py [--json FILE] [--seconds 540]`.

It compares every conformance vector and random lookups in batches of every size from 1 to 1,000 with the CPU, measures
ceilings and speeds (`benchmarks.gpu`) and what tuning needs, and runs the small vectors under compute-sanitizer and one
batch under Nsight Compute where those are installed.

Each part is a process of its own, so that a part that fails, hangs or breaks the driver's context costs no other part.
What a part has found is kept at once: it is in FILE and in the table even if the part, or this script, is ended early.
Kernels are compiled into a cache of this run alone, so compile times are of a first compilation. Stdout has a line for
each part, a table, and one JSON object as its last line; the exit code is 1 if a part failed. `--quick` shows that
everything runs, with sizes whose figures mean nothing. Nsight Compute's report is in the log alone.

It needs NumPy, CuPy, pycryptodome, pydantic, rfc8785 and rich, and a native core to compare with, which
`python -m fhe.engine.native.build` builds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

SECONDS = 540  # a borrowed machine's ten minutes, less its start
Note = Callable[[dict[str, Any]], None]

# What runs, in the order of its worth, and for how many seconds at most. The first word is a part of `PARTS`.
PLAN: dict[str, tuple[int, Sequence[str]]] = {
    "vectors": (120, ()),
    "speeds": (150, ()),
    "lookups": (150, ()),
    "tuning": (90, ()),
    "memcheck": (75, ("compute-sanitizer", "--tool", "memcheck", "--error-exitcode", "9")),
    "racecheck": (75, ("compute-sanitizer", "--tool", "racecheck", "--error-exitcode", "9")),
    "profile": (
        75,
        ("ncu", "--set", "full", "--clock-control", "none", "--kernel-name", "bootstrap_2048", "--launch-count", "2"),
    ),
    "initcheck": (75, ("compute-sanitizer", "--tool", "initcheck", "--error-exitcode", "9")),
    "synccheck": (75, ("compute-sanitizer", "--tool", "synccheck", "--error-exitcode", "9")),
}
FINDINGS = 9  # the exit code of a tool that found something


def vectors(note: Note, quick: bool) -> None:
    """All known answers."""
    from benchmarks.gpu_truth import SMALL
    from benchmarks.gpu_truth import vectors as check

    check(note, SMALL if quick else None)


def small_vectors(_note: Note, _quick: bool) -> None:
    """The small known answers, for compute-sanitizer."""
    vectors(lambda found: None, quick=True)


def lookups(note: Note, quick: bool) -> None:
    """Random lookups beside the CPU's."""
    from benchmarks.gpu_truth import lookups as check

    if quick:
        check(note, ("small-one-level", "small-two-levels"), total=16, most=8)
    else:
        check(note)


def speeds(note: Note, quick: bool) -> None:
    """The figures of `python -m benchmarks gpu`, one part after the other; a part that fails leaves the others."""
    from benchmarks import gpu

    start = time.perf_counter()
    bench = gpu.Bench.open(gpu.QUICK if quick else gpu.FULL)
    note({"self_test_s": time.perf_counter() - start})
    failed = []
    for name, part in gpu.PARTS.items():
        try:
            note(part(bench))
        except Exception as error:  # noqa: BLE001 - one call must tell as much as it can
            traceback.print_exc()
            failed.append(f"{name}: {error}")
    if failed:
        raise AssertionError("; ".join(failed))


def tuning(note: Note, quick: bool) -> None:
    """What the driver made of the kernels, and variants of them."""
    from benchmarks import gpu, gpu_tuning

    gpu_tuning.tuning(note, gpu.Bench.open(gpu.QUICK if quick else gpu.FULL))


def one_batch(note: Note, quick: bool) -> None:
    """What Nsight Compute looks at: no other launches, so no self-test."""
    import cupy

    from benchmarks import gpu, gpu_tuning
    from fhe.engine.cuda.device import CupyDevice

    gpu_tuning.one_bootstrap(note, gpu.Bench(cupy, CupyDevice(), gpu.QUICK if quick else gpu.FULL))


PARTS: dict[str, Callable[[Note, bool], None]] = {
    "vectors": vectors,
    "speeds": speeds,
    "lookups": lookups,
    "tuning": tuning,
    "profile": one_batch,
    **dict.fromkeys(("memcheck", "racecheck", "initcheck", "synccheck"), small_vectors),
}


def inside(name: str, into: Path, quick: bool) -> int:
    """Run one part in this process; what it finds goes to the file at once. 0, or 1 with the reason in the file."""
    found: dict[str, Any] = {}

    def note(more: dict[str, Any]) -> None:
        found.update(more)
        into.with_suffix(".part").write_text(json.dumps(found, default=float), encoding="utf-8")
        into.with_suffix(".part").replace(into)

    if quick:
        from benchmarks.gpu_truth import SMALL
        from fhe.engine.cuda import selection

        selection.CASES = SMALL  # of the self-test
    try:
        PARTS[name](note, quick)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it was, it is told
        traceback.print_exc()
        note({"error": str(error) or type(error).__name__})
        return 1
    return 0


def outside(name: str, seconds: float, folder: Path, quick: bool) -> tuple[dict[str, Any], str]:
    """Run one part in a process of its own: what it found, and why it failed or could not run, else nothing."""
    tool, into, log = list(PLAN[name][1]), folder / f"{name}.json", folder / f"{name}.log"
    if tool:
        program = shutil.which(tool[0])
        if program is None:
            return {name: f"{tool[0]} is not installed"}, ""
        tool[0] = program
    command = [*tool, sys.executable, str(Path(__file__).resolve()), "--part", name, "--into", str(into)]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command + (["--quick"] if quick else []),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
    found: dict[str, Any] = json.loads(into.read_text(encoding="utf-8")) if into.exists() else {}
    said = log.read_text(encoding="utf-8", errors="replace")
    reason = found.pop("error", None) or ("" if code == 0 else "\n".join(said.splitlines()[-3:]))
    if code is None:
        reason = f"not done in {seconds:.0f} s"
    if not tool:
        return found, reason if code != 0 else ""
    if code == 0:
        return found | {name: "clean" if tool[0].endswith("sanitizer") else "done"}, ""
    marked = [line for line in said.splitlines() if line.startswith("=====")]
    told = "; ".join(marked[:3] + marked[-1:]) or reason
    # a tool that cannot run here is no failure of the kernels
    return (found, told) if code == FINDINGS else (found | {name: f"could not run: {told}"}, "")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a part, and what it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main() -> int:
    """Run the parts, print what they found; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the object to this file, after every part")
    parser.add_argument("--log", type=Path, help="keep what all parts printed in this file")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="end after so many seconds")
    parser.add_argument("--only", nargs="+", choices=list(PLAN), default=list(PLAN), help="run these parts alone")
    parser.add_argument("--commit", help="the commit of this tree, where git cannot tell")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        return inside(options.part, options.into, options.quick)
    from benchmarks.machine import facts

    start, failed = time.monotonic(), list[str]()
    machine = facts() | ({"commit": options.commit} if options.commit else {})
    figures: dict[str, Any] = {"failed": failed, "machine": machine, "quick": options.quick}
    with tempfile.TemporaryDirectory(prefix="darkroom-gpu-") as scratch:
        folder = Path(scratch)
        os.environ["CUPY_CACHE_DIR"] = str(Path(scratch) / "kernels")  # nothing compiled before this run
        for name in options.only:
            began, left = time.monotonic(), options.seconds - (time.monotonic() - start)
            if left < 10:
                reason = "no time was left for it"
            else:
                found, reason = outside(name, min(PLAN[name][0], left), folder, options.quick)
                figures.update(found)
            if reason:
                failed.append(f"{name}: {reason}")
            figures[f"{name}_seconds"] = round(time.monotonic() - began, 1)
            print(f"{name}: {reason or 'done'} ({figures[f'{name}_seconds']} s)", flush=True)
            if options.log and (folder / f"{name}.log").exists():
                with options.log.open("a", encoding="utf-8") as log:
                    log.write(f"== {name}\n{(folder / f'{name}.log').read_text(encoding='utf-8', errors='replace')}")
            if options.json:
                options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for name, value in figures.items():
        print(f"{name:32} {value:,.4g}" if isinstance(value, float) else f"{name:32} {value}")
    print(json.dumps(figures))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
