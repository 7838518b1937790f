"""Which modules can run: a wheel brings NVIDIA's disassembler to Python 3.11 alone (torch brings Triton only there)."""

from __future__ import annotations

import sys

collect_ignore = ["test_machine_code.py"] if sys.version_info >= (3, 12) else []
