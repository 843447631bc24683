"""The commands and snippets that README.md and the pages of `docs` print."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from glob import glob
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PROGRAMS = ("fsd", "python", "torchrun")
"""First words of the lines that a reader is meant to run, after the installation."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Printed:
    """A command line, the name of the file that prints it, and the language of its block, which may be empty."""

    page: str
    line: str
    language: str = "sh"

    @property
    def words(self) -> list[str]:
        """The words after the program, as a shell passes them: no comments, and files in place of patterns."""
        return [word for part in shlex.split(self.line, comments=True)[1:] for word in sorted(glob(part)) or [part]]


@cache
def text_of(page: str) -> str:
    """Content of README.md or of a page of `docs`."""
    return (ROOT / page if page == "README.md" else DOCS / page).read_text(encoding="utf-8")


def pages() -> list[str]:
    """README.md and all pages of `docs`."""
    return ["README.md", *sorted(path.name for path in DOCS.glob("*.md"))]


def blocks(page: str) -> list[tuple[str, str]]:
    """(language, content) of every code block; the language may be empty."""
    return _BLOCK.findall(text_of(page))


def printed_commands(page: str) -> list[Printed]:
    """Every command of the program, of a benchmark or of an example in a code block."""
    lines = [(line.removeprefix("$ "), language) for language, content in blocks(page) for line in content.splitlines()]
    return [Printed(page, line, language) for line, language in lines if line.split(" ", 1)[0] in PROGRAMS]


def named_options(page: str) -> Iterator[tuple[str, str, list[str]]]:
    """(quotation, command, its options) of every `fsd …` within a sentence."""
    for quoted in re.findall(r"`(fsd [a-z]+ [^`]+)`", _BLOCK.sub("", text_of(page))):
        words = quoted.replace("[", "").replace("]", "").split()
        yield quoted, words[1], [word for word in words if word.startswith("--")]
