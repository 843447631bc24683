"""The commands of docs/adapter.md run, one after the other, beside a recording and two models."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fsd.cli import main
from tests.fsd.adapting.test_ready_adapters import NETWORKS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "adapter.md"


def test_every_command_of_the_page_runs(
    stand_in: Callable[..., Path], small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = np.stack([np.arange(1, 11) * 5.0, np.zeros(10)], axis=1)
    mine = stand_in({"front": ((1, 3, 48, 64), "float32")}, {"path": ((1, 10, 2), "float32")}, {"path": path})
    (tmp_path / "my_network.onnx").symlink_to(mine)
    for name in ("openpilot", "openpilot_split"):
        for file, inputs, outputs in NETWORKS[name].models:
            (tmp_path / f"{file}.onnx").symlink_to(stand_in(inputs, outputs))
    (tmp_path / "my_drive").symlink_to(small_clip)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert {words[2] for words in commands} == {"init", "check"}
    for words in commands:
        assert main(words[1:]) == 0, words


def test_the_page_lists_every_ready_adapter() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8").split("## Ready adapters")[1], re.MULTILINE)
    assert set(listed) == set(NETWORKS)
