"""The provider's process of the linear benchmark: `python -m benchmarks.linear_job FOLDER` prints what it took."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.execution.source import StoreSource
from app.protocol.data.dataset import EncryptedTable
from app.storage.folder import BlockStore
from benchmarks.machine import cores
from fhe.circuit.codec import decode
from fhe.engine.linear import evaluate_bodies, mask_batches, masks
from fhe.profiles import REFERENCE


def main(folder: Path) -> None:
    """Read a job's documents from `folder`, do it, and print what it took."""
    table = EncryptedTable.from_bytes((folder / "table").read_bytes())
    circuit = decode((folder / "circuit").read_bytes())
    start = time.perf_counter()
    source = StoreSource(table, REFERENCE, BlockStore(folder / "blocks"))
    bodies = evaluate_bodies(circuit, REFERENCE, table, source, 0, table.rows, threads=cores())
    digest = hashlib.sha256()
    with ThreadPoolExecutor(cores()) as pool:
        batches = mask_batches(circuit, REFERENCE, table, 0, table.rows)
        for polys in pool.map(lambda batch: masks(circuit, REFERENCE, source, batch), batches):
            digest.update(polys.data)
    data = bodies.astype("<u8").tobytes()
    (folder / "output").write_bytes(data)
    digest.update(data)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_rss_mb": peak_rss_mb(), "digest": digest.hexdigest()}))


def peak_rss_mb() -> float:
    """This program's largest resident memory. Linux's ru_maxrss counts the parent before exec as well, so not that."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


if __name__ == "__main__":
    main(Path(sys.argv[1]))
