"""Builds the native core into the wheel where a C compiler exists.

Without one the wheel is pure Python and the core is built on first use, or the NumPy reference serves. A wheel with a
core inside is bound to its platform, not to a Python version: the core is loaded through ctypes.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("fhe/engine/native")


class NativeCore(BuildHookInterface[Any]):
    """The hook that hatchling finds in this file."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and put the result into the wheel. An editable install is left to `make setup`."""
        if version == "editable":
            return
        folder = Path(self.root) / NATIVE
        run = subprocess.run(
            [sys.executable, str(folder / "build.py")], cwd=self.root, capture_output=True, check=False
        )
        cores = sorted(folder.glob("*.so"))
        if run.returncode or not cores:
            self.app.display_warning("No native core in this wheel: it is built on first use, or NumPy does the work.")
            return
        build_data["artifacts"] += [str(core.relative_to(self.root)) for core in cores]
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
