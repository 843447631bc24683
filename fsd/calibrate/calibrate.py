"""Estimate pitch, yaw and focal length of the cameras of a recording, and write them as `rig.json`."""

from pathlib import Path

from fsd.calibrate.config import RIG_FILE, CalibrateConfig
from fsd.data.calibration.ego_steps import ASSUMED_SPEED_MPS
from fsd.data.calibration.estimate import CameraEstimate, direction_deg, estimate_rig, hfov_deg
from fsd.data.calibration.flow_pairs import follow_points
from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.data.errors import RigError, UsageError
from fsd.data.files import writing_to
from fsd.data.frames import RATE_HZ
from fsd.data.open_clip import open_clip
from fsd.data.rig import Camera, load_rig, save_rig
from fsd.outputs.calibrate_summary import CalibrateSummary, CameraCalibration
from fsd.outputs.progress import progress_bar
from fsd.outputs.run_info import clip_info

MAX_ANCHORS = 240
"""Images from which points are followed, per camera; longer recordings are sampled evenly."""


def calibrate(config: CalibrateConfig, show_progress: bool = True) -> CalibrateSummary:
    """Calibrate a recording and write `config.rig_path`.

    Raises:
        UsageError: the file exists and `force` is not set, is an input, or is no calibration.
        ClipError: the recording cannot be read.
        OutputError: the file cannot be written.
    """
    path = config.rig_path
    if path.exists() and not config.force:
        raise UsageError(f"{path} exists. Replace it with --force, or name another file with --out.")
    clip = open_clip(config.clip, config)
    _check_replaced(path, clip, config.clip)
    ego = clip.ego if config.use_ego else None
    with config.frame_source(clip) as source:
        ticks = source.expected_ticks
        pause_ns = 0 if ticks is None else int(ticks / RATE_HZ * SECOND_NS) // MAX_ANCHORS
        with progress_bar(ticks, "tick", "calibrate", show_progress) as bar:
            flow = follow_points(source, ego, pause_ns, lambda: bar.update() and None)
        ticks = source.report.ticks
    rig, estimates = estimate_rig(clip.rig, flow, ego)
    with writing_to(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_rig(rig, path)
    cameras = {camera.name: camera for camera in clip.rig.cameras}
    return CalibrateSummary(
        clip=clip_info(clip),
        ticks=ticks,
        rig_file=str(path),
        cameras={name: _result(cameras[name], each) for name, each in estimates.items()},
        unknown=unknown_values(estimates),
        assumptions=_assumptions(clip, ego is not None),
    )


def _check_replaced(path: Path, clip: Clip, opened: Path) -> None:
    """Refuse to replace what is read, and what is no calibration.

    Raises:
        UsageError: names the file.
    """
    if not path.exists():
        return
    rig = [] if clip.rig_is_assumed else [opened / RIG_FILE]
    if any(path.samefile(each) for each in (*rig, *clip.files) if each.exists()):
        raise UsageError(f"{path} is an input of this run. Name another file with --out, and move it there afterwards.")
    try:
        load_rig(path)
    except RigError as error:
        raise UsageError(
            f"{path} is no rig.json, and is not replaced. Name another file with --out, or move it away."
        ) from error


def unknown_values(estimates: dict[str, CameraEstimate]) -> tuple[str, ...]:
    """`camera.value` of everything that could not be told."""
    return tuple(
        f"{name}.{value}"
        for name, each in estimates.items()
        for value, is_known in (
            ("yaw", each.yaw_is_known),
            ("pitch", each.pitch_is_known),
            ("focal", each.focal_is_known),
        )
        if not is_known
    )


def _result(assumed: Camera, estimate: CameraEstimate) -> CameraCalibration:
    yaw_deg, pitch_deg = direction_deg(assumed)

    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 3)

    return CameraCalibration(
        yaw_deg=round(estimate.yaw_deg, 3),
        pitch_deg=round(estimate.pitch_deg, 3),
        hfov_deg=round(estimate.hfov_deg, 3),
        assumed_yaw_deg=round(yaw_deg, 3),
        assumed_pitch_deg=round(pitch_deg, 3),
        assumed_hfov_deg=round(hfov_deg(assumed), 3),
        yaw_uncertainty_deg=rounded(estimate.yaw_uncertainty_deg),
        pitch_uncertainty_deg=rounded(estimate.pitch_uncertainty_deg),
        focal_uncertainty_percent=rounded(estimate.focal_uncertainty_percent),
        yaw_is_known=estimate.yaw_is_known,
        pitch_is_known=estimate.pitch_is_known,
        focal_is_known=estimate.focal_is_known,
        reasons=estimate.reasons,
        pairs=estimate.pairs,
        matches=estimate.matches,
        inlier_share=round(estimate.inlier_share, 3),
    )


def _assumptions(clip: Clip, has_ego: bool) -> tuple[str, ...]:
    start = "the usual cameras" if clip.rig_is_assumed else f"the calibration {clip.rig.name}"
    assumptions = [
        f"The estimate starts from {start}; positions, roll and the shape of the lenses are taken from there.",
        "Yaw is relative to the direction of straight driving, and pitch to the road under the moving car.",
    ]
    if has_ego:
        assumptions.append("Focal lengths are as right as the recorded yaw rate: an error of 1% there is 1% here.")
    else:
        assumptions.append(
            f"No ego motion: only straight driving is used, at an assumed {ASSUMED_SPEED_MPS:g} m/s, and focal lengths "
            "stay as assumed."
        )
    return tuple(assumptions)
