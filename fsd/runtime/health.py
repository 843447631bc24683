"""Faults that a plan was made with: as flags for tables (docs/outputs.md lists them) and as text."""

from collections.abc import Mapping

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, FrameSet

_TEXTS = {
    "missing": "no {}",
    "stale": "stale {}",
    **{fault.value: fault.text for fault in CameraFault},
    "masked": "masked {}",
    "plan": "plan: {}",
    "ok": "all cameras present and fresh",
    "no_ego": "no ego motion",
}
_ODOMETRY = {"ego": "recorded", "image": "estimated from the images", "none": "unknown"}


def health_flags(frame_set: FrameSet, ego: EgoSample | None, plan_source: str) -> str:
    """`Plan.health` of a tick; `plan_source` is `network`, `held` or `stop`."""
    flags = [] if _is_faultless(frame_set) else _camera_flags(frame_set)
    if ego is None:
        flags.append("no_ego")
    if plan_source != "network":
        flags.append(f"plan={plan_source}")
    return ";".join(flags) or "ok"


def _is_faultless(frame_set: FrameSet) -> bool:
    """Whether every camera has a valid frame without a fault, as at nearly all ticks."""
    return bool(frame_set.is_valid.all()) and not any(frame_set.faults) and None not in frame_set.frames


def _camera_flags(frame_set: FrameSet) -> list[str]:
    """`cause=camera,…` for every fault of a camera."""
    causes: dict[str, list[str]] = {"missing": [], "stale": [], **{fault.value: [] for fault in CameraFault}}
    for camera, (name, frame) in enumerate(zip(CAMERAS, frame_set.frames, strict=True)):
        if not any(fault.explains_absence for fault in frame_set.faults[camera]):
            if frame is None:
                causes["missing"].append(name)
            elif not frame_set.is_valid[camera] and not frame_set.is_masked[camera]:
                causes["stale"].append(name)
        for fault in frame_set.faults[camera]:
            causes[fault].append(name)
    causes["masked"] = [name for name, is_masked in zip(CAMERAS, frame_set.is_masked, strict=True) if is_masked]
    return [f"{cause}={','.join(names)}" for cause, names in causes.items() if names]


def describe_health(health: str, most_names: int = len(CAMERAS)) -> str:
    """`missing=rear,front_main;no_ego` -> `no rear, front main; no ego motion`.

    Args:
        most_names: how many cameras are named for a fault; of the others, the number is given.
    """
    flags = (flag.partition("=") for flag in health.split(";"))
    return "; ".join(_TEXTS.get(cause, cause).format(_describe_names(names, most_names)) for cause, _, names in flags)


def _describe_names(names: str, most_names: int) -> str:
    every = names.replace("_", " ").split(",")
    left_out = len(every) - most_names
    if left_out <= 0 or len(every) == 1:
        return ", ".join(every)
    if not most_names:
        return f"{len(every)} cameras"
    return f"{', '.join(every[:most_names])} and {left_out} more"


def describe_replaced(replaced_ticks: Mapping[str, int], health: Mapping[str, int], ticks: int) -> str:
    """`{"path": 12}` -> `the output path at 12 ticks, …`, and what replaced its plans.

    Args:
        health: flag of `Plan.health` -> ticks; ticks: of the whole run.
    """
    what = ", ".join(
        f"{'the inputs' if name == 'inputs' else f'the output {name}'} at {_ticks(n)}"
        for name, n in replaced_ticks.items()
    )
    held, stop = health.get("plan=held", 0), health.get("plan=stop", 0)
    given = [f"the last usable plan was held at {_ticks(held)}"] if held else []
    given += [f"a plan to stop was given at {_ticks(stop)}"] if stop else []
    instead = f"instead, {' and '.join(given)}"
    if stop == ticks:
        instead = "no plan was usable, and every plan of this run is one to stop"
    return f"{what}, which was not finite or beyond any vehicle; {instead}"


def describe_odometry(odometry_ticks: Mapping[str, int]) -> str:
    """`{"none": 1, "image": 395}` -> `unknown at 1 tick, estimated from the images at 395 ticks`."""
    parts = (f"{_ODOMETRY[source]} at {_ticks(n)}" for source, n in odometry_ticks.items())
    return ", ".join(parts) or "no tick"


def _ticks(count: int) -> str:
    return f"{count} tick{'' if count == 1 else 's'}"
