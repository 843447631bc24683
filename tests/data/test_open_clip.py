"""Formats of third parties that fail: they are named and passed over."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fsd.data import open_clip as module
from fsd.data.errors import ClipError
from fsd.data.formats.recording_format import Match
from fsd.data.open_clip import detect, open_clip, recordings_in


class Failing:
    name = "failing"
    description = "fails in every way"

    def __init__(self, found: Callable[[Path], Any]) -> None:
        self._found = found

    def detect(self, path: Path) -> Any:
        return self._found(path)

    def open(self, path: Path, options: Any) -> Any:
        raise KeyError("rows")


def fails(path: Path) -> Match:
    raise ZeroDivisionError("no cameras")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Installs an entry point whose loading calls a function."""

    def install(load: Callable[[], Any]) -> None:
        entry = SimpleNamespace(name="odd", value="odd_package:Format", load=load)
        monkeypatch.setattr(module, "entry_points", lambda group: [entry])
        module._third_party_formats.cache_clear()

    yield install
    monkeypatch.undo()
    module._third_party_formats.cache_clear()


def cannot_load() -> Any:
    raise ImportError("odd_library")


@pytest.mark.parametrize(
    ("load", "fact"),
    [
        (cannot_load, "odd of odd_package:Format is passed over: it cannot be loaded"),
        (lambda: lambda: Failing(fails), "failing is passed over: it fails on this recording"),
        (lambda: lambda: Failing(lambda path: "yes"), "failing is passed over: it returned 'yes'"),
    ],
)
def test_a_format_that_fails_is_named_and_the_others_go_on(
    tools: Any, tmp_path: Path, installed: Any, load: Callable[[], Any], fact: str
) -> None:
    installed(load)
    tools.write_video(tmp_path / "front.mp4", [0, 40, 80])
    assert recordings_in([tmp_path]) == [tmp_path]
    assert detect(tmp_path)[0].name == "folder"
    assert any(fact in note for note in open_clip(tmp_path).notes)


def test_a_format_that_recognises_a_path_but_fails_to_open_it_is_named(tmp_path: Path, installed: Any) -> None:
    installed(lambda: lambda: Failing(lambda path: Match("mine", (path,))))
    with pytest.raises(ClipError, match=r"failing fails.*rows"):
        open_clip(tmp_path)
