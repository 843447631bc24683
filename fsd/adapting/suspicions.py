"""What is suspicious in the run of a check: wrong scales, tensors that do not move, plans that no car would drive.

Each rule looks at the record and names the tensor or field, what was found, and what to try.
"""

from collections.abc import Collection, Iterator

import numpy as np

from fsd.adapting.check_record import CheckRecord, TensorRecord
from fsd.adapting.seen_images import pixel_scale
from fsd.data.camera_names import CAMERAS, canonical_name
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.outputs.adapter_summary import Finding
from fsd.third_party.adapter import Adapter
from fsd.third_party.input_fields import ImageInput

MAX_IMAGE_VALUE = 10.0
"""Normalised pixels lie within a few standard deviations; raw ones go to 255."""
LEAST_SPREAD = 0.02
"""Standard deviation of a normalised picture below which it has next to no contrast."""
MAX_STATE, MAX_STATE_GROWTH = 1e4, 100.0
MAX_START_M, MAX_SIDE_M = 4.0, 1.5
"""How far the first point of a plan may lie from where the car will be, ahead and to the side."""
MOVING_MPS = 2.0
LEAST_YAW_RATE_RPS = 0.02
"""Standard deviation of the recorded yaw rate below which there is no turn to compare with."""
LEAST_CORRELATION_TICKS = 20
LEAST_STEERING_SHARE = 0.2
"""Spread of the planned over the recorded yaw rate below which plans hardly steer, so that chance decides."""
MIRRORED_CORRELATION = -0.6
SPEED_UNITS = (("km/h", 3.6), ("mph", 2.237))
UNIT_TOLERANCE = 0.12
"""A ratio of speeds is taken for one of units within this share of it."""
SPEED_RATIOS = (0.5, 2.0)
"""Ratio of planned and recorded speed outside which the path's times or scale are doubtful."""


def suspicions(
    adapter: Adapter, record: CheckRecord, ignores_pictures: bool, recorded: Collection[str] = CAMERAS
) -> tuple[Finding, ...]:
    """Everything that is suspicious.

    Args:
        ignores_pictures: the outputs stay the same when other pictures enter.
        recorded: canonical names of the cameras that the recording has.
    """
    rules = (_images(adapter, record), _inputs(adapter, record), _states(record), _outputs(record), _plans(record))
    found = [*_missing_cameras(adapter, recorded), *(finding for rule in rules for finding in rule)]
    if ignores_pictures:
        text = "the outputs are the same whatever the pictures show: images do not reach the plan; check the layout"
        found.append(Finding(code="ignores_pictures", place="outputs", text=text))
    return tuple(found)


def _missing_cameras(adapter: Adapter, recorded: Collection[str]) -> Iterator[Finding]:
    for image in adapter.images:
        absent = [source for source in image.sources if canonical_name(source) not in recorded]
        if absent:
            stand_in = "black" if image.missing == "black" else "grey"
            text = f"the recording has no {', '.join(absent)}: a {stand_in} picture stands in for it at every step"
            yield Finding(code="missing_camera", place=image.name, text=text)


def _images(adapter: Adapter, record: CheckRecord) -> Iterator[Finding]:
    for image in adapter.images:
        tensor = record.tensors.get(image.name)
        if tensor is None:
            continue
        if tensor.lowest == tensor.highest:
            text = f"every number is {tensor.lowest:g}: the camera is missing, black or saturated, or `scale` is wrong"
            yield Finding(code="constant_image", place=image.name, text=text)
            continue
        yield from _image_values(image, tensor)
        if not tensor.changes and record.steps > 1:
            text = "the picture is the same at every step: is the camera recorded, and the car moving?"
            yield Finding(code="still_image", place=image.name, text=text)


def _image_values(image: ImageInput, tensor: TensorRecord) -> Iterator[Finding]:
    is_float, is_raw = tensor.first.dtype.kind == "f", image.scale == 1.0
    scale = pixel_scale(image, str(tensor.first.dtype))
    mean, std = max(abs(each) for each in image.mean), max(image.std)
    if scale < 0.1 and max(mean, std) > MAX_IMAGE_VALUE / 4:
        text = (
            f"scale is {scale:.4g}, but mean and std ({mean:g}, {std:g}) are of pixels from 0 to 255, so the picture "
            "is scaled twice; set `scale` to 1"
        )
        yield Finding(code="scaled_twice", place=image.name, text=text)
    elif is_float and tensor.most_spread < LEAST_SPREAD:
        text = f"the numbers differ by no more than {tensor.most_spread:.2g}: the picture may be scaled twice"
        yield Finding(code="no_contrast", place=image.name, text=text)
    largest = max(abs(tensor.lowest), abs(tensor.highest))
    if is_float and largest > MAX_IMAGE_VALUE and not is_raw:
        text = (
            f"values from {tensor.lowest:.4g} to {tensor.highest:.4g}; networks expect about -3 to 3, or 0 to 255 with "
            "`scale` 1: check scale, mean and std"
        )
        yield Finding(code="image_range", place=image.name, text=text)


