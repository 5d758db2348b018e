"""Makes MLX fast on this machine. Imported on the inference thread, before `mlx.core` is."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator


def prepare() -> None:
    """Set up the process for MLX; safe to call again."""
    # Nothing in a worker may fetch from the network, and tokenizers must not fork threads behind our back.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if sys.platform == "linux":
        # The wheel's reference BLAS is 40 times slower; the loader takes the first one it finds.
        with contextlib.suppress(OSError):
            ctypes.CDLL("libopenblas.so.0", ctypes.RTLD_GLOBAL)
        # Compiling kernels with g++ costs 1.5 s each and gains nothing on a CPU.
        os.environ.setdefault("MLX_DISABLE_COMPILE", "1")


@contextlib.contextmanager
def open_file_limit_kept() -> Iterator[None]:
    """`import mlx_lm` lowers RLIMIT_NOFILE to 2048 for the whole process; put it back."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
