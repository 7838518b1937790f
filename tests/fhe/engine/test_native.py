"""The native core gives the reference's bytes, at every vector width, however work is split."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.protocol.errors import BadInput, BadKey, Unavailable
from fhe.engine.backends import prepare
from fhe.engine.gadget import table_polynomials
from fhe.engine.native import build, library
from fhe.engine.native.core import NativeCore
from fhe.engine.reference import ReferenceCore
from fhe.evaluation_key import EvaluationKey, PackingKey, shapes
from fhe.profile import EncryptionProfile, Gadget
from fhe.profiles import REFERENCE, insecure_test_profile

EDGE_WORDS = np.array([0, 1, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 64) - 1], np.uint64)


def random_key(profile: EncryptionProfile) -> EvaluationKey:
    rng = np.random.default_rng(4)
    parts = [rng.integers(0, 2**64, shape, np.uint64) for shape in shapes(profile)]
    return EvaluationKey(profile.digest, 1, parts[0], parts[1], PackingKey(bytes(16), parts[2]))


def widths(size: int) -> list[int]:
    """The vector widths that this processor runs and the size allows."""
    return [lanes for lanes in build.variants() if lanes <= library.widest() and size // 2 >= 16 * lanes]


def profile_of(size: int, levels: int, base: int, n: int = 7) -> EncryptionProfile:
    gadget = {"bootstrap": Gadget(base_log=base, levels=levels), "keyswitch": Gadget(base_log=base // 3, levels=3)}
    return insecure_test_profile(size, n).model_copy(update=gadget)


PROFILES = [
    profile_of(64, 1, 23),
    profile_of(128, 2, 15, 16),
    profile_of(256, 1, 31),
    profile_of(512, 3, 9),
    profile_of(1024, 2, 20, 4),
    profile_of(2048, 2, 15, 5),
    profile_of(4096, 1, 23, 3),
]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: f"{p.polynomial_size}x{p.bootstrap.levels}")
def test_every_vector_width_gives_the_reference_bytes(profile: EncryptionProfile) -> None:
    """Keyswitch, bootstrap and packing agree bit for bit, also on words at the edges of rounding."""
    key, size, n = random_key(profile), profile.polynomial_size, profile.lwe_dimension
    rng = np.random.default_rng(5)
    lwe, small = rng.integers(0, 2**64, (9, size + 1), np.uint64), rng.integers(0, 2**64, (9, n + 1), np.uint64)
    lwe[0, :6], lwe[1], small[0], small[1, : min(6, n)] = EDGE_WORDS, 0, 0, EDGE_WORDS[: min(6, n)]
    tables, which = table_polynomials(rng.integers(-99, 99, (3, 8)), 8, size), rng.integers(0, 3, 9)
    reference = ReferenceCore(profile, key)
    expected = reference.keyswitch(lwe), reference.bootstrap(small, tables, which)
    packed = reference.pack(lwe) if size <= 512 else None
    assert widths(size)
    for lanes in widths(size):
        core = NativeCore(profile, key, 1, lanes)
        assert np.array_equal(core.keyswitch(lwe), expected[0])
        assert np.array_equal(core.bootstrap(small, tables, which), expected[1])
        assert packed is None or np.array_equal(core.pack(lwe), packed)


def test_threads_and_batches_change_no_byte() -> None:
    """One by one, in odd parts, in one batch, on 1, 2 or 3 threads: the same words."""
    profile = profile_of(256, 2, 15, 12)
    key, rng = random_key(profile), np.random.default_rng(6)
    lwe = rng.integers(0, 2**64, (37, 257), np.uint64)
    tables, which = table_polynomials(rng.integers(-99, 99, (2, 8)), 8, 256), rng.integers(0, 2, 37)
    whole = NativeCore(profile, key, 1)
    small = whole.keyswitch(lwe)
    big = whole.bootstrap(small, tables, which)
    for threads in (1, 2, 3):
        core = NativeCore(profile, key, threads)
        assert np.array_equal(core.keyswitch(lwe), small)
        assert np.array_equal(core.bootstrap(small, tables, which), big)
        for start, stop in ((0, 1), (1, 20), (20, 37)):
            part = slice(start, stop)
            assert np.array_equal(core.keyswitch(lwe[part]), small[part])
            assert np.array_equal(core.bootstrap(small[part], tables, which[part]), big[part])


def test_strided_inputs_are_read_as_what_they_show() -> None:
    """A view with gaps gives the words of its copy."""
    profile = profile_of(64, 1, 23)
    core, rng = NativeCore(profile, random_key(profile)), np.random.default_rng(7)
    wide = rng.integers(0, 2**64, (6, 130), np.uint64)
    assert np.array_equal(core.keyswitch(wide[::2, ::2]), core.keyswitch(wide[::2, ::2].copy()))


@pytest.mark.parametrize("compiler", ["cc", "ziglang"])
def test_the_core_builds_with_either_compiler_to_the_same_answers(compiler: str, tmp_path: Path) -> None:
    """A system compiler and the ziglang wheel each build a core that passes the conformance vectors."""
    command = [sys.executable, "-m", "ziglang", "cc"] if compiler == "ziglang" else [str(shutil.which("cc"))]
    if compiler == "cc" and shutil.which("cc") is None:
        command = [sys.executable, "-m", "ziglang", "cc"]  # no system compiler here: the wheel's stands in
    package = tmp_path / "cache" / "darkroom" / "native"
    package.mkdir(parents=True)
    build.build(package, command)
    code = (
        "from pathlib import Path; from fhe.engine.native import build;"
        f"build.folders = lambda: (Path({str(package)!r}),);"
        "from fhe.engine.conformance import self_test; self_test('native')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_without_a_compiler_the_reference_computes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without libraries and compilers "native" is Unavailable and "auto" warns and computes with NumPy."""
    monkeypatch.setattr(build, "folders", lambda: (tmp_path,))
    monkeypatch.setattr(build, "compilers", list)
    for cached in (library.folder, library.widest, library._open, library.load):
        cached.cache_clear()
    profile = profile_of(64, 1, 23)
    try:
        with pytest.raises(Unavailable, match="no C compiler"):
            prepare(profile, random_key(profile), "native")
        with pytest.warns(RuntimeWarning, match="NumPy reference"):
            core = prepare(profile, random_key(profile), "auto")
        assert core.name == "reference"
    finally:
        for cached in (library.folder, library.widest, library._open, library.load):
            cached.cache_clear()


