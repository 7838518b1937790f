"""Keeping Python's recursion limit where it was.

py_ecc sets the limit to 100,000 when it is imported (by eth-account and py-evm), and py-evm to 12,288, for the whole
process. With the first, `json.loads` of a hostile document of nothing but brackets no longer ends in RecursionError:
it overruns the C stack and kills the process. So those libraries are imported under `limit_kept`, and the EVM, which
does need depth (1,024 nested calls of a dozen frames each), gets it only while it runs. Python 3.12 bounds the C stack
by itself, below what the EVM allows: there the embedded chain refuses such transactions.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EVM_LIMIT = 12 * 1024
_LOCK = threading.RLock()  # the limit is the process's, whichever thread sets it


class _Depth:
    """How many threads run the EVM, and what the limit was before the first of them."""

    runs = 0
    before = 0


@contextmanager
def limit_kept() -> Iterator[None]:
    """Undo what imports inside do to the recursion limit."""
    with _LOCK:
        before = sys.getrecursionlimit()
        try:
            yield
        finally:
            sys.setrecursionlimit(before)


@contextmanager
def evm_depth() -> Iterator[None]:
    """Room for the EVM's nested calls, in any number of threads."""
    with _LOCK:
        if not _Depth.runs:
            _Depth.before = sys.getrecursionlimit()
            sys.setrecursionlimit(max(EVM_LIMIT, _Depth.before))
        _Depth.runs += 1
    try:
        yield
    finally:
        with _LOCK:
            _Depth.runs -= 1
            if not _Depth.runs:
                sys.setrecursionlimit(_Depth.before)
