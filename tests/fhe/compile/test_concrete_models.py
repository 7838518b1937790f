"""Concrete ML is imported in one place, without the words of its libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
NOISE = 'import sys, warnings\nprint("No CUDA runtime is found", file=sys.stderr)\nwarnings.warn("old")\nHERE = True\n'


def test_what_its_libraries_say_reaches_nobody(tmp_path: Path) -> None:
    """A library that speaks on stderr while it is imported, and warns, is not heard; what comes after is."""
    package = tmp_path / "concrete" / "ml" / "sklearn"
    package.mkdir(parents=True)
    for folder in (package.parent.parent, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "__init__.py").write_text(NOISE)
    program = (
        "import sys\nfrom fhe.compile import concrete_models\n"
        "assert concrete_models.load().HERE\nprint('after', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True, encoding="utf-8", timeout=120, check=True,
    )  # fmt: skip
    assert done.stderr == "after\n"
