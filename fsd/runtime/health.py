"""Faults that a plan was made with: as flags for tables (docs/outputs.md lists them) and as text."""

from collections.abc import Mapping

from fsd.data.camera_health.camera_fault import CameraFault
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, FrameSet
from fsd.runtime.plan_limits import HOLD_TICKS

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
    flags = [f"{cause}={','.join(names)}" for cause, names in causes.items() if names]
    if ego is None:
        flags.append("no_ego")
    if plan_source != "network":
        flags.append(f"plan={plan_source}")
    return ";".join(flags) or "ok"


def describe_health(health: str) -> str:
    """`missing=rear,front_main;no_ego` -> `no rear, front main; no ego motion`."""
    flags = (flag.partition("=") for flag in health.split(";"))
    return "; ".join(
        _TEXTS.get(cause, cause).format(names.replace("_", " ").replace(",", ", ")) for cause, _, names in flags
    )


def describe_replaced(replaced_ticks: Mapping[str, int]) -> str:
    """`{"path": 12}` -> `the output path at 12 ticks, …`, and what replaced its plans."""
    what = ", ".join(
        f"{'the inputs' if name == 'inputs' else f'the output {name}'} at {n} tick{'s' if n != 1 else ''}"
        for name, n in replaced_ticks.items()
    )
    return (
        f"{what}, which was not finite or beyond any vehicle; instead the last usable plan was held, for up to "
        f"{HOLD_TICKS} ticks, and then a plan to stop"
    )


def describe_odometry(odometry_ticks: Mapping[str, int]) -> str:
    """`{"none": 1, "image": 395}` -> `unknown at 1 tick, estimated from the images at 395 ticks`."""
    parts = (f"{_ODOMETRY[source]} at {n} tick{'s' if n != 1 else ''}" for source, n in odometry_ticks.items())
    return ", ".join(parts) or "no tick"