def _inputs(adapter: Adapter, record: CheckRecord) -> Iterator[Finding]:
    for tensor in record.of_kind("image", "other", "state"):
        if tensor.not_finite:
            text = f"a number is NaN or infinite at {tensor.not_finite} of {tensor.steps} steps"
            yield Finding(code="input_not_finite", place=tensor.name, text=text)
    if adapter.ego and not np.isfinite(record.speed_mps).any():
        text = "the recording has no ego motion, so every number of it is 0"
        yield from (Finding(code="no_ego", place=entry.name, text=text) for entry in adapter.ego)


def _states(record: CheckRecord) -> Iterator[Finding]:
    for tensor in record.of_kind("state"):
        largest = np.array(tensor.largest)
        if not tensor.changes and record.steps > 2:
            text = "the state is the same at every step: is it paired with the right output?"
            yield Finding(code="state_still", place=tensor.name, text=text)
            continue
        quarter = max(1, len(largest) // 4)
        early, late = np.nanmax(largest[: 2 * quarter]), np.nanmax(largest[-quarter:])
        if late > MAX_STATE or (early > 1e-6 and late > MAX_STATE_GROWTH * early):
            text = f"the state grows from {early:.3g} to {late:.3g}: it is not that of the network in training"
            yield Finding(code="state_explodes", place=tensor.name, text=text)


def _outputs(record: CheckRecord) -> Iterator[Finding]:
    for tensor in record.of_kind("output"):
        if not tensor.changes and record.steps > 1:
            text = "the output is the same at every step"
            yield Finding(code="constant_output", place=tensor.name, text=text)
    for name, ticks in record.replaced.items():
        text = f"it could not be used at {ticks} of {record.ticks} ticks: not finite, or a plan that no car can follow"
        yield Finding(code="replaced", place=name, text=text)


def _plans(record: CheckRecord) -> Iterator[Finding]:
    path, speed = record.trajectories, record.speed_mps
    is_moving = np.isfinite(speed) & (speed > MOVING_MPS)
    if record.is_stop.all():
        text = "the plan is to stop at every tick, since the network's outputs cannot be used"
        yield Finding(code="always_stop", place="plan", text=text)
        return
    reach_m = np.hypot(path[:, -1, 0], path[:, -1, 1])
    if is_moving.any() and (reach_m[is_moving] < 0.5).all():
        text = (
            "plans end within 0.5 m at every tick while the recorded car moves: are they in metres, and the right part?"
        )
        yield Finding(code="always_stop", place="outputs", text=text)
        return
    expected_m = np.where(np.isfinite(speed), speed, path[:, 0, 3]) * WAYPOINT_STEP_S
    ahead_m, side_m = float(np.median(path[:, 0, 0] - expected_m)), float(np.median(np.abs(path[:, 0, 1])))
    ratio = speed_ratio(record)
    unit = _unit_of(ratio)
    if side_m > MAX_SIDE_M or (abs(ahead_m) > MAX_START_M and unit is None):
        text = (
            f"the path begins {ahead_m:+.1f} m ahead of and {side_m:.1f} m beside where the car will be after "
            f"{WAYPOINT_STEP_S:g} s: check columns, start and origin"
        )
        yield Finding(code="far_start", place="outputs", text=text)
    if unit is not None:
        text = f"planned speeds are {ratio:.2f} times the recorded ones, as if one were in {unit}: check scale"
        yield Finding(code="speed_unit", place="outputs", text=text)
    elif ratio is not None and not SPEED_RATIOS[0] <= ratio <= SPEED_RATIOS[1]:
        text = f"planned speeds are {ratio:.2f} times the recorded ones: check step_s or times_s, and scale"
        yield Finding(code="speed_ratio", place="outputs", text=text)
    correlation = yaw_rate_correlation(record)
    if correlation is not None and correlation < MIRRORED_CORRELATION:
        text = (
            f"plans steer against the recorded yaw rate (correlation {correlation:.2f}): left and right look swapped; "
            "check the sign of scale, or y_is_right"
        )
        yield Finding(code="mirrored", place="outputs", text=text)


def speed_ratio(record: CheckRecord) -> float | None:
    """Median speed of the plans' first second over the recorded one; None where that is unknown, or the car stands."""
    speed = record.speed_mps
    is_moving = np.isfinite(speed) & (speed > MOVING_MPS)
    if not is_moving.any():
        return None
    planned = record.trajectories[is_moving, :4, 3].mean(axis=1)
    return float(np.median(planned / speed[is_moving]))


def _unit_of(ratio: float | None) -> str | None:
    if ratio is None:
        return None
    near = ((name, factor) for name, unit in SPEED_UNITS for factor in (unit, 1 / unit) for name in (name,))
    return next((name for name, factor in near if abs(ratio / factor - 1) < UNIT_TOLERANCE), None)


def yaw_rate_correlation(record: CheckRecord) -> float | None:
    """Of the plans' curvature times speed with the recorded yaw rate; None where there is no turn."""
    speed, recorded = record.speed_mps, record.yaw_rate_rps
    known = np.isfinite(recorded) & np.isfinite(speed) & (speed > MOVING_MPS) & ~record.is_stop
    planned = record.curvature_per_m[known] * speed[known]
    if known.sum() < LEAST_CORRELATION_TICKS or recorded[known].std() < LEAST_YAW_RATE_RPS:
        return None
    if planned.std() < LEAST_STEERING_SHARE * recorded[known].std():
        return None
    return float(np.corrcoef(planned, recorded[known])[0, 1])
