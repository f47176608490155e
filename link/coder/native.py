"""Native: `intervals.c` as machine code, a tenth of what NumPy takes for the same integers.

The library lies where Python keeps what it compiled. It is made once, where this machine has a C
compiler and may write there; on a node root does that. Where there is none, NumPy does the work.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_name("intervals.c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-shared", "-fPIC")
COMPILE_TIMEOUT_S = 60.0

Intervals = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Counts uint32 (rows, K), rows int64 (n,) below each symbol, prior uint32 (K,) to the counts below
and up to each, int64 (2, n).
"""


@cache
def intervals() -> Intervals | None:
    """None: this machine has no such library and cannot make it."""
    with suppress(OSError):
        library = _library()
        library.parent.mkdir(exist_ok=True)
        if not library.is_file() and not make(library):
            return None
        return _of(ctypes.CDLL(str(library)).intervals)
    return None


def make(library: Path) -> bool:
    """Compile it, whole or not at all; whether it is there then."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None or not os.access(library.parent, os.W_OK):
        return False
    with tempfile.TemporaryDirectory(dir=library.parent, prefix="intervals-") as folder:
        made = Path(folder) / library.name
        try:
            subprocess.run(
                [compiler, *FLAGS, "-o", made, SOURCE],
                check=True,
                capture_output=True,
                timeout=COMPILE_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        made.chmod(0o755)
        made.replace(library)
    return True


def _library() -> Path:
    """Another source, another file; one that was copied from another kind of machine is not it."""
    digest = sha256(SOURCE.read_bytes()).hexdigest()[:12]
    libc = platform.libc_ver()[0] or "libc"
    kind = f"{platform.machine()}-{platform.architecture()[0]}-{libc}"
    return SOURCE.parent / "__pycache__" / f"intervals-{digest}-{kind}.so"


def _of(function: Any) -> Intervals:
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = (pointer, pointer, number, number, pointer, pointer, pointer, pointer)
    function.restype = None

    def call(counts: np.ndarray, rows: np.ndarray, prior: np.ndarray) -> np.ndarray:
        weights, scratch = prior.copy(), np.empty(len(prior), np.uint64)
        ends = np.empty((2, len(rows)), np.int64)
        low, high = ends
        arrays = (weights, scratch, low, high)
        function(
            counts.ctypes.data,
            rows.ctypes.data,
            len(rows),
            len(prior),
            *(array.ctypes.data for array in arrays),
        )
        return ends

    return call
