"""Which outputs are the plan: paths, mixtures of paths, steering, curvature, speed, acceleration."""

import math
from typing import Any

from fsd.adapting.draft import Certainty, Draft
from fsd.adapting.name_words import PATH, PROBABILITY, has_word, words_in
from fsd.networks.onnx_session import Signature
from fsd.third_party.adapter import TODO

_COLUMNS = {2: ["x_m", "y_m"], 3: ["x_m", "y_m", "yaw_rad"], 4: ["x_m", "y_m", "yaw_rad", "v_mps"]}
_OPENPILOT_POINTS = 33
_STEP_S = {4: 0.5, 5: 0.5, 6: 0.5, 8: 0.5, 10: 0.5, 12: 0.5, 16: 0.25, 20: 0.1, 30: 0.1, 40: 0.1, 50: 0.1, 64: 0.1}
"""Points of a path -> seconds between them, as most networks with that many have."""

_SCALARS = (
    ("curvature_per_m", {"curvature", "curv", "kappa"}, "1/m, left positive"),
    ("steering", {"steer", "steering", "angle", "wheel"}, "radians at the steering wheel, left positive"),
    ("acceleration_mps2", {"acceleration", "accel", "acc"}, "m/s²"),
    ("speed_mps", {"speed", "velocity", "vel"}, "m/s"),
)
_CONTROLS = frozenset(["control", "controls", "action", "actions", "output", "outputs"])
_STEERING = {"wheelbase_m": 2.8, "steering_ratio": 15.0}
THROTTLE_MPS2, BRAKE_MPS2 = 3.0, -6.0
"""Acceleration of a full throttle and of a full brake, of an ordinary car."""


def add_outputs(draft: Draft, outputs: Signature) -> None:
    """Describe the outputs that make a plan; `outputs` holds TODO if none does."""
    free = {
        name: tuple(1 if size == -1 and place == 0 else size for place, size in enumerate(shape))
        for name, (shape, dtype) in outputs.items()
        if name not in draft.used and dtype.startswith("float")
    }
    _add_path(draft, free)
    for name, shape in free.items():
        if name not in draft.used:
            _add_scalar(draft, name, math.prod(shape))
    _add_pedals(draft, free)
    if not {"waypoints", "curvature_per_m", "steering"} & draft.outputs.keys():
        _add_controls(draft, free)
    if not {"waypoints", "curvature_per_m", "steering"} & draft.outputs.keys():
        draft.outputs["waypoints"] = TODO
        draft.note("outputs.waypoints", TODO, "TODO", f"none of the outputs is known as a path: {', '.join(outputs)}")


def _add_path(draft: Draft, free: dict[str, tuple[int, ...]]) -> None:
    named = [name for name in free if has_word(name, PATH) and not has_word(name, PROBABILITY)]
    name = next((name for name in named if _rows(free[name]) is not None), None)
    if name is None:
        name = next((name for name, shape in free.items() if len(shape) >= 3 and _rows(shape) is not None), None)
    if name is None:
        return
    rows = _rows(free[name])
    assert rows is not None
    modes, points, width = rows
    columns = _COLUMNS.get(width, [TODO] * width)
    entry: dict[str, Any] = {"name": name, "points": points}
    notes: list[tuple[str, Certainty, str]] = [
        ("points", "likely" if name in named else "unsure", f"shape {list(free[name])}"),
        ("columns", "likely" if width == 2 else "unsure" if width in _COLUMNS else "TODO", f"{width} numbers a point"),
    ]
    if points == _OPENPILOT_POINTS:
        entry["times_s"] = [round(10 * (place / 32) ** 2, 6) for place in range(points)]
        notes.append(("times_s", "unsure", "33 points, as openpilot's: 10 (i / 32)² s"))
    else:
        entry["step_s"] = _STEP_S.get(points, TODO)
        reason = "the usual distance for so many points; a wrong one scales every speed"
        notes.append(("step_s", "unsure" if points in _STEP_S else "TODO", reason))
    entry["columns"] = columns
    if modes > 1:
        _add_modes(entry, notes, draft, free, name, modes)
    draft.outputs["waypoints"] = entry
    draft.used.add(name)
    for field, certainty, reason in notes:
        value = entry.get(field, "left out")
        draft.note(f"outputs.waypoints.{field}", value, certainty, reason)
    draft.note("outputs.waypoints.y_is_right", "left out (false)", "unsure", "x forward, y left, m; check the picture")


