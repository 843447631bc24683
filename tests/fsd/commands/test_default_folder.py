import argparse
from pathlib import Path

import pytest

from fsd.commands.default_folder import choose_folder, clip_folder
from fsd.commands.parser import COMMANDS, build_parser


def chosen(first: Path, **given: Path) -> Path:
    options = argparse.Namespace(**given)
    choose_folder(options, first)
    return Path(options.out)


def test_a_folder_that_is_taken_is_not_used_again(tmp_path: Path) -> None:
    first = tmp_path / "drive"
    assert chosen(first) == first
    first.mkdir()
    assert chosen(first) == first  # empty
    (first / "plan.parquet").touch()
    assert chosen(first) == tmp_path / "drive-2"
    (tmp_path / "drive-2").touch()  # a file of that name
    assert chosen(first) == tmp_path / "drive-3"


def test_a_folder_that_was_named_is_used(tmp_path: Path) -> None:
    assert chosen(tmp_path / "drive", out=tmp_path) == tmp_path


def outputs(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Every `--out` of a parser and of those of its verbs."""
    inner = [each for action in parser._actions if isinstance(action.choices, dict) for each in action.choices.values()]
    own = [action for action in parser._actions if "--out" in action.option_strings]
    return own + [action for each in inner for action in outputs(each)]


@pytest.mark.parametrize("command", COMMANDS)
def test_results_without_out_are_below_out(command: str) -> None:
    files = ("adapter.json",)  # beside the model it is for, and never replaced
    for action in outputs(build_parser(command)):
        text = action.help or ""
        if text != argparse.SUPPRESS and not any(f"(default: {name})" in text for name in files):
            assert " (default: out/" in text, f"fsd {command}: {text}"


@pytest.mark.parametrize(("name", "expected"), [("monday", "out/monday"), ("monday.mp4", "out/monday")])
def test_the_folder_has_the_name_of_the_recording(name: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.touch() if path.suffix else path.mkdir()
    assert clip_folder(path) == Path(expected)
