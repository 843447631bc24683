from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fsd.data.options import OptionError, Options, declared_options, option
from fsd.data.recording_options import RecordingOptions, camera_pair


@dataclass(frozen=True, kw_only=True)
class Base(Options):
    heading = "base"

    out: Path = option(Path("base"), "folder")
    share: float = option(1.0, "part of the whole", above=0, at_most=1)
    limits: Mapping[str, float] = option(default_factory=dict, help="limits", at_least=0)


@dataclass(frozen=True, kw_only=True)
class Derived(Base):
    heading = "derived"

    out: Path = Path("derived")
    names: tuple[str, ...] = option(("a",), "names", choices=("a", "b"))
    count: int | None = option(None, "count", at_least=1)
    parts: tuple[Path, ...] = option((Path("a"),), "parts")


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"share": 0.0}, "above 0 and at most 1"),
        ({"share": float("nan")}, "nan"),
        ({"count": 0}, "at least 1"),
        ({"names": ("a", "c")}, "'c'"),
        ({"names": ()}, "names"),
        ({"limits": {"x": -1.0}}, "-1"),
        ({"limits": {"x": float("inf")}}, "inf"),
        ({"out": ""}, "empty"),
        ({"parts": ("a", "")}, "empty"),
    ],
)
def test_a_value_outside_its_declaration_is_refused_with_the_name_of_its_field(
    change: dict[str, Any], fact: str
) -> None:
    with pytest.raises(OptionError, match=fact) as error:
        Derived(**change)
    assert {error.value.name} == change.keys()


def test_a_text_becomes_the_path_that_it_names() -> None:
    assert Derived(out="a/b").out == Path("a/b")  # type: ignore[arg-type]
    options = RecordingOptions(clip="drive", cameras={"rear": "rear.mp4"})  # type: ignore[arg-type, dict-item]
    assert (options.clip, options.cameras) == (Path("drive"), {"rear": Path("rear.mp4")})


def test_a_changed_copy_is_checked_too() -> None:
    with pytest.raises(OptionError):
        replace(Derived(), share=2.0)


def test_a_subclass_that_changes_a_default_keeps_the_declaration() -> None:
    declared = declared_options(Derived)
    assert Derived().out == Path("derived")
    assert (declared["out"].help, declared["out"].group, declared["names"].group) == ("folder", "base", "derived")


@pytest.mark.parametrize("text", ["video.mp4", "=video.mp4", "front_main="])
def test_a_camera_pair_needs_both_parts(text: str) -> None:
    assert camera_pair("front_main=a=b.mp4") == ("front_main", Path("a=b.mp4"))
    with pytest.raises(ValueError, match=text):
        camera_pair(text)
