"""Control characters never reach the terminal, whatever command prints them."""

import io
import sys

import pytest

from fsd.cli import main
from fsd.commands.plain_output import PlainStream, plain_output


def shown(text: str, encoding: str = "utf-8", keeps_returns: bool = False) -> str:
    written = io.TextIOWrapper(io.BytesIO(), encoding, newline="")
    PlainStream(written, keeps_returns).write(text)
    written.seek(0)
    return written.read()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("bell\x07 \x9b1m \x7f", "bell\\x07 \\x9b1m \\x7f"),
        ("\u202egpm.exe", "\\u202egpm.exe"),
        ("name\udcff.mp4", "name\\udcff.mp4"),
        ("over\rwritten", "over\\rwritten"),
        ("Straße ü 日本\ttab\nline", "Straße ü 日本\ttab\nline"),
    ],
)
def test_control_characters_are_shown_as_their_escapes(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_a_progress_bar_may_draw_over_itself() -> None:
    assert shown("\r50%", keeps_returns=True) == "\r50%"


def test_what_the_terminal_cannot_show_is_escaped() -> None:
    assert shown("16 m/s² …", encoding="ascii") == "16 m/s\\xb2 \\u2026"


def test_the_streams_are_put_back() -> None:
    before = sys.stdout, sys.stderr
    with plain_output():
        assert isinstance(sys.stdout, PlainStream)
    assert (sys.stdout, sys.stderr) == before


def test_an_error_that_names_a_file_does_not_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "no\x1b[2Jsuch"]) == 3
    assert "no\\x1b[2Jsuch" in capsys.readouterr().err
