"""Compile a function to machine code, and keep the result on disk for the next process.

Numba takes a kernel from its cache when the kernel's own file is unchanged, although the code may depend on other files
too: on kernels and intrinsics that it calls, and on constants. Here the cache is valid for one state of all sources of
the kernel's folder; the simulator and its subfolders count as one.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy", "no_cfunc_wrapper": True}
# Nothing calls a kernel through a C pointer; without that entry, compiling takes a sixteenth less.

_SIMULATOR = Path(__file__).with_name("simulator")

_SHARED = tuple(Path(__file__).with_name(name) for name in ("frame.py", "vector_code.py"))
"""Sources in `data` that kernels of other folders depend on: constants and intrinsics."""


@cache
def _source_digest(folder: Path) -> str:
    """Digest of all files below a folder, and of those that kernels take from `data`."""
    digest = hashlib.sha256()
    for path in (*sorted(folder.rglob("*.py")), *_SHARED):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def kernel(function: Kernel) -> Kernel:
    """Decorator: compile on the first call, for its types of arguments; runs without the interpreter's lock."""
    return cast(Kernel, _valid_for_all_sources(njit(**_OPTIONS)(function)))


def inlined_kernel(function: Kernel) -> Kernel:
    """Decorator: a kernel that is compiled into its callers, so that constant arguments are known there."""
    return cast(Kernel, _valid_for_all_sources(njit(**_OPTIONS, inline="always")(function)))


def _valid_for_all_sources(compiled: Any) -> Any:
    # Numba has no public way to add to what a cache file must match. Where a later version names these attributes
    # otherwise, kernels are cached by their own file only, and the test of stale kernels fails.
    cache_file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if cache_file is not None:
        folder = Path(compiled.py_func.__code__.co_filename).parent
        digest = _source_digest(_SIMULATOR if folder.is_relative_to(_SIMULATOR) else folder)
        cache_file._source_stamp = (cache_file._source_stamp, digest)
    return compiled
