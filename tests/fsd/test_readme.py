"""Commands, Python code and links of README.md work; `make` commands are run by `.ci/run`."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from fsd.cli import main
from fsd.commands.parser import COMMANDS, build_parser

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def fsd_commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`(fsd [a-z]+ [^`|]*)`", README)
    return [shlex.split(line)[1:] for line in [*lines, *inline] if line.startswith("fsd ")]


def test_the_first_screen_names_only_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_command_of_the_program_is_in_the_readme() -> None:
    for name in COMMANDS:
        assert f"fsd {name}" in README, name


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert "docs/architecture.md" in links
    for target in links:
        assert (ROOT / target).exists(), target


def test_every_printed_python_block_runs(
    small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert blocks
    shutil.copytree(small_clip, tmp_path / "my_drive")
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


@pytest.mark.parametrize("arguments", fsd_commands(), ids=" ".join)
def test_every_printed_command_is_understood(arguments: list[str]) -> None:
    if arguments[0] == "compare":
        arguments = ["compare", "a", "b"]
    build_parser("all").parse_args(arguments)


@pytest.mark.parametrize("arguments", [c for c in fsd_commands() if c[0] == "replay"], ids=" ".join)
def test_every_printed_replay_replays(
    arguments: list[str], small_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(small_clip, tmp_path / "my_drive")
    shutil.copy(small_clip / "front_main.mp4", tmp_path / "dashcam.mp4")
    shutil.copy(small_clip / "rear.mp4", tmp_path / "back.mkv")
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--max-ticks", "4"]) == 0
    assert (tmp_path / "out" / "plan.parquet").exists()
