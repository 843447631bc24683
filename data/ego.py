"""Ego motion over time (`ego.parquet`) and route commands (`command.parquet`).

Two views: `sample_at` is causal and may be an input of a network; `poses_at` interpolates into the future, it is ground
truth for scoring and must never reach a network.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fsd.data.clock import check_rising, check_times, integer_column, read_parquet
from fsd.data.errors import ClipError
from fsd.data.physical_limits import MAX_POSITION_M, MAX_SPEED_MPS, MAX_YAW_RATE_RPS

STALE_NS = 500_000_000
"""An ego row older than this is not used."""

_HOLD_NS = 3600 * 10**9
"""A command that is older than this when a recording begins is not of its drive."""

COMMANDS = ("none", "straight", "left", "right", "lane_left", "lane_right")
"""Route commands that a recording may hold; the network takes them one-hot in this order."""

EGO_COLUMNS = ("x", "y", "z", "qw", "qx", "qy", "qz", "v_mps", "yaw_rate_rps")
"""Columns of `ego.parquet` that the program reads, besides `t_ns`; others are ignored."""

PROPRIO_SIZE = 16
"""Most numbers of further sensors of a robot (touch, force, joints): columns `proprio_0` … `proprio_15`."""

_LIMITS = {
    "speed_mps": MAX_SPEED_MPS,
    "yaw_rate_rps": MAX_YAW_RATE_RPS,
    "x_m": MAX_POSITION_M,
    "y_m": MAX_POSITION_M,
    "yaw_rad": np.inf,
}
"""Largest magnitude of a value of `EgoTrack` that is believed."""

_QUATERNION = ("qw", "qx", "qy", "qz")

_PROPRIO = "proprio_"

_LEAST_LENGTH, _MOST_LENGTH = 0.9, 1.1
"""Length of a quaternion that is believed to be a rotation; numbers of 16 bits are within."""


@dataclass(frozen=True, slots=True)
class EgoSample:
    """Speed over ground in m/s (forward positive) and yaw rate in rad/s (left positive).

    `proprio` are up to `PROPRIO_SIZE` finite numbers of further sensors, best scaled to about -1 … 1; None without.
    """

    speed_mps: float
    yaw_rate_rps: float
    proprio: tuple[float, ...] | None = None


@dataclass(frozen=True)
class EgoTrack:
    """The ego motion of a clip, one row per `timestamp_ns` (n,) int64, strictly rising; NaN where not recorded.

    `speed_mps`, `yaw_rate_rps`, `x_m`, `y_m`, `yaw_rad` are (n,) float64; the world frame is z up, any origin.
    `proprio` is (n, up to 16) float64, further sensors of a robot; (n, 0) without.
    """

    timestamp_ns: np.ndarray
    speed_mps: np.ndarray
    yaw_rate_rps: np.ndarray
    x_m: np.ndarray
    y_m: np.ndarray
    yaw_rad: np.ndarray
    proprio: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        rows = np.shape(self.timestamp_ns)
        if self.proprio.size == 0:
            object.__setattr__(self, "proprio", np.empty((*rows, 0)))
        for name in self.__dataclass_fields__:
            shape = np.shape(getattr(self, name))
            if (shape[:1] if name == "proprio" else shape) != rows:
                raise ValueError(f"`{name}` has shape {shape}, not that of `timestamp_ns`.")
        if len(self.timestamp_ns) == 0 or np.any(np.diff(self.timestamp_ns) <= 0):
            raise ValueError("`timestamp_ns` must have rows and rise strictly.")

    def overlaps(self, start_ns: int, end_ns: int) -> bool:
        """Whether a sample exists at any time from `start_ns` to `end_ns`."""
        return int(self.timestamp_ns[0]) <= end_ns and start_ns <= int(self.timestamp_ns[-1]) + STALE_NS

    def is_possible(self) -> np.ndarray:
        """(n,) bool: whether a row has no value that is infinite or that no vehicle reaches; NaN is possible."""
        possible = np.ones(len(self.timestamp_ns), np.bool_)
        for name, limit in _LIMITS.items():
            column = getattr(self, name)
            possible &= np.isnan(column) | (np.isfinite(column) & (np.abs(column) <= limit))
        return possible

    def without(self, is_wrong: np.ndarray) -> "EgoTrack":
        """The track without these rows, (n,) bool, which must not be all.

        Where a stretch without good rows is longer than 0.5 s, its rows stay, with nothing known: nothing is
        interpolated over it, and the row before it is not held.
        """
        good = np.flatnonzero(~is_wrong)
        times_ns, rows = self.timestamp_ns, np.arange(len(self.timestamp_ns))
        before = good[np.maximum(np.searchsorted(good, rows, side="right") - 1, 0)]
        after = good[np.minimum(np.searchsorted(good, rows), len(good) - 1)]
        is_kept = ~is_wrong | (times_ns[after] - times_ns[before] > STALE_NS)
        known = {name: np.where(is_wrong, np.nan, getattr(self, name))[is_kept] for name in _LIMITS}
        return EgoTrack(times_ns[is_kept], **known, proprio=self.proprio[is_kept])

    def sample_at(self, t_ns: int) -> EgoSample | None:
        """The newest row not later than `t_ns`; None if there is none, if it is older than 0.5 s or not finite."""
        row = int(np.searchsorted(self.timestamp_ns, t_ns, side="right")) - 1
        if row < 0 or t_ns - int(self.timestamp_ns[row]) > STALE_NS:
            return None
        speed_mps, yaw_rate_rps = float(self.speed_mps[row]), float(self.yaw_rate_rps[row])
        if not np.isfinite(speed_mps) or not np.isfinite(yaw_rate_rps):
            return None
        proprio = self.proprio[row]
        has_proprio = len(proprio) > 0 and bool(np.isfinite(proprio).all())
        return EgoSample(speed_mps, yaw_rate_rps, tuple(proprio.tolist()) if has_proprio else None)

    def poses_at(self, t_ns: np.ndarray) -> np.ndarray:
        """Interpolated ground truth: (n, 4) float64 x m, y m, yaw rad, v m/s at times (n,); NaN outside the track.

        For scoring only: it uses rows later than the times.
        """
        t_ns = np.asarray(t_ns, np.int64)
        start_ns = int(self.timestamp_ns[0])
        rows_s = (self.timestamp_ns - start_ns) * 1e-9  # relative first: Unix nanoseconds do not fit a float
        at_s = (t_ns - start_ns) * 1e-9
        columns = (self.x_m, self.y_m, unwrapped(self.yaw_rad), self.speed_mps)
        poses = np.stack([np.interp(at_s, rows_s, column, left=np.nan, right=np.nan) for column in columns], axis=-1)
        poses[:, 2] = np.mod(poses[:, 2] + np.pi, 2 * np.pi) - np.pi
        return poses


def unwrapped(yaw_rad: np.ndarray) -> np.ndarray:
    """Yaw without jumps of a whole turn; NaN stays NaN and does not spread to later rows, as in `np.unwrap`."""
    is_known = np.isfinite(yaw_rad)
    unwrapped = np.full(len(yaw_rad), np.nan)
    unwrapped[is_known] = np.unwrap(yaw_rad[is_known])
    return unwrapped


@dataclass(frozen=True)
class CommandTrack:
    """Route commands over time: `commands[i]` holds from `timestamp_ns[i]` on. Times (n,) int64 rise strictly."""

    timestamp_ns: np.ndarray
    commands: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.commands) != len(self.timestamp_ns) or np.any(np.diff(self.timestamp_ns) <= 0):
            raise ValueError("Commands need one strictly rising time each.")

    def overlaps(self, start_ns: int, end_ns: int) -> bool:
        """Whether a command is of the time from `start_ns` to `end_ns`, or of the hour before."""
        return int(self.timestamp_ns[0]) <= end_ns and start_ns <= int(self.timestamp_ns[-1]) + _HOLD_NS

    def command_at(self, t_ns: int) -> str:
        """The command that holds at `t_ns`; `none` before the first."""
        row = int(np.searchsorted(self.timestamp_ns, t_ns, side="right")) - 1
        return self.commands[row] if row >= 0 else "none"


def yaw_rad_of(qw: np.ndarray, qx: np.ndarray, qy: np.ndarray, qz: np.ndarray) -> np.ndarray:
    """Heading of the x axis about z, left positive, of unit quaternions; rad, (n,); NaN where one is no rotation."""
    with np.errstate(over="ignore", invalid="ignore"):
        length_2 = qw * qw + qx * qx + qy * qy + qz * qz
        is_rotation = (length_2 > _LEAST_LENGTH**2) & (length_2 < _MOST_LENGTH**2)
        yaw_rad = np.arctan2(2 * (qw * qz + qx * qy), length_2 - 2 * (qy * qy + qz * qz))
    return np.asarray(np.where(is_rotation, yaw_rad, np.nan))


def load_ego(path: Path, notes: list[str]) -> EgoTrack:
    """Read `ego.parquet`: `t_ns`, any of `EGO_COLUMNS`, and `proprio_0` …; an empty value is one that was not recorded.

    Rows with a value that is not a number, or that no vehicle reaches, are left out and counted in a note.

    Raises:
        ClipError: the file cannot be read, a column has the wrong type, or no row is left.
        ClockError: the times do not rise strictly.
    """
    table = read_parquet(path, "t_ns")
    timestamp_ns = _rising_times(path, table)
    columns = {name: _float_column(path, table, name, len(timestamp_ns)) for name in EGO_COLUMNS}
    yaw_rad = yaw_rad_of(*(columns[name] for name in _QUATERNION))
    proprio = _proprio(path, table, len(timestamp_ns))
    v_mps, yaw_rate_rps, x_m, y_m = (columns[name] for name in ("v_mps", "yaw_rate_rps", "x", "y"))
    track = EgoTrack(timestamp_ns, v_mps, yaw_rate_rps, x_m, y_m, yaw_rad, proprio)
    is_turned = ~np.any([np.isnan(columns[name]) for name in _QUATERNION], axis=0)
    is_wrong = ~track.is_possible() | (is_turned & np.isnan(yaw_rad))
    for name in _QUATERNION:
        is_wrong |= ~(np.isnan(columns[name]) | (np.abs(columns[name]) < _MOST_LENGTH))
    for name in EGO_COLUMNS:
        is_nan = _is_nan(table, name)
        is_wrong |= is_nan & ~is_nan.all()  # a column without any number was not recorded
    return _without(track, is_wrong, str(path), notes)


def _proprio(path: Path, table: Any, rows: int) -> np.ndarray:
    """(rows, k) values of `proprio_0` … `proprio_{k-1}`."""
    names = [name for name in table.column_names if re.fullmatch(rf"{_PROPRIO}\d+", name)]
    expected = [f"{_PROPRIO}{place}" for place in range(len(names))]
    if set(names) != set(expected) or len(names) > PROPRIO_SIZE:
        raise ClipError(
            f"{path} has the columns {', '.join(sorted(names))}. Number them from {_PROPRIO}0 on without a hole, up to "
            f"{PROPRIO_SIZE} of them.",
            field=_PROPRIO,
        )
    columns = [_float_column(path, table, name, rows) for name in expected]
    return np.stack(columns, axis=1) if columns else np.empty((rows, 0))


def possible_ego(track: EgoTrack, source: str, notes: list[str]) -> EgoTrack:
    """A track of any format without rows that have a value which is infinite or that no vehicle reaches.

    Raises:
        ClipError: no row is left.
    """
    return _without(track, ~track.is_possible(), source, notes)


def is_possible_pose(x_m: np.ndarray, y_m: np.ndarray, yaw_rad: np.ndarray) -> np.ndarray:
    """(n,) bool: whether position and heading are known, and the position is one on earth."""
    with np.errstate(invalid="ignore"):
        return (np.abs(x_m) <= MAX_POSITION_M) & (np.abs(y_m) <= MAX_POSITION_M) & np.isfinite(yaw_rad)


def count_wrong_rows(is_wrong: np.ndarray, source: str, notes: list[str]) -> None:
    """Note how many rows of ego motion, (n,) bool, are left out.

    Raises:
        ClipError: all are.
    """
    count = int(is_wrong.sum())
    if count and count == len(is_wrong):
        raise ClipError(
            f"{source}: every row of ego motion ({count}) has a value that is not a number or that no vehicle reaches "
            f"(speed up to {MAX_SPEED_MPS:g} m/s, yaw rate {MAX_YAW_RATE_RPS:g} rad/s, position {MAX_POSITION_M:g} m, "
            "quaternions of length 1). Correct them, or remove the ego motion to run without it."
        )
    if count:
        notes.append(
            f"{count} of {len(is_wrong)} rows of ego motion in {Path(source).name} are left out: a value is not a "
            "number, or one that no vehicle reaches."
        )


def _without(track: EgoTrack, is_wrong: np.ndarray, source: str, notes: list[str]) -> EgoTrack:
    count_wrong_rows(is_wrong, source, notes)
    return track.without(is_wrong) if is_wrong.any() else track


def load_commands(path: Path) -> CommandTrack:
    """Read `command.parquet`: `t_ns` and `command`, one of `COMMANDS`.

    Raises:
        ClipError: the file cannot be read, or has a command that does not exist.
        ClockError: the times do not rise strictly.
    """
    table = read_parquet(path, "t_ns", "command")
    timestamp_ns = _rising_times(path, table)
    commands = tuple(str(value) for value in table["command"].to_pylist())
    for row, command in enumerate(commands):
        if command not in COMMANDS:
            raise ClipError(
                f"{path} row {row}: unknown command {command!r}. Use one of {', '.join(COMMANDS)}.", field="command"
            )
    return CommandTrack(timestamp_ns, commands)


def _rising_times(path: Path, table: Any) -> np.ndarray:
    if table.num_rows == 0:
        raise ClipError(f"{path} has 0 rows. Write at least one, or remove the file.", field="t_ns")
    timestamp_ns = integer_column(path, table, "t_ns")
    check_times(path, "t_ns", timestamp_ns)
    check_rising(path, "t_ns", timestamp_ns)
    return timestamp_ns


def _is_nan(table: Any, name: str) -> np.ndarray:
    """(n,) bool: rows of a column that hold "not a number", which is not the same as an empty row."""
    import pyarrow.compute as pc

    if name not in table.column_names:
        return np.zeros(table.num_rows, np.bool_)
    return np.asarray(pc.fill_null(pc.is_nan(table[name].cast("float64")), False).to_numpy(), np.bool_)


def _float_column(path: Path, table: Any, name: str, rows: int) -> np.ndarray:
    import pyarrow as pa

    if name not in table.column_names:
        return np.full(rows, np.nan)
    try:
        return np.asarray(table[name].cast(pa.float64()).to_numpy(), np.float64)
    except (pa.ArrowException, ValueError) as error:
        raise ClipError(
            f"{path}: column `{name}` is {table[name].type}, not a number. Write float64.", field=name
        ) from error
