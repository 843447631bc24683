"""A kernel is taken from the cache only while no source that it may depend on has changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import fsd.compression
import fsd.data

SUM_A_BLOCK = """
import numpy as np
from fsd.compression.residual_kernels import block_sums
sums = np.zeros((15, 20), np.uint16)
block_sums(np.ones((120, 160), np.uint8), sums)
print(sums[0, 0], sum(block_sums.stats.cache_hits.values()))
"""


def block_sum(folder: Path) -> str:
    """Sum of a block of ones by the sources in a folder, and how many kernels came from the cache."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    ran = subprocess.run([sys.executable, "-c", SUM_A_BLOCK], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_a_kernel_is_compiled_again_when_an_intrinsic_of_another_file_changes(tmp_path: Path) -> None:
    package = tmp_path / "fsd"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "data").symlink_to(fsd.data.__path__[0])
    shutil.copytree(fsd.compression.__path__[0], package / "compression", ignore=shutil.ignore_patterns("__pycache__"))
    assert block_sum(tmp_path) == "64 0"
    assert block_sum(tmp_path) == "64 1"
    intrinsic = package / "compression" / "byte_sums.py"
    source = intrinsic.read_text(encoding="utf-8")
    assert source.count("_ROWS = 8") == 1
    intrinsic.write_text(source.replace("_ROWS = 8", "_ROWS = 4"), encoding="utf-8")
    assert block_sum(tmp_path) == "32 0"