def _rows(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Paths, points and numbers a point of an output; None if it is no path's."""
    sizes = [size for place, size in enumerate(shape) if place or size != 1]
    if any(size < 1 for size in sizes) or not sizes:
        return None
    if len(sizes) == 1:
        width = next((width for width in (2, 3, 4) if sizes[0] % width == 0 and sizes[0] // width > 1), None)
        return None if width is None or sizes[0] > 400 else (1, sizes[0] // width, width)
    points, width = sizes[-2:]
    modes = math.prod(sizes[:-2])
    if not 2 <= width <= 15 or points < 2 or points > 200 or modes > 64:
        return None
    return modes, points, width


def _add_modes(
    entry: dict[str, Any],
    notes: list[tuple[str, Certainty, str]],
    draft: Draft,
    free: dict[str, tuple[int, ...]],
    name: str,
    modes: int,
) -> None:
    """Several paths: by probability if an output has one number for each, else by command."""
    stride = entry["points"] * len(entry["columns"])
    sized = [other for other, shape in free.items() if other != name and math.prod(shape) == modes]
    scores = next((other for other in sized if has_word(other, PROBABILITY)), sized[0] if sized else None)
    if scores is not None:
        mixture = {"count": modes, "stride": stride, "probability_start": 0, "probability_name": scores}
        entry["mixture"] = mixture
        draft.used.add(scores)
        notes.append(("mixture", "likely", f"{modes} paths, and {scores!r} has one number for each"))
        return
    command = next(iter(draft.lists.get("commands", [])), None)
    if command is not None and len(command["values"]["none"]) == modes:
        places = {key: value.index(max(value)) for key, value in command["values"].items()}
        entry["by_command"] = {key: {"start": place * stride} for key, place in places.items()}
        notes.append(("by_command", "unsure", f"{modes} paths, in the order of the input {command['name']!r}"))
        return
    entry["start"] = TODO
    notes.append(("start", "TODO", f"{modes} paths, no probabilities: where the path to drive begins, or `by_command`"))


def _add_scalar(draft: Draft, name: str, numbers: int) -> None:
    words = set(words_in(name))
    for field, known, unit in _SCALARS:
        if numbers != 1 or not words & known or field in draft.outputs:
            continue
        if field == "steering" and "curvature_per_m" in draft.outputs:
            continue
        draft.outputs[field] = {"name": name} | (_STEERING if field == "steering" else {})
        draft.used.add(name)
        draft.note(f"outputs.{field}", name, "likely", f"the name, and one number; as {unit}")
        if field == "steering":
            draft.note("outputs.steering.scale", "left out (1)", "unsure", "a share of the lock needs a scale")
            draft.note("outputs.steering.wheelbase_m", 2.8, "unsure", "of an ordinary car; write your car's")
            draft.note("outputs.steering.steering_ratio", 15.0, "unsure", "of an ordinary car; write your car's")
        return


def _add_pedals(draft: Draft, free: dict[str, tuple[int, ...]]) -> None:
    pedals = []
    for known, scale in (({"throttle", "gas"}, THROTTLE_MPS2), ({"brake", "braking"}, BRAKE_MPS2)):
        for name, shape in free.items():
            if name not in draft.used and known & set(words_in(name)) and math.prod(shape) == 1:
                pedals.append({"name": name, "scale": scale})
                draft.used.add(name)
    if pedals and "acceleration_mps2" not in draft.outputs:
        draft.outputs["acceleration_mps2"] = pedals
        names = [pedal["name"] for pedal in pedals]
        reason = f"{THROTTLE_MPS2:g} m/s² at full throttle, {BRAKE_MPS2:g} m/s² at full brake, of an ordinary car"
        draft.note("outputs.acceleration_mps2", names, "unsure", reason)


def _add_controls(draft: Draft, free: dict[str, tuple[int, ...]]) -> None:
    """One output of two or three numbers: steering and acceleration, or steering, throttle and brake."""
    for name, shape in free.items():
        numbers = math.prod(shape)
        is_control = bool(_CONTROLS & set(words_in(name))) or len(free) == 1
        if name in draft.used or numbers not in (1, 2, 3) or not is_control:
            continue
        draft.used.add(name)
        draft.outputs["steering"] = {"name": name, "index": 0} | _STEERING
        draft.note("outputs.steering", name, "unsure", "its first number, radians at the steering wheel, left positive")
        if numbers == 2:
            draft.outputs["acceleration_mps2"] = {"name": name, "index": 1}
            draft.note("outputs.acceleration_mps2", name, "unsure", "its second number, m/s²")
        elif numbers == 3:
            draft.outputs["acceleration_mps2"] = [
                {"name": name, "index": 1, "scale": THROTTLE_MPS2},
                {"name": name, "index": 2, "scale": BRAKE_MPS2},
            ]
            draft.note("outputs.acceleration_mps2", name, "unsure", "throttle and brake, of an ordinary car")
        return
