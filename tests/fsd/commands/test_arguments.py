import argparse
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fsd.cli import main
from fsd.commands.arguments import add_options, config_from
from fsd.commands.parser import COMMANDS, build_parser
from fsd.data.errors import UsageError
from fsd.data.options import Options, option


def pair(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


@dataclass(frozen=True, kw_only=True)
class Inner(Options):
    heading = "inner part"

    names: tuple[str, ...] | None = option(None, "names to show", default_text="all", flag="--inner-names")


@dataclass(frozen=True, kw_only=True)
class Config(Options):
    clip: Path = option(help="recording", flag="", metavar="CLIP")
    max_ticks: int | None = option(None, "ticks at most", at_least=1, default_text="all")
    wait_ms: float = option(2.5, "pause between ticks", unit="ms", at_least=0)
    limits: Mapping[str, float] = option(default_factory=dict, help="limits", parse=pair, metavar="NAME=LIMIT")
    video: bool = option(True, "write no video")
    half: bool = option(False, "write a second file, 50% smaller")
    hidden: int = option(3, "not for the command line", is_argument=False)
    inner: Inner = field(default_factory=Inner)


def parsed(*words: str) -> Config:
    parser = argparse.ArgumentParser()
    add_options(parser, Config)
    return config_from(Config, parser.parse_args(words))


def test_what_is_not_given_keeps_the_default_of_the_configuration() -> None:
    assert parsed("drive") == Config(clip=Path("drive"))


def test_every_kind_of_value_arrives_with_its_type() -> None:
    words = "drive --max-ticks 3 --wait-ms 1 --limits a=1 b=2 --no-video --half --inner-names x y"
    expected = Config(
        clip=Path("drive"),
        max_ticks=3,
        wait_ms=1.0,
        limits={"a": 1.0, "b": 2.0},
        video=False,
        half=True,
        inner=Inner(names=("x", "y")),
    )
    assert parsed(*words.split()) == expected


def test_the_help_has_units_defaults_and_headings() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, Config)
    text = parser.format_help()
    for fact in ("--wait-ms MS", "(default: 2.5)", "(default: all)", "inner part:", "50% smaller"):
        assert fact in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("words", "name"),
    [("--max-ticks 0", "--max-ticks"), ("--wait-ms inf", "--wait-ms"), ("--limits a=much", "--limits")],
)
def test_a_wrong_value_is_a_usage_error_with_the_option_as_it_is_typed(words: str, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        parsed("drive", *words.split())


@pytest.mark.parametrize("words", [["replay", "drive", "--out", ""], ["profile", "--out="], ["replay", ""]])
def test_an_empty_path_is_refused_with_the_option_as_it_is_typed(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(words)
    assert raised.value.code == 2
    name = "CLIP" if words == ["replay", ""] else "--out"
    assert f"{name}: is empty" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_every_command_is_explained(command: str) -> None:
    subparsers = next(a for a in build_parser(command)._actions if isinstance(a, argparse._SubParsersAction))
    parser = subparsers.choices[command]
    verbs = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    parsers = [parser, *(verb for action in verbs for verb in action.choices.values())]
    for action in (action for each in parsers for action in each._actions):
        assert action.help, action
        if action.help == argparse.SUPPRESS:  # only to say which option is meant
            continue
        if action.option_strings[0:1] != ["-h"]:
            assert len(action.help.split()) > 2, action


@pytest.mark.parametrize("command", ["replay", "demo", "adapter", "compress", "compare", "profile", "train", "export"])
def test_help_of_a_command_loads_no_decoder_runtime_or_framework(command: str) -> None:
    script = (
        f"import sys\nfrom fsd.commands.parser import build_parser\nbuild_parser({command!r})\n"
        "print(sorted({'av', 'numba', 'onnxruntime', 'pyarrow', 'torch', 'shtab'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_argument_of_every_command_has_a_help_text() -> None:
    (commands,) = [action for action in build_parser("all")._actions if isinstance(action.choices, dict)]
    for name, parser in commands.choices.items():
        for action in parser._actions:
            assert action.help, f"fsd {name}: {action.option_strings or action.dest}"


@pytest.mark.parametrize(("command", "argument"), [("profile", "clip"), ("export", "weights")])
def test_a_positional_argument_that_may_be_left_out_is_then_not_given(command: str, argument: str) -> None:
    assert getattr(build_parser(command).parse_args([command]), argument, None) is None
