"""Numba caches a kernel by the date of its own file: a kernel that calls one of another file would go stale unseen."""

import importlib
import pkgutil

import pytest
from numba.core.dispatcher import Dispatcher

import fsd.compression

MODULES = [module.name for module in pkgutil.iter_modules(fsd.compression.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_kernels_call_only_kernels_of_their_own_file(name: str) -> None:
    module = importlib.import_module(f"fsd.compression.{name}")
    kernels = {key: value for key, value in vars(module).items() if isinstance(value, Dispatcher)}
    foreign = {key for key, kernel in kernels.items() if kernel.py_func.__module__ != module.__name__}
    for key, kernel in kernels.items():
        if key not in foreign:
            assert not foreign & set(kernel.py_func.__code__.co_names), key
