"""Inputs that are no images and no state: the car's motion, the route command, matrices, constants."""

import math
from typing import Any

from fsd.adapting.draft import Certainty, Draft
from fsd.adapting.name_words import COMMAND, GOAL, has_word, words_in
from fsd.networks.onnx_session import Signature
from fsd.third_party.adapter import TODO

_QUANTITIES = (
    ("speed_mps", {"speed", "velocity", "vel", "vego", "ego", "v"}),
    ("yaw_rate_rps", {"yaw", "yawrate", "gyro", "omega"}),
    ("curvature_per_m", {"curvature", "curv", "kappa"}),
    ("acceleration_mps2", {"acceleration", "accel", "acc"}),
)
_EGO = frozenset(["ego", "egomotion", "motion", "measurements", "measurement", "kinematics", "odometry", "can"])
_PAST = frozenset(["history", "hist", "past"])
_FOUR = ("speed_mps", "acceleration_mps2", "yaw_rate_rps", "curvature_per_m")
_MATRICES = (
    ("image_from_ego", {"lidar2img", "lidarimg", "ego2img", "projection", "lidar", "img"}),
    ("intrinsics", {"intrinsics", "intrinsic", "k", "camera2img"}),
    ("ego_from_camera", {"extrinsics", "extrinsic", "cam2ego", "sensor2ego", "cam"}),
)
_COMMAND_ORDERS: dict[int, tuple[tuple[str, ...], str]] = {
    2: (("left", "right"), "left, right"),
    3: (("right", "left", "straight"), "right, left, straight, as in nuScenes planners"),
    4: (("none", "left", "right", "straight"), "follow, left, right, straight, as in CARLA's first benchmarks"),
    6: (
        ("left", "right", "straight", "none", "lane_left", "lane_right"),
        "left, right, straight, follow, lane left, lane right, as in CARLA's leaderboard",
    ),
}
"""Size of a one-hot command -> command of each place, and whose order it is."""


def add_other_inputs(draft: Draft, inputs: Signature) -> None:
    """Describe every input that has no source yet."""
    for name, (shape, dtype) in inputs.items():
        if name in draft.used:
            continue
        draft.used.add(name)
        fixed = tuple(1 if size == -1 and place == 0 else size for place, size in enumerate(shape))
        numbers = math.prod(fixed)
        if len(fixed) >= 2 and fixed[-1] in (3, 4) and fixed[-2] in (3, 4) and _add_matrix(draft, name, fixed):
            continue
        if has_word(name, COMMAND) and numbers <= 8 and not has_word(name, GOAL):
            _add_command(draft, name, numbers)
        elif (quantities := _quantities(name, numbers)) and dtype.startswith("float"):
            _add_ego(draft, name, *quantities)
        else:
            _add_constant(draft, name, fixed)


def _add_matrix(draft: Draft, name: str, shape: tuple[int, ...]) -> bool:
    words = set(words_in(name)) | {name.lower()}
    matrix = next((each for each, known in _MATRICES if words & known), None)
    if matrix is None:
        return False
    entry: dict[str, Any] = {"name": name, "matrix": matrix}
    notes: list[tuple[str, Certainty, str]] = [("matrix", "likely", f"the name, and {shape[-2]} x {shape[-1]} numbers")]
    views = math.prod(shape[:-2])
    images = draft.lists.get("images", [])
    image = next((each for each in images if len(each.get("cameras", [""])) == views), None)
    if image is not None:
        entry["image"] = image["name"]
    else:
        entry["image"] = TODO
        notes.append(("image", "TODO", f"no image input has {views} cameras"))
    entry["size"] = list(shape[-2:])
    draft.add("calibration", entry, notes)
    return True


def _add_command(draft: Draft, name: str, size: int) -> None:
    if size in _COMMAND_ORDERS:
        order, whose = _COMMAND_ORDERS[size]
        values = {command: [float(place == hot) for place in range(size)] for hot, command in enumerate(order)}
        values.setdefault("none", values.get("straight", [0.0] * size))
        draft.add("commands", {"name": name, "values": values}, [("values", "unsure", f"one-hot in the order {whose}")])
        return
    values = {"none": [0.0] * size}
    draft.add("commands", {"name": name, "values": values}, [("values", "unsure", "zeros; add the commands it knows")])


def _quantities(name: str, numbers: int) -> tuple[list[str], int, Certainty, str] | None:
    """Quantities, steps of history, how sure and why; None if it is no motion of the car."""
    words = set(words_in(name))
    named = [quantity for quantity, known in _QUANTITIES if known & words and known & words != {"ego"}]
    if named and numbers == len(named):
        return named, 1, "likely", "the name says so"
    is_ego = bool(words & _EGO) or bool(named)
    if is_ego and numbers in (1, 2):
        return ["speed_mps", "yaw_rate_rps"][:numbers], 1, "unsure", "the usual order"
    if is_ego and words & _PAST:
        if named and numbers % len(named) == 0:
            return named, numbers // len(named), "unsure", "one value for each step, oldest first"
        if numbers % 4 == 0:
            return list(_FOUR), numbers // 4, "unsure", "four quantities for each step, oldest first, as in AutoE2E"
    return None


def _add_ego(draft: Draft, name: str, quantities: list[str], steps: int, certainty: Certainty, reason: str) -> None:
    entry: dict[str, Any] = {"name": name, "quantities": quantities, "scale": 1.0}
    notes: list[tuple[str, Certainty, str]] = [("quantities", certainty, reason)]
    notes.append(("scale", "unsure", "SI units; divide by the training's largest speed if it was normalised"))
    if steps > 1:
        entry["history"] = list(range(steps - 1, -1, -1))
        notes.append(("history", "unsure", f"{steps} steps, one step of the model apart"))
    draft.add("ego", entry, notes)


def _add_constant(draft: Draft, name: str, shape: tuple[int, ...]) -> None:
    words = set(words_in(name))
    if words == {"traffic", "convention"} and math.prod(shape) == 2:
        reason = "openpilot: 1 0 is driving on the right"
        draft.add("constants", {"name": name, "values": [1.0, 0.0]}, [("values", "likely", reason)])
    elif words & COMMAND:
        reason = "no command is given; the adapter has no history of commands"
        draft.add("constants", {"name": name, "values": [0.0]}, [("values", "unsure", reason)])
    else:
        reason = f"shape {list(shape)}: no source was recognised; write its numbers, or move it to another list"
        draft.add("constants", {"name": name, "values": [TODO]}, [("values", "TODO", reason)])
