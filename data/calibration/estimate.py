"""Estimate the rig of a recording: which cameras look where, with what focal length, and how sure that is.

An uncertainty is a half width: three times the standard deviation of the fit or of its jackknife over blocks of time,
whichever is more, and never less than what two halves of the recording, fitted apart, disagree by.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from fsd.data.calibration.ego_steps import EgoSteps, ego_steps
from fsd.data.calibration.epipolar_fit import EpipolarFit, Mounting, chosen_steps, fit_mounting, usable
from fsd.data.calibration.flow_pairs import FlowPairs
from fsd.data.camera_model import rays
from fsd.data.ego import EgoTrack
from fsd.data.rig import Camera, Fisheye, FTheta, Pinhole, Pose, Rig

DIRECTION_LIMIT_DEG = 0.5
FOCAL_LIMIT_PERCENT = 3.0
"""What is less certain than this is said to be unknown."""

MAX_COUPLING = 0.8
"""Correlation of the errors of yaw and focal length from which a camera counts as coupled. One that looks sideways
sees a turn to the left much as a longer lens: both are known, or neither."""

COUPLED_FACTOR = 2.5
"""A coupled camera amplifies errors that are not noise (cars alongside, patches that deform), which its spread does not
show: on simulator drives up to 2.2 times the uncertainty without this factor was seen."""

COVERAGE = 3.0
"""Half width of an interval in standard deviations: matches err together, so twice would cover too little."""

MIN_PAIRS = 16
BLOCKS = 8
MIN_INLIER_SHARE = 0.4
STRAIGHT_RPS = math.radians(1.5)
"""Without a recorded yaw rate, only driving straighter than this is used."""

SEARCH_DEG = 8.0
SEARCH_PAIRS = 40


@dataclass(frozen=True)
class CameraEstimate:
    """One camera.

    Attributes:
        name: canonical.
        yaw_deg, pitch_deg: of its axis in the ego frame, left and up positive; hfov_deg: horizontal field of view.
        yaw_uncertainty_deg, pitch_uncertainty_deg, focal_uncertainty_percent: half widths, see above; None where
            nothing was measured.
        yaw_is_known, pitch_is_known, focal_is_known: whether the value was estimated; else it is the assumed one.
        reasons: why something is unknown, one sentence each.
        pairs, matches: images compared and points followed; inlier_share: part of them that fit.
        turned_deg: sum of the changes of heading in the pairs, where recorded.
        camera: the result, with unknown values as assumed.
    """

    name: str
    yaw_deg: float
    pitch_deg: float
    hfov_deg: float
    yaw_uncertainty_deg: float | None
    pitch_uncertainty_deg: float | None
    focal_uncertainty_percent: float | None
    yaw_is_known: bool
    pitch_is_known: bool
    focal_is_known: bool
    reasons: tuple[str, ...]
    pairs: int
    matches: int
    inlier_share: float
    turned_deg: float
    camera: Camera


def estimate_rig(
    rig: Rig, flow: Mapping[str, FlowPairs], ego: EgoTrack | None
) -> tuple[Rig, dict[str, CameraEstimate]]:
    """Correct a rig by what the flow of its cameras says.

    Args:
        rig: where to start; positions, roll and the shape of the lenses are kept.
        flow: canonical camera -> matches of its images; cameras without an entry are kept as they are.
        ego: speed and yaw rate, where recorded.

    Returns:
        The corrected rig, and camera of the flow -> estimate.
    """
    estimates = {
        camera.name: estimate_camera(camera, flow[camera.name], ego) for camera in rig.cameras if camera.name in flow
    }
    cameras = tuple(estimates[camera.name].camera if camera.name in estimates else camera for camera in rig.cameras)
    return msgspec.structs.replace(rig, name=f"{rig.name}, calibrated from the recording", cameras=cameras), estimates


def estimate_camera(camera: Camera, flow: FlowPairs, ego: EgoTrack | None) -> CameraEstimate:
    """Estimate one camera from the flow of its images; the arguments are those of `estimate_rig`."""
    pairs, steps = usable(flow, ego_steps(ego, flow.start_ns, flow.end_ns))
    if len(pairs) < MIN_PAIRS:
        reason = f"too little motion was seen: {len(pairs)} pairs of images, {MIN_PAIRS} are needed"
        return _unknown(camera, pairs, steps, reason)
    start = _search(camera, pairs, steps)
    if not steps.is_known:
        pairs, steps = _straight(camera, pairs, steps, start)
        if len(pairs) < MIN_PAIRS:
            return _unknown(camera, pairs, steps, "without a recorded yaw rate too little straight driving was seen")
    fit = fit_mounting(camera, pairs, steps, start)
    inlier_share = float(fit.inliers.mean())
    if inlier_share < MIN_INLIER_SHARE:
        return _unknown(camera, pairs, steps, f"only {inlier_share:.0%} of the flow agrees with the motion of the car")
    uncertainty = _uncertainty(camera, pairs, steps, fit)
    return _estimate(camera, pairs, steps, fit, uncertainty)


def _estimate(
    camera: Camera, pairs: FlowPairs, steps: EgoSteps, fit: EpipolarFit, uncertainty: np.ndarray
) -> CameraEstimate:
    yaw_deg, pitch_deg = (float(math.degrees(value)) for value in uncertainty[:2])
    focal_percent = 100 * float(uncertainty[2])
    reasons = []
    mounting = fit.mounting
    yaw_is_known, pitch_is_known = yaw_deg <= DIRECTION_LIMIT_DEG, pitch_deg <= DIRECTION_LIMIT_DEG
    focal_is_known = focal_percent <= FOCAL_LIMIT_PERCENT
    if focal_is_known and not yaw_is_known and _coupling(fit) > MAX_COUPLING:
        focal_is_known = False
        reasons.append("focal length: it cannot be told apart from the yaw, which is unknown")
    elif not focal_is_known:
        reasons.append(_why_focal_is_unknown(steps))
    if not focal_is_known:
        # The direction is that of the fit, not the best one for the assumed lens: it does not depend on a wrong guess.
        mounting = Mounting(mounting.yaw_rad, mounting.pitch_rad, 0.0)
    if not (yaw_is_known and pitch_is_known):
        which = " and ".join(name for name, known in (("yaw", yaw_is_known), ("pitch", pitch_is_known)) if not known)
        reasons.append(f"{which}: the parts of the recording do not agree closely enough")
        mounting = Mounting(
            mounting.yaw_rad if yaw_is_known else 0.0, mounting.pitch_rad if pitch_is_known else 0.0, mounting.log_zoom
        )
    corrected = corrected_camera(camera, mounting)
    yaw, pitch = direction_deg(corrected)
    return CameraEstimate(
        name=camera.name,
        yaw_deg=yaw,
        pitch_deg=pitch,
        hfov_deg=hfov_deg(corrected),
        yaw_uncertainty_deg=yaw_deg,
        pitch_uncertainty_deg=pitch_deg,
        focal_uncertainty_percent=focal_percent,
        yaw_is_known=yaw_is_known,
        pitch_is_known=pitch_is_known,
        focal_is_known=focal_is_known,
        reasons=tuple(reasons),
        pairs=len(pairs),
        matches=len(pairs.pair),
        inlier_share=float(fit.inliers.mean()),
        turned_deg=_turned_deg(steps),
        camera=corrected,
    )


def _unknown(camera: Camera, pairs: FlowPairs, steps: EgoSteps, reason: str) -> CameraEstimate:
    yaw, pitch = direction_deg(camera)
    return CameraEstimate(
        name=camera.name,
        yaw_deg=yaw,
        pitch_deg=pitch,
        hfov_deg=hfov_deg(camera),
        yaw_uncertainty_deg=None,
        pitch_uncertainty_deg=None,
        focal_uncertainty_percent=None,
        yaw_is_known=False,
        pitch_is_known=False,
        focal_is_known=False,
        reasons=(reason,),
        pairs=len(pairs),
        matches=len(pairs.pair),
        inlier_share=0.0,
        turned_deg=_turned_deg(steps),
        camera=camera,
    )


def _coupling(fit: EpipolarFit) -> float:
    """Correlation of the errors of yaw and focal length, 0 … 1."""
    covariance = np.linalg.inv(fit.information.sum(0) + np.diag(fit.prior))
    return float(abs(covariance[0, 2]) / math.sqrt(covariance[0, 0] * covariance[2, 2]))


def _why_focal_is_unknown(steps: EgoSteps) -> str:
    if not steps.is_known:
        return "focal length: no yaw rate is recorded to measure it by"
    return f"focal length: the turns seen ({_turned_deg(steps):.0f} degrees in all) are too few to measure it by"


def _turned_deg(steps: EgoSteps) -> float:
    return float(np.degrees(np.abs(steps.heading_rad).sum())) if steps.is_known else 0.0


def _search(camera: Camera, pairs: FlowPairs, steps: EgoSteps) -> Mounting:
    """The best of a few starts, by some of the pairs: a dash-cam may look elsewhere than assumed."""
    some = np.zeros(len(pairs), bool)
    some[np.unique(np.linspace(0, len(pairs) - 1, SEARCH_PAIRS).astype(int))] = True
    few, few_steps = pairs.chosen(some), chosen_steps(steps, some)
    angle = math.radians(SEARCH_DEG)
    starts = [Mounting()] + [Mounting(yaw, pitch) for yaw, pitch in ((angle, 0), (-angle, 0), (0, angle), (0, -angle))]
    fits = [fit_mounting(camera, few, few_steps, start) for start in starts]
    return min(fits, key=lambda fit: fit.cost).mounting


def _straight(camera: Camera, pairs: FlowPairs, steps: EgoSteps, start: Mounting) -> tuple[FlowPairs, EgoSteps]:
    heading_rad = fit_mounting(camera, pairs, steps, start).body_rad[:, 2]
    keep = np.abs(heading_rad) < STRAIGHT_RPS * (pairs.end_ns - pairs.start_ns) * 1e-9
    return pairs.chosen(keep), chosen_steps(steps, keep)


def _uncertainty(camera: Camera, pairs: FlowPairs, steps: EgoSteps, fit: EpipolarFit) -> np.ndarray:
    """(3,) half widths of yaw, pitch in radians and of the logarithm of the focal length."""
    total = fit.information.sum(0) + np.diag(fit.prior)
    formal = COVERAGE * np.sqrt(np.diag(np.linalg.inv(total))) * max(fit.noise_px, 0.1 * camera.width_px / 640)
    block = _blocks(pairs)
    without = []
    for index in range(BLOCKS):
        rest = block != index
        information = fit.information[rest].sum(0) + np.diag(fit.prior)
        gradient = fit.gradient[rest].sum(0) - fit.prior * fit.mounting.vector()
        without.append(np.linalg.solve(information, gradient))
    spread = np.stack(without)
    jackknife = COVERAGE * np.sqrt((BLOCKS - 1) / BLOCKS * ((spread - spread.mean(0)) ** 2).sum(0))
    halves = []
    for parity in (0, 1):
        half = block % 2 == parity
        halves.append(fit_mounting(camera, pairs.chosen(half), chosen_steps(steps, half), fit.mounting))
    disagreement = np.abs(halves[0].mounting.vector() - halves[1].mounting.vector())
    largest = np.asarray(np.max([formal, jackknife, disagreement], axis=0))
    return largest * COUPLED_FACTOR if _coupling(fit) > MAX_COUPLING else largest


def _blocks(pairs: FlowPairs) -> np.ndarray:
    """(K,) number of the block of time of each pair; pairs with one anchor stay together."""
    anchors, which = np.unique(pairs.start_ns, return_inverse=True)
    return np.asarray(which * BLOCKS // len(anchors))


def corrected_camera(camera: Camera, mounting: Mounting) -> Camera:
    """The camera turned and zoomed; position, roll and the shape of the lens stay."""
    zoom = math.exp(mounting.log_zoom)
    lens = camera.intrinsics
    scaled: Pinhole | Fisheye | FTheta
    if isinstance(lens, FTheta):
        scaled = msgspec.structs.replace(lens, angle_to_radius_px=tuple(c * zoom for c in lens.angle_to_radius_px))
    else:
        scaled = msgspec.structs.replace(lens, fx_px=lens.fx_px * zoom, fy_px=lens.fy_px * zoom)
    pose = camera.ego_from_camera.matrix()
    pose[:3, :3] = mounting.rotation(camera)
    return msgspec.structs.replace(camera, intrinsics=scaled, ego_from_camera=Pose.from_matrix(pose))


def direction_deg(camera: Camera) -> tuple[float, float]:
    """Yaw and pitch of the optical axis in the ego frame: left and up positive."""
    x, y, z = camera.ego_from_camera.matrix()[:3, 2]
    return math.degrees(math.atan2(y, x)), math.degrees(math.asin(float(np.clip(z, -1, 1))))


def hfov_deg(camera: Camera) -> float:
    """Horizontal field of view, from the middle of the left to the middle of the right edge."""
    middle = camera.intrinsics.cy_px
    left, right = rays(camera, np.array([[-0.5, middle], [camera.width_px - 0.5, middle]]))
    axis = np.array([0.0, 0.0, 1.0])
    return float(sum(math.degrees(math.acos(float(np.clip(side @ axis, -1, 1)))) for side in (left, right)))
