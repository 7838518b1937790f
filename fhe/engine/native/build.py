"""Builds the native core: `python -m fhe.engine.native.build`, `make setup`, the wheel's build hook, or first use.

Needs a C compiler: `$CC`, `cc`, `gcc` or `clang`, else `python -m ziglang cc` where the ziglang wheel is installed. It
imports nothing but the standard library, so that it runs before anything else is installed. Libraries carry the digest
of sources and flags in their name: a changed source is never run from an old library, and no build disturbs another.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent
EXACT = ("-ffp-contract=off", "-fno-sanitize=undefined")
COMMON = ("-O3", "-std=gnu11", *EXACT, "-fvisibility=hidden", "-shared", "-fPIC")
SECONDS = 300
PROBES = ("cpu.c", "merkle.c", "mask.c")  # built without flags: they look at the processor before they use it
KERNELS = ("core.c", "keyswitch.c", "pack.c", "tables.c")  # built once for each vector width

# lanes -> flags of gcc and clang, and zig's name of the processor (zig targets the building machine unless told). The
# order of instructions is for one processor and any runs them: a step takes 5 % less with AVX2, 3 % with AVX-512.
Flags = dict[int, tuple[tuple[str, ...], str]]
TUNED = "-mtune=skylake-avx512"
X86: Flags = {
    2: ((), "x86_64"),
    4: (("-mavx2", TUNED), "x86_64_v3"),
    8: (("-mavx512f", "-mavx512dq", TUNED), "x86_64_v4"),
}
OTHER: Flags = {2: ((), "baseline")}


class BuildError(Exception):
    """No compiler, or one that failed; the message says which and why."""


def is_x86() -> bool:
    """Whether this machine is 64-bit x86, which has three vector widths; others have one."""
    return platform.machine().lower() in {"x86_64", "amd64"}


def variants() -> Flags:
    """The vector widths to build here, with their flags."""
    return X86 if is_x86() else OTHER


def fingerprint() -> str:
    """The first 16 hex digits of a SHA-256 over sources and flags."""
    digest = hashlib.sha256(repr((COMMON, variants(), platform.machine(), sys.platform)).encode())
    for source in sorted(SOURCES.glob("*.[ch]")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def names() -> dict[int, str]:
    """File name of each library; key 0 is the one that looks at the processor."""
    mark = fingerprint()
    return {0: f"cpu-{mark}.so"} | {lanes: f"core{lanes}-{mark}.so" for lanes in variants()}


def folders() -> tuple[Path, Path]:
    """Where libraries are looked for, in order: this package, then the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return SOURCES, cache / "darkroom" / "native"


def find() -> Path | None:
    """The folder that holds a complete set of libraries of these sources."""
    wanted = names().values()
    return next((folder for folder in folders() if all((folder / name).is_file() for name in wanted)), None)


def compilers() -> list[list[str]]:
    """Commands that may compile C here, best first."""
    found = [shlex.split(os.environ["CC"])] if os.environ.get("CC") else []
    found += [[path] for path in map(shutil.which, ("cc", "gcc", "clang")) if path]
    if importlib.util.find_spec("ziglang"):
        found.append([sys.executable, "-m", "ziglang", "cc"])
    return found


def build(folder: Path | None = None, compiler: list[str] | None = None) -> Path:
    """Compile every library into `folder`, else the first writable one of `folders()`. Errors: BuildError."""
    candidates = [compiler] if compiler else compilers()
    if not candidates:
        raise BuildError("no C compiler was found: install one, or `pip install ziglang`")
    target = folder or _writable()
    failures = []
    for command in candidates:
        try:
            _compile_all(command, target)
        except (OSError, subprocess.SubprocessError) as error:
            output = getattr(error, "stderr", None) or b""
            reason = output.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
            failures.append(f"{shlex.join(command)}: {reason[0]}")
            continue
        return target
    raise BuildError("; ".join(failures))


def _writable() -> Path:
    for folder in folders():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    raise BuildError(f"neither {folders()[0]} nor {folders()[1]} can be written")


def _compile_all(command: list[str], folder: Path) -> None:
    zig = "ziglang" in command or Path(command[0]).name.startswith("zig")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as scratch:
        for lanes, name in names().items():
            sources = PROBES if lanes == 0 else KERNELS
            flags, processor = variants()[lanes or 2]
            march = [f"-mcpu={processor}"] if zig else [*flags, "-Wno-psabi"]
            output = Path(scratch) / name
            arguments = [*COMMON, *march, f"-DLANES={lanes}", *(str(SOURCES / source) for source in sources)]
            subprocess.run([*command, *arguments, "-o", str(output)], check=True, capture_output=True, timeout=SECONDS)
            output.replace(folder / name)


def main() -> int:
    """Build unless a complete set is there; exit code 0 even without a compiler, since NumPy then does the work."""
    found = find()
    if found:
        print(f"native core: already built in {found}")  # noqa: T201 - this is a command
        return 0
    try:
        print(f"native core: built in {build()}")  # noqa: T201
    except BuildError as error:
        print(f"native core: not built ({error}); the NumPy reference will be used, about 50 times slower")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
