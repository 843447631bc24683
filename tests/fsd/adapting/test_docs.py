"""The commands of docs/adapter.md and those for your own network in README.md run, beside a recording and models."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fsd.cli import main
from tests.fsd._docs import printed_commands, text_of
from tests.fsd.adapting.test_ready_adapters import NETWORKS


@pytest.fixture
def models(stand_in: Callable[..., Path], small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a recording `my_drive`, and stand-ins of the models that the pages name."""
    path = np.stack([np.arange(1, 11) * 5.0, np.zeros(10)], axis=1)
    mine = stand_in({"front": ((1, 3, 48, 64), "float32")}, {"path": ((1, 10, 2), "float32")}, {"path": path})
    (tmp_path / "my_network.onnx").symlink_to(mine)
    for name in ("openpilot", "openpilot_split"):
        for file, inputs, outputs in NETWORKS[name].models:
            (tmp_path / f"{file}.onnx").symlink_to(stand_in(inputs, outputs))
    (tmp_path / "my_drive").symlink_to(small_clip)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("models")
def test_every_command_of_the_page_runs() -> None:
    commands = printed_commands("adapter.md")
    assert {command.words[1] for command in commands} == {"init", "check"}
    for command in commands:
        assert main(command.words) == 0, command.line


def test_the_commands_for_your_own_network_in_the_readme_run(models: Path) -> None:
    commands = [command for command in printed_commands("README.md") if "my_network.onnx" in command.line]
    assert [command.words[0] for command in commands] == ["adapter", "adapter", "export"]
    for command in commands[:2]:  # the third is run with another model, as docs/export.md prints it
        assert main(command.words) == 0, command.line
    assert (models / "adapter.json").exists()


def test_the_page_lists_every_ready_adapter() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", text_of("adapter.md").split("## Ready adapters")[1], re.MULTILINE)
    assert set(listed) == set(NETWORKS)
