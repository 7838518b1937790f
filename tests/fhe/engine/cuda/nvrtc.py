"""NVIDIA's run-time compiler from its wheel, through ctypes: machine code for any GPU, on a machine that has none."""

from __future__ import annotations

import ctypes
import importlib.util
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from functools import cache
from pathlib import Path

from fhe.engine.cuda.source import OPTIONS, cuda_source
from fhe.profile import EncryptionProfile


@cache
def library() -> ctypes.CDLL:
    """libnvrtc of the wheel nvidia-cuda-nvrtc-cu12, which torch brings."""
    spec = importlib.util.find_spec("nvidia.cuda_nvrtc")
    assert spec is not None, "install nvidia-cuda-nvrtc-cu12"
    (folder,) = spec.submodule_search_locations or [""]
    (found,) = Path(folder).glob("lib/libnvrtc.so.*")
    loaded = ctypes.CDLL(str(found))
    loaded.nvrtcGetErrorString.restype = c_char_p
    loaded.nvrtcCreateProgram.argtypes = [POINTER(c_void_p), c_char_p, c_char_p, c_int, c_void_p, c_void_p]
    return loaded


@cache
def compiled(text: str, options: tuple[str, ...]) -> tuple[str, str, bytes]:
    """Log, PTX and machine code, for options that name a real architecture. AssertionError with the log."""
    nvrtc, program = library(), c_void_p()
    assert nvrtc.nvrtcCreateProgram(byref(program), text.encode(), b"darkroom.cu", 0, None, None) == 0
    words = (c_char_p * len(options))(*(option.encode() for option in options))
    code = nvrtc.nvrtcCompileProgram(program, len(options), words)
    log = _get(program, "ProgramLog").rstrip(b"\0").decode()
    assert code == 0, log
    ptx, cubin = _get(program, "PTX").rstrip(b"\0").decode(), _get(program, "CUBIN")
    nvrtc.nvrtcDestroyProgram(byref(program))
    return log, ptx, cubin


def _get(program: c_void_p, what: str) -> bytes:
    nvrtc, size = library(), c_size_t()
    assert getattr(nvrtc, f"nvrtcGet{what}Size")(program, byref(size)) == 0
    buffer = ctypes.create_string_buffer(size.value)
    assert getattr(nvrtc, f"nvrtcGet{what}")(program, buffer) == 0
    return buffer.raw


CUPY = ("-ftz=true", "--device-as-default-execution-space")  # what CuPy 14 adds to a module's own options


def compile_for(profile: EncryptionProfile, architecture: str) -> tuple[str, str, bytes]:
    """The log, PTX and machine code of all kernels, as CuPy has them compiled."""
    return compiled(cuda_source(profile), (*OPTIONS, *CUPY, f"-arch={architecture}", "--ptxas-options=-v"))