def test_a_failing_compiler_is_named_with_its_reason(tmp_path: Path) -> None:
    """What the compiler said last is in the error, and no library is left behind."""
    script = tmp_path / "cc"
    script.write_text("#!/bin/sh\necho 'no such header' >&2\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(build.BuildError, match="no such header"):
        build.build(tmp_path, [str(script)])
    assert not list(tmp_path.glob("*.so"))


def test_a_read_only_package_builds_into_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's cache folder takes the libraries, with the user's rights only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "SOURCES", Path("/proc/self/nowhere"))
    folder = build._writable()
    assert folder == tmp_path / "darkroom" / "native"
    assert folder.stat().st_mode & 0o777 == 0o700 & ~os.umask(os.umask(0))


def test_a_changed_source_never_runs_from_an_old_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Library names carry the digest of their sources."""
    for source in build.SOURCES.glob("*.[ch]"):
        shutil.copy(source, tmp_path)
    before = build.names()
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    assert build.names() == before
    (tmp_path / "core.c").write_text((tmp_path / "core.c").read_text("utf-8") + "\n")
    assert build.names() != before
    assert build.find() in (None, tmp_path / "nothing") or build.find() != tmp_path


def test_parameters_without_a_definition_are_refused() -> None:
    """Sizes and gadgets that the page does not define raise BadInput; a foreign key raises BadKey."""
    for profile in (profile_of(96, 1, 23), profile_of(64, 1, 32), profile_of(64, 4, 16)):
        with pytest.raises(BadInput, match="reference profile"):
            prepare(profile, random_key(profile))
    profile = profile_of(64, 1, 23)
    for backend in ("reference", "native"):
        with pytest.raises(BadKey):
            prepare(REFERENCE, random_key(profile), backend)
