"""The compressor's kernels read the same from pictures when they are compiled for an older processor."""

import platform
from pathlib import Path

import pytest

from tests.portable.emulator import run_on

SCRIPT = Path(__file__).with_name("read_pictures.py")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs a processor that runs code for older ones")
def test_pictures_are_read_the_same_without_avx(monkeypatch: pytest.MonkeyPatch) -> None:
    here = run_on(None, SCRIPT)
    monkeypatch.setenv("NUMBA_CPU_NAME", "nehalem")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+sse4.2")  # those of this machine otherwise
    there = run_on(None, SCRIPT)
    assert there["instruction"] == "sse2"
    assert there["digests"] == here["digests"]
