"""Telemetry of the segments of an event as ego motion, route commands and driving modes on one time line.

`EgoTrack.speed_mps` and `yaw_rate_rps` of a row come from that row and earlier ones; only constants of the recording
(sign and unit of the steering angle, how often heading is renewed) are found in the whole of it. Poses are ground truth
and use later rows too.

Positions stay inside: what is returned is metres from the first row, and no note holds a coordinate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from fsd.data.clock import SECOND_NS
from fsd.data.driving_mode import DRIVING_MODES, DrivingModeTrack
from fsd.data.ego import STALE_NS, CommandTrack, EgoTrack
from fsd.data.formats.teslacam.steering_fit import TESLA_MODEL_3, SteeringFit, fit_steering
from fsd.data.formats.teslacam.telemetry import TelemetryRows
from fsd.data.formats.teslacam.telemetry_message import REVERSE
from fsd.data.formats.teslacam.vehicle_path import (
    HOLE_NS,
    WINDOW_NS,
    causal_yaw_rate,
    check_with_gps,
    filled_yaw,
    gps_metres,
    heading_window_ns,
    integrated_path,
    yaw_of_heading,
)
from fsd.data.place_track import PlaceTrack
from fsd.data.steering import SteeringTrack

LANE_CHANGE_SPEED_MPS = 50 / 3.6
"""From here on a blinker announces a lane change, below it a turn."""

BLINK_NS = SECOND_NS * 7 // 10
"""A blinker counts as on for this long: the telemetry may follow the lamp, which is dark for up to 0.6 s per flash
(UN Regulation 48: 60 to 120 flashes per minute)."""

_BLINKER_NOTE = (
    "Route commands are the blinkers: a turn below 50 km/h, a lane change from 50 km/h on, "
    "nothing while both flash; a blinker counts for 0.7 s after its last flash."
)


@dataclass(frozen=True)
class VehicleTracks:
    """What the telemetry says about the drive.

    Attributes:
        ego, commands, modes: None without telemetry.
        coverage: share of the pictures with a message.
        notes: sentences that state what was found and assumed.
        steering: angle of the steering wheel; places: GPS positions.
    """

    ego: EgoTrack | None
    commands: CommandTrack | None
    modes: DrivingModeTrack | None
    coverage: float
    notes: list[str]
    steering: SteeringTrack | None = None
    places: PlaceTrack | None = None


def vehicle_tracks(segments: Sequence[tuple[int, TelemetryRows]]) -> VehicleTracks:
    """Lay segments on one time line.

    Args:
        segments: pairs of the time in ns at which a file's container time is 0, and the file's telemetry; in any order,
            they may overlap.
    """
    pictures = sum(rows.pictures for _, rows in segments)
    coverage = sum(len(rows) for _, rows in segments) / pictures if pictures else 0.0
    notes = _fault_notes(segments)
    columns = _merged(segments)
    if columns is None:
        return VehicleTracks(None, None, None, coverage, ["The clips carry no telemetry.", *notes])
    notes.insert(0, f"Telemetry: {100 * coverage:.1f}% of the pictures carry a message.")
    timestamp_ns, speed_mps = columns["timestamp_ns"], _signed_speed_mps(columns)
    heading_yaw = yaw_of_heading(columns["heading_deg"])
    fit = fit_steering(timestamp_ns, speed_mps, heading_yaw, columns["steering_wheel_angle_deg"])
    ego, ego_notes = _ego(columns, speed_mps, heading_yaw, fit)
    wheel_rad = fit.left_positive_rad(columns["steering_wheel_angle_deg"])
    return VehicleTracks(
        ego=ego,
        commands=_commands(timestamp_ns, speed_mps, columns["blinker_left"], columns["blinker_right"]),
        modes=_modes(timestamp_ns, columns["autopilot_state"]),
        coverage=coverage,
        notes=[*notes, *ego_notes, fit.note, _BLINKER_NOTE],
        steering=SteeringTrack(timestamp_ns, wheel_rad),
        places=PlaceTrack(timestamp_ns, columns["latitude_deg"], columns["longitude_deg"]),
    )


def _fault_notes(segments: Sequence[tuple[int, TelemetryRows]]) -> list[str]:
    damaged = sum(rows.damaged_messages for _, rows in segments)
    dropped = sum(rows.dropped_values for _, rows in segments)
    notes = [f"{damaged} telemetry messages are damaged or empty and were left out."] if damaged else []
    return notes + ([f"{dropped} telemetry values no car can have were left out."] if dropped else [])


def _merged(segments: Sequence[tuple[int, TelemetryRows]]) -> dict[str, np.ndarray] | None:
    """The arrays of all segments in order of time, each time once; None without rows."""
    filled = [(start_ns, rows) for start_ns, rows in segments if len(rows)]
    if not filled:
        return None
    names = [field.name for field in fields(TelemetryRows) if field.type is np.ndarray]
    columns = {name: np.concatenate([getattr(rows, name) for _, rows in filled]) for name in names}
    columns["timestamp_ns"] = np.concatenate([rows.timestamp_ns + start_ns for start_ns, rows in filled])
    _, order = np.unique(columns["timestamp_ns"], return_index=True)
    return {name: column[order] for name, column in columns.items()}


def _signed_speed_mps(columns: dict[str, np.ndarray]) -> np.ndarray:
    speed_mps = columns["speed_mps"]
    return np.where(columns["gear"] == REVERSE, -np.abs(speed_mps), speed_mps)


def _ego(
    columns: dict[str, np.ndarray], speed_mps: np.ndarray, heading_yaw: np.ndarray, fit: SteeringFit
) -> tuple[EgoTrack, list[str]]:
    timestamp_ns = columns["timestamp_ns"]
    wheel_rad = np.clip(fit.left_positive_rad(columns["steering_wheel_angle_deg"]), -12.0, 12.0)  # two turns
    curvature = TESLA_MODEL_3.curvature_per_m(wheel_rad)
    window_ns = heading_window_ns(timestamp_ns, speed_mps, columns["heading_deg"])
    yaw_rate = causal_yaw_rate(timestamp_ns, speed_mps, heading_yaw, curvature, window_ns)
    yaw = filled_yaw(timestamp_ns, speed_mps, heading_yaw, curvature)
    gps_m = gps_metres(columns["latitude_deg"], columns["longitude_deg"])
    path_m = integrated_path(timestamp_ns, speed_mps, yaw, gps_m)
    check = check_with_gps(path_m, gps_m)
    if check is not None and not np.isfinite(heading_yaw).any():  # the first yaw was a guess
        yaw = yaw + check.rotation_rad
        path_m = integrated_path(timestamp_ns, speed_mps, yaw, gps_m)
        check = check_with_gps(path_m, gps_m)
    if not np.isfinite(speed_mps).any():
        path_m = np.full_like(path_m, np.nan)  # a path of unknown speed is none, and not a car that stands
    notes = [
        f"The yaw rate is the change of heading over the last {window_ns / SECOND_NS:.1f} s; below 1 m/s and without "
        f"heading it comes from the steering wheel, for a steering ratio of {TESLA_MODEL_3.ratio:g} and a wheelbase of "
        f"{TESLA_MODEL_3.wheelbase_m:g} m."
    ]
    if window_ns != WINDOW_NS:
        notes.append("Heading is renewed more seldom than the pictures.")
    if check is None:
        notes.append("The path is speed along heading; GPS does not say enough to check it.")
    else:
        left_out = f", {check.outliers} stray positions left out" if check.outliers else ""
        notes.append(
            f"The path is speed along heading; over {check.length_m:.0f} m it lies {check.rms_m:.1f} m (RMS) from GPS, "
            f"after a rotation of {np.degrees(check.rotation_rad):.1f} degrees{left_out}."
        )
    ego = EgoTrack(timestamp_ns, speed_mps, yaw_rate, path_m[:, 0], path_m[:, 1], yaw)
    holes = int((np.diff(timestamp_ns) > HOLE_NS).sum())
    if holes:
        ego = _without_poses_in_holes(ego)
        notes.append(f"{holes} holes in the telemetry are longer than 2 s; there is no pose in them.")
    return ego, notes


def _without_poses_in_holes(ego: EgoTrack) -> EgoTrack:
    """Put a row without a pose right after the start and right before the end of every hole.

    The first keeps speed and yaw rate, which hold for 0.5 s.
    """
    before = np.flatnonzero(np.diff(ego.timestamp_ns) > HOLE_NS)
    at = np.repeat(before + 1, 2)
    columns = {}
    for field in fields(EgoTrack):
        if field.name == "proprio":  # a car has none
            continue
        values = getattr(ego, field.name)
        if field.name == "timestamp_ns":
            added = np.stack([values[before] + 1, values[before + 1] - 1], axis=-1)
        elif field.name in ("speed_mps", "yaw_rate_rps"):
            added = np.stack([values[before], np.full(len(before), np.nan)], axis=-1)
        else:
            added = np.full((len(before), 2), np.nan)
        columns[field.name] = np.insert(values, at, added.ravel())
    return EgoTrack(**columns)


def _commands(timestamp_ns: np.ndarray, speed_mps: np.ndarray, left: np.ndarray, right: np.ndarray) -> CommandTrack:
    is_left, is_right = _held(timestamp_ns, left), _held(timestamp_ns, right)
    with np.errstate(invalid="ignore"):
        is_fast = np.abs(speed_mps) >= LANE_CHANGE_SPEED_MPS
    code = np.where(is_left & ~is_right, 1, 0) + np.where(is_right & ~is_left, 2, 0)
    code = np.where((code > 0) & is_fast, code + 2, code)
    # Nothing is commanded where the telemetry is silent:
    ends = np.flatnonzero(np.append(np.diff(timestamp_ns) > STALE_NS, True))
    times_ns = np.insert(timestamp_ns, ends + 1, timestamp_ns[ends] + STALE_NS)
    code = np.insert(code, ends + 1, 0)
    is_change = np.concatenate([[True], np.diff(code) != 0])
    names = ("none", "left", "right", "lane_left", "lane_right")
    return CommandTrack(times_ns[is_change], tuple(names[value] for value in code[is_change]))


def _held(timestamp_ns: np.ndarray, is_on: np.ndarray) -> np.ndarray:
    """Whether a blinker was on at most 0.7 s ago."""
    last_on = np.maximum.accumulate(np.where(is_on, np.arange(len(is_on)), -1))
    return (last_on >= 0) & (timestamp_ns - timestamp_ns[last_on] <= BLINK_NS)


def _modes(timestamp_ns: np.ndarray, autopilot_state: np.ndarray) -> DrivingModeTrack | None:
    """A mode per row; a state that the schema does not know leaves the mode unknown."""
    is_known = (autopilot_state >= 0) & (autopilot_state < len(DRIVING_MODES))
    if not is_known.any():
        return None
    modes = tuple(DRIVING_MODES[state] for state in autopilot_state[is_known])
    return DrivingModeTrack(timestamp_ns[is_known], modes)
