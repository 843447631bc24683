"""The angle of the steering wheel over time (a CSV file beside the video), and the curvature that it causes.

The curvature depends on the steering ratio and the wheelbase of the car. Recordings do not state them: they are given
or assumed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fsd.data.clock import csv_columns, load_timestamps
from fsd.data.ego import STALE_NS
from fsd.data.errors import ClipError
from fsd.data.physical_limits import MAX_STEERING_WHEEL_RAD
from fsd.data.text_files import check_column, read_csv

STEERING_COLUMN = "steering_angle_rad"


@dataclass(frozen=True)
class SteeringGeometry:
    """A kinematic bicycle model.

    Attributes:
        ratio: angle of the steering wheel over angle of the road wheels, constant.
        wheelbase_m: from axle to axle.
    """

    ratio: float
    wheelbase_m: float

    def __post_init__(self) -> None:
        for name in ("ratio", "wheelbase_m"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a number above 0, got {value}.")

    def curvature_per_m(self, wheel_angle_rad: np.ndarray) -> np.ndarray:
        """Curvature of the path of the rear axle, left positive: tan(wheel angle / ratio) / wheelbase."""
        return np.tan(np.asarray(wheel_angle_rad) / self.ratio) / self.wheelbase_m

    def wheel_angle_rad(self, curvature_per_m: np.ndarray) -> np.ndarray:
        """The angle of the steering wheel that gives a curvature; the inverse of `curvature_per_m`."""
        return np.arctan(np.asarray(curvature_per_m) * self.wheelbase_m) * self.ratio


LINCOLN_MKZ = SteeringGeometry(ratio=14.8, wheelbase_m=2.85)
"""Published values for the car model of the Udacity recordings of 2016; not measured on that car."""


@dataclass(frozen=True)
class SteeringTrack:
    """Angle of the steering wheel (n,) in rad, left positive, at strictly rising times (n,); NaN where unknown."""

    timestamp_ns: np.ndarray
    angle_rad: np.ndarray

    def __post_init__(self) -> None:
        if np.shape(self.angle_rad) != np.shape(self.timestamp_ns):
            raise ValueError(
                f"`angle_rad` has shape {np.shape(self.angle_rad)}, not that of `timestamp_ns`, "
                f"{np.shape(self.timestamp_ns)}."
            )
        if len(self.timestamp_ns) == 0 or np.any(np.diff(self.timestamp_ns) <= 0):
            raise ValueError("`timestamp_ns` must have rows and rise strictly.")

    def angle_at(self, t_ns: int) -> float:
        """The newest row not later than `t_ns`; NaN if there is none or it is older than 0.5 s.

        Where the file has one row per picture, this is the row of the picture that a tick shows.
        """
        row = int(np.searchsorted(self.timestamp_ns, t_ns, side="right")) - 1
        if row < 0 or t_ns - int(self.timestamp_ns[row]) > STALE_NS:
            return float("nan")
        return float(self.angle_rad[row])


def possible_steering(track: SteeringTrack, notes: list[str]) -> SteeringTrack:
    """The track, with angles that no steering wheel has as unknown; a note counts them."""
    with np.errstate(invalid="ignore"):
        is_wrong = np.abs(track.angle_rad) > MAX_STEERING_WHEEL_RAD
    if not is_wrong.any():
        return track
    notes.append(
        f"{int(is_wrong.sum())} of {len(is_wrong)} angles of the steering wheel are left out: over "
        f"{MAX_STEERING_WHEEL_RAD:g} rad, which no steering wheel has."
    )
    return SteeringTrack(track.timestamp_ns, np.where(is_wrong, np.nan, track.angle_rad))


def has_steering_column(path: Path) -> bool:
    """Whether a CSV file beside a video holds times and angles of the steering wheel."""
    return {STEERING_COLUMN, "timestamp_ns"} <= set(csv_columns(path))


def load_steering(path: Path) -> SteeringTrack:
    """Read `timestamp_ns` and `steering_angle_rad` of `<video>.csv`; an empty angle is unknown.

    Raises:
        ClipError: the file cannot be read, or an angle is not a number; the message names the row.
        ClockError: the times do not rise strictly.
    """
    timestamps = load_timestamps(path)
    header, rows = read_csv(path)
    check_column(path, STEERING_COLUMN, header)
    column = header.index(STEERING_COLUMN)
    return SteeringTrack(
        timestamps.timestamp_ns,
        np.array([_angle(path, index, row, column) for index, row in enumerate(rows)], np.float64),
    )


def _angle(path: Path, index: int, row: list[str], column: int) -> float:
    text = row[column].strip() if column < len(row) else ""
    if not text:
        return float("nan")
    try:
        return float(text)
    except ValueError as error:
        raise ClipError(
            f"{path} row {index}: `{STEERING_COLUMN}` is {text!r} and must be a number. Write radians, left positive, "
            "or leave it empty where it is unknown.",
            field=STEERING_COLUMN,
        ) from error
