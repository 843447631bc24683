"""The compressor's kernels read the same from pictures on processors with other instructions."""

from pathlib import Path
from typing import Any

import pytest

from tests.portable.emulator import PROCESSORS, is_available, run_on

SCRIPT = Path(__file__).with_name("read_pictures.py")
INSTRUCTION = {"Haswell": "avx2", "Nehalem": "sse2"}

pytestmark = pytest.mark.skipif(not is_available(), reason="needs qemu-user (apt-get install qemu-user)")


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    return run_on("", SCRIPT)


@pytest.mark.parametrize("processor", PROCESSORS)
def test_pictures_are_read_the_same_by_every_instruction(processor: str, here: dict[str, Any]) -> None:
    there = run_on(processor, SCRIPT)
    assert there["instruction"] == INSTRUCTION[processor]
    assert there["digests"] == here["digests"]
