"""The layout is held against a real `drive.mcap`, and against what Foxglove and Lichtblick say a panel needs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcap", reason="the extra `viewer` is not installed")
from mcap.reader import make_reader

from fsd.data.frames import CAMERAS
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.viewers.foxglove_layout import LAYOUT_FILE, foxglove_layout

PANEL_TYPES = {"3D", "Image", "Plot", "StateTransitions", "RawMessages", "RosOut", "Tab"}
TIMES = {"receiveTime", "publishTime", "headerStamp", "customField"}


@pytest.fixture(scope="module")
def out(small_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layout")
    config = ReplayConfig(clip=small_clip, out=folder, overlay=False, report=False, max_ticks=12)
    replay(config, show_progress=False)
    return folder


@pytest.fixture(scope="module")
def layout(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / LAYOUT_FILE).read_text())
    return found


def topics_of(path: Path) -> dict[str, tuple[str, set[str]]]:
    """Topic -> its schema, and the fields that its JSON schema names."""
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    found = {}
    for channel in summary.channels.values():
        schema = summary.schemas[channel.schema_id]
        fields = set(json.loads(schema.data)["properties"]) if schema.encoding == "jsonschema" else set()
        found[channel.topic] = (schema.name, fields)
    return found


def leaves(node: Any) -> Iterator[str]:
    """Ids of panels in a tree."""
    if isinstance(node, str):
        yield node
        return
    assert set(node) == {"direction", "first", "second", "splitPercentage"}
    assert node["direction"] in ("row", "column")
    assert 0 < node["splitPercentage"] < 100
    yield from leaves(node["first"])
    yield from leaves(node["second"])


def shown(layout: dict[str, Any]) -> list[str]:
    """Ids of all panels, those inside of tabs included."""
    found = list(leaves(layout["layout"]))
    for panel in list(found):
        for tab in layout["configById"][panel].get("tabs", ()):
            found += leaves(tab["layout"])
    return found


def named(panel: dict[str, Any]) -> Iterator[str]:
    """Topics, and paths into their messages, that a panel reads."""
    yield from panel.get("topics", {})
    mode = panel.get("imageMode", {})
    yield from (mode[key] for key in ("imageTopic", "calibrationTopic") if key in mode)
    yield from mode.get("annotations", {})
    yield from (series["value"] for series in panel.get("paths", ()))
    yield from (panel[key] for key in ("topicPath", "topicToRender") if key in panel)


def test_it_has_the_parts_that_an_import_needs(layout: dict[str, Any]) -> None:
    assert set(layout) == {"configById", "globalVariables", "userNodes", "playbackConfig", "layout"}
    assert {panel.partition("!")[0] for panel in layout["configById"]} == PANEL_TYPES


def test_every_panel_stands_in_the_tree_once(layout: dict[str, Any]) -> None:
    assert sorted(shown(layout)) == sorted(layout["configById"])


def test_every_topic_and_field_it_names_is_in_the_file(layout: dict[str, Any], out: Path) -> None:
    topics = topics_of(out / "drive.mcap")
    for panel, settings in layout["configById"].items():
        for path in named(settings):
            if path.replace(".", "", 1).isdigit():
                continue  # a horizontal line
            topic, _, field = path.partition(".")
            assert topic in topics, panel
            assert not field or field in topics[topic][1], path


def test_pictures_calibrations_and_gaze_have_the_schemas_that_an_image_panel_takes(
    layout: dict[str, Any], out: Path
) -> None:
    topics = topics_of(out / "drive.mcap")
    modes = [panel["imageMode"] for name, panel in layout["configById"].items() if name.startswith("Image!")]
    assert len(modes) == len(CAMERAS)
    for mode in modes:
        assert topics[mode["imageTopic"]][0] == "foxglove.CompressedVideo"
        assert topics[mode["calibrationTopic"]][0] == "foxglove.CameraCalibration"
        (gaze,) = mode["annotations"]
        assert topics[gaze][0] == "foxglove.ImageAnnotations"


def test_every_plot_draws_something(layout: dict[str, Any]) -> None:
    for name, panel in layout["configById"].items():
        if name.startswith(("Plot!", "StateTransitions!")):
            assert panel["paths"], name
            assert all(series["timestampMethod"] in TIMES for series in panel["paths"])
        if name.startswith("Plot!"):
            assert all(series["enabled"] for series in panel["paths"]), name


def test_the_scene_follows_the_car_and_shows_plan_and_driven_path(layout: dict[str, Any]) -> None:
    scene = layout["configById"]["3D!scene"]
    assert scene["followTf"] == "ego"
    assert all(scene["topics"][topic]["visible"] for topic in ("/plan", "/driven"))


@pytest.mark.parametrize("cameras", [CAMERAS, CAMERAS[3:], ("front_main", "rear"), ("rear",), ()])
def test_a_clip_with_fewer_cameras_has_fewer_panels(cameras: tuple[str, ...]) -> None:
    layout = foxglove_layout({f"/camera/{name}/video" for name in cameras} | {"/plan", "/health"})
    assert sorted(shown(layout)) == sorted(layout["configById"])
    images = {panel.removeprefix("Image!") for panel in layout["configById"] if panel.startswith("Image!")}
    assert images == set(cameras)
    assert "/driven" not in layout["configById"]["3D!scene"]["topics"]
    assert all("calibrationTopic" not in layout["configById"][f"Image!{name}"]["imageMode"] for name in cameras)
