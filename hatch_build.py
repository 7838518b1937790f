"""Makes the wheel one package: `darkroom`, with the checkout's packages inside it and the native core built.

In a checkout `app`, `fhe`, `ingestion` and `contracts` are imported by these names, which every tool understands. At
the top of somebody's site-packages they would meet packages of the same names, so the wheel holds them as
`darkroom.app` and so on, with each import of one of them written so (docs/adr/0025-one-public-package.md). An editable
install is the checkout as it is.

Without a C compiler the wheel is pure Python and the core is built on first use, or the NumPy reference serves. A wheel
with a core inside is bound to its platform, not to a Python version: the core is loaded through ctypes.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

INSIDE = ("app", "contracts", "fhe", "ingestion")  # packages that move; frontend, which has no modules, moves too
NATIVE = Path("fhe/engine/native")


def inside(text: str, name: str) -> str:
    """A module's source with its imports of our packages written as imports from `darkroom`; nothing else changes.

    Lines keep their numbers. Errors: ValueError for `import app.x`, which binds the name `app`: write `from` or `as`.
    """
    lines, found = text.splitlines(keepends=True), _imports(text)
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        if isinstance(node, ast.Import) and (len(node.names) > 1 or node.names[0].asname is None):
            raise ValueError(f"{name}:{node.lineno}: import one module a statement, with `from` or `as`.")
        line = lines[node.lineno - 1].encode()
        head, tail = line[: node.col_offset].decode(), line[node.col_offset :].decode()
        lines[node.lineno - 1] = head + re.sub(r"^(from|import)\s+", r"\g<0>darkroom.", tail)
    changed = "".join(lines)
    if found and _imports(changed):
        raise ValueError(f"{name}: an import of one of our packages could not be written as one from `darkroom`.")
    return changed


def _imports(text: str) -> list[ast.Import | ast.ImportFrom]:
    """The statements that name one of our packages by its name in the checkout."""

    def ours(node: ast.AST) -> bool:
        if isinstance(node, ast.ImportFrom):
            return node.level == 0 and (node.module or "").split(".")[0] in INSIDE
        return isinstance(node, ast.Import) and any(alias.name.split(".")[0] in INSIDE for alias in node.names)

    if not re.search(rf"\b(?:from|import)\b.*\b(?:{'|'.join(INSIDE)})\b", text):
        return []
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom) and ours(node)]


class OnePackage(BuildHookInterface[Any]):
    """The hook that hatchling finds in this file."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the rewritten modules and the native core into the wheel. An editable install is left to `make setup`."""
        if version == "editable":
            return
        self._rewrite(build_data)
        self._compile(build_data)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was only made for the wheel."""
        if version != "editable":
            self._folder.cleanup()

    def _rewrite(self, build_data: dict[str, Any]) -> None:
        """The wheel's places of our modules come from pyproject.toml; here their texts are replaced."""
        self._folder = tempfile.TemporaryDirectory(prefix="darkroom-wheel-")
        for found in list(self.build_config.builder.recurse_included_files()):
            if found.path.endswith(".py"):
                text = Path(found.path).read_text("utf-8")
                if (changed := inside(text, found.relative_path)) != text:
                    place = Path(self._folder.name, found.distribution_path)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(changed, "utf-8")
                    build_data["force_include"][str(place)] = found.distribution_path

    def _compile(self, build_data: dict[str, Any]) -> None:
        folder = Path(self.root) / NATIVE
        # by its path: the package around it needs NumPy, which no build environment has
        spec = importlib.util.spec_from_file_location("native_build", folder / "build.py")
        if spec is None or spec.loader is None:
            raise FileNotFoundError(folder / "build.py")
        native = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(native)
        try:
            if not all((folder / name).is_file() for name in native.names().values()):  # named by their sources' digest
                native.build(folder)
        except native.BuildError as error:
            self.app.display_warning(f"No native core in this wheel ({error}); it is built on first use.")
            return
        build_data["artifacts"] += [str(NATIVE / name) for name in native.names().values()]
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
