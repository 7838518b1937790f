"""Builds the native core into the wheel where a C compiler exists.

Without one the wheel is pure Python and the core is built on first use, or the NumPy reference serves. A wheel with a
core inside is bound to its platform, not to a Python version: the core is loaded through ctypes.
"""

from __future__ import annotations

import importlib.util
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
        # by its path: the package around it needs NumPy, which no build environment has
        spec = importlib.util.spec_from_file_location("native_build", folder / "build.py")
        if spec is None or spec.loader is None:
            raise FileNotFoundError(folder / "build.py")
        native = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(native)
        try:
            native.build(folder)
        except native.BuildError as error:
            self.app.display_warning(f"No native core in this wheel ({error}); it is built on first use.")
            return
        build_data["artifacts"] += [str(NATIVE / name) for name in native.names().values()]
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
