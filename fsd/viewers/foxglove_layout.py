"""The Foxglove layout of `drive.mcap`: scene, cameras with gaze and plan, plots, state, messages.

Knows the names of topics only. The format is that of the app's "Import from file…": panels by id (the panel's type, `!`
and a name), and a tree of splits. Lichtblick reads it too.

Source: panel settings as in foxglove-sdk 0.30, `foxglove.layouts`; ids, tree and what a panel needs to show anything as
in Lichtblick's layout schema (`suite-base/services/agent`).
"""

from collections.abc import Collection, Sequence
from typing import Any

from fsd.data.frames import CAMERAS, TICK_MS
from fsd.viewers.tick_values import VALUES

LAYOUT_FILE = "drive_layout.json"
FRONT_AND_REAR = ("front_main", "front_wide", "front_narrow", "rear")
SIDES = ("left_pillar", "right_pillar", "left_repeater", "right_repeater")

Node = str | dict[str, Any]
"""A node of the tree: the id of a panel, or a split."""


def foxglove_layout(topics: Collection[str]) -> dict[str, Any]:
    """The layout of a file with these topics, JSON-ready."""
    cameras = [name for name in CAMERAS if f"/camera/{name}/video" in topics]
    has_compressor = any(topic.endswith("/gaze") for topic in topics)
    panels: dict[str, dict[str, Any]] = {"3D!scene": _scene(cameras, topics)}
    panels |= {f"Image!{name}": _image(name, topics) for name in cameras}
    has_hypotheses = "/hypotheses" in topics
    panels |= _plots(cameras, has_compressor)
    if has_hypotheses:
        series = [(f"/hypotheses.{name}", name.replace("_", " ")) for name in VALUES["hypotheses"]]
        panels["Plot!hypotheses"] = _plot("Probability of the ways to go on", series)
    big = next(iter(cameras), None)
    others = [[name for name in group if name in cameras and name != big] for group in (FRONT_AND_REAR, SIDES)]
    images = [_shared("row", [f"Image!{name}" for name in row]) for row in others if row]
    tabs = {
        **({"cameras": _shared("column", images)} if images else {}),
        "control": _shared("row", ["Plot!control", *(["Plot!hypotheses"] if has_hypotheses else []), "Plot!latency"]),
        **({"compressor": _shared("row", ["Plot!patches", "Plot!memory"])} if has_compressor else {}),
        "ages": "Plot!ages",
        "messages": _shared("row", ["RawMessages!health", "RosOut!log"]),
    }
    panels["Tab!details"] = {
        "activeTabIdx": 0,
        "tabs": [{"title": title, "layout": node} for title, node in tabs.items()],
    }
    top = _shared("row", ["3D!scene", *([f"Image!{big}"] if big else [])])
    return {
        "configById": panels,
        "globalVariables": {},
        "userNodes": {},
        "playbackConfig": {"speed": 1},
        "layout": _split("column", _split("column", top, "StateTransitions!health", 84), "Tab!details", 58),
    }


def _scene(cameras: Sequence[str], topics: Collection[str]) -> dict[str, Any]:
    """The world around the car, from behind and above."""
    shown: dict[str, dict[str, Any]] = {topic: {"visible": True} for topic in ("/plan", "/driven") if topic in topics}
    for name in cameras:
        if f"/camera/{name}/calibration" in topics:
            shown[f"/camera/{name}/calibration"] = {"visible": True, "distance": 1.2, "color": "#7d8a9880"}
    grid = {"layerId": "foxglove.Grid", "instanceId": "grid", "label": "10 m", "visible": True, "frameId": "world"}
    return {
        "foxglovePanelTitle": "Plan and driven path",
        "followTf": "ego",
        "followMode": "follow-pose",
        "cameraState": {"perspective": True, "distance": 32, "phi": 62, "thetaOffset": 90, "targetOffset": [12, 0, 0]},
        "scene": {"transforms": {"showLabel": False, "axisSize": 0.4}},
        "layers": {"grid": grid | {"size": 400, "divisions": 40, "lineWidth": 1, "color": "#8080802e"}},
        "topics": shown,
    }


def _image(name: str, topics: Collection[str]) -> dict[str, Any]:
    """One camera with what the compressor read, and with the plan where the camera is calibrated."""
    mode: dict[str, Any] = {"imageTopic": f"/camera/{name}/video"}
    if f"/camera/{name}/gaze" in topics:
        mode["annotations"] = {f"/camera/{name}/gaze": {"visible": True}}
    panel: dict[str, Any] = {"foxglovePanelTitle": name.replace("_", " "), "imageMode": mode}
    if f"/camera/{name}/calibration" in topics:
        mode["calibrationTopic"] = f"/camera/{name}/calibration"
        panel["topics"] = {"/plan": {"visible": True}}
    return panel


def _plots(cameras: Sequence[str], has_compressor: bool) -> dict[str, dict[str, Any]]:
    """Plots over time, state and messages."""
    ages = [(f"/health.{name}_age_ms", name.replace("_", " ")) for name in cameras]
    patches = [(f"/health.{name}_patches", name.replace("_", " ")) for name in cameras]
    stages = [(f"/timings.{field}", field.removesuffix("_ms")) for field in VALUES["timings"]]
    control = [(f"/control.{name}", name) for name in ("curvature_per_m", "acceleration_mps2")]
    memory = [(f"/health.{name}", name.replace("_", " ")) for name in ("memory_slots", "keyframes")]
    compressor = {
        "Plot!patches": _plot("Gaze: patches per camera", patches),
        "Plot!memory": _plot("Memory slots, and cameras with a keyframe", memory),
    }
    return {
        "Plot!control": _plot("Control", [*control, ("/ego.speed_mps", "speed_mps")]),
        "Plot!latency": _plot("Latency, ms", [*stages, (f"{TICK_MS:.2f}", "one tick")]),
        "Plot!ages": _plot("Age of the images, ms", ages),
        **(compressor if has_compressor else {}),
        "StateTransitions!health": {
            "foxglovePanelTitle": "Health and route command",
            "paths": [
                {"value": value, "label": value[1:].partition(".")[2], "timestampMethod": "receiveTime"}
                for value in ("/health.health", "/ego.command")
            ],
            "isSynced": True,
        },
        "RawMessages!health": {"foxglovePanelTitle": "Health", "topicPath": "/health", "diffEnabled": False},
        "RosOut!log": {"foxglovePanelTitle": "Log", "topicToRender": "/log", "searchTerms": [], "minLogLevel": 1},
    }


def _plot(title: str, series: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "foxglovePanelTitle": title,
        "paths": [
            {"value": value, "label": label, "enabled": True, "timestampMethod": "receiveTime"}
            for value, label in series
        ],
        "xAxisVal": "timestamp",
        "isSynced": True,
        "showLegend": True,
        "legendDisplay": "floating",
        "showXAxisLabels": True,
        "showYAxisLabels": True,
    }


def _shared(direction: str, nodes: Sequence[Node]) -> Node:
    """Nodes side by side with equal space; splits nest, since each has two sides."""
    first, *rest = nodes
    return first if not rest else _split(direction, first, _shared(direction, rest), 100 / len(nodes))


def _split(direction: str, first: Node, second: Node, percentage: float) -> dict[str, Any]:
    return {"direction": direction, "first": first, "second": second, "splitPercentage": round(percentage, 2)}
