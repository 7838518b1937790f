"""The canonical evaluator on an NVIDIA GPU: CUDA C++ kernels, compiled when they are first used, behind CuPy."""
