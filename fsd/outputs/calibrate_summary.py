"""What `fsd calibrate --json` prints."""

import msgspec

from fsd.outputs.run_info import ClipInfo
from fsd.outputs.summary_file import Summary


class CameraCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """One camera; a value that is not known is the assumed one.

    Attributes:
        yaw_deg, pitch_deg: of the optical axis in the ego frame, left and up positive; hfov_deg: horizontal field of
            view.
        assumed_yaw_deg, assumed_pitch_deg, assumed_hfov_deg: where the estimate started.
        yaw_uncertainty_deg, pitch_uncertainty_deg, focal_uncertainty_percent: half widths; None: nothing was measured.
        reasons: why something is unknown.
        pairs, matches: images compared, points followed; inlier_share: part of the points that fit.
    """

    yaw_deg: float
    pitch_deg: float
    hfov_deg: float
    assumed_yaw_deg: float
    assumed_pitch_deg: float
    assumed_hfov_deg: float
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


class CalibrateSummary(Summary, frozen=True, kw_only=True, tag_field="command", tag="calibrate"):
    """One calibration.

    Attributes:
        rig_file: what was written.
        cameras: canonical camera -> result.
        unknown: values that could not be told, as `camera.value`.
        assumptions: what was taken for granted, one sentence each.
    """

    schema_version: int = 1
    clip: ClipInfo
    ticks: int
    rig_file: str
    cameras: dict[str, CameraCalibration]
    unknown: tuple[str, ...]
    assumptions: tuple[str, ...]
