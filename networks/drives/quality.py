"""Which ticks of a drive are not for learning, and drives whose units are wrong.

Ticks that are left out stay in the data set, so that the memory of a network can be rolled over them.
"""

from collections.abc import Sequence

import numpy as np

from fsd.data.driving_mode import ASSISTED_MODES
from fsd.data.ego import EgoTrack, unwrapped
from fsd.data.errors import ClipError

REASONS = ("telemetry hole", "reversing", "driving mode", "standing", "split margin")
"""Why a tick is left out; the first that applies is counted."""

MODE_CHOICES = ("all", "manual", "assisted")

REVERSING_MPS, STANDING_MPS = -0.3, 0.3

_COMPARED_STEP_NS = 500_000_000
_LEAST_MPS, _LEAST_RPS, _LEAST_ROWS = 2.0, 0.03, 10
_SPEED_FACTORS = {3.6: "km/h", 2.23694: "miles per hour", 1.94384: "knots"}
_RATE_FACTORS = {57.2958: "degrees per second", -1.0: "right positive"}
_TOLERANCE = 0.06
"""Of a factor; knots and miles per hour are 15% apart."""


def left_out(
    labels: dict[str, np.ndarray],
    modes: Sequence[str | None],
    parts: np.ndarray,
    kept_modes: str,
    max_standing_s: float,
) -> np.ndarray:
    """(T,) int8 index into `REASONS` of each tick, -1 for ticks to learn from.

    Args:
        labels: of `RecordedLabels.table`, with `timestamp_ns` (T,) and `speed_mps` (T,), NaN where unknown.
        modes: driving mode of each tick; kept_modes: one of `MODE_CHOICES`.
        parts: (T,) of `splits.parts_of_ticks`.
        max_standing_s: ticks of a stop that count, from its begin.
    """
    speed_mps = labels["speed_mps"]
    is_unknown = ~np.isfinite(labels["trajectory"][:, 0]).all(axis=-1) & ~np.isfinite(labels["curvature"])
    is_assisted = np.array([mode in ASSISTED_MODES for mode in modes])
    is_manual = np.array([mode == "manual" for mode in modes])
    is_other = {"all": np.zeros(len(modes), bool), "manual": ~is_manual, "assisted": ~is_assisted}[kept_modes]
    with np.errstate(invalid="ignore"):
        reasons = {
            "telemetry hole": is_unknown,
            "reversing": speed_mps < REVERSING_MPS,
            "driving mode": is_other,
            "standing": _stands_longer(labels["timestamp_ns"], speed_mps, max_standing_s),
            "split margin": parts < 0,
        }
    found = np.full(len(parts), -1, np.int8)
    for index, reason in reversed(list(enumerate(REASONS))):
        found[reasons[reason]] = index
    return found


def _stands_longer(timestamp_ns: np.ndarray, speed_mps: np.ndarray, max_standing_s: float) -> np.ndarray:
    """Ticks of stops, after the first `max_standing_s` of each."""
    with np.errstate(invalid="ignore"):
        stands = np.abs(speed_mps) < STANDING_MPS
    begins = stands & ~np.concatenate([[False], stands[:-1]])
    since_ns = np.maximum.accumulate(np.where(begins, timestamp_ns, np.iinfo(np.int64).min // 2))
    return np.asarray(stands & (timestamp_ns - since_ns > max_standing_s * 1e9))


def check_units(ego: EgoTrack, source: str) -> None:
    """Refuse ego motion whose speed or yaw rate contradicts its poses.

    Raises:
        ClipError: names the column, and the unit that it seems to have.
    """
    step = (
        max(1, round(_COMPARED_STEP_NS / max(1, float(np.median(np.diff(ego.timestamp_ns))))))
        if len(ego.timestamp_ns) > 1
        else 1
    )
    seconds = (ego.timestamp_ns[step:] - ego.timestamp_ns[:-step]) * 1e-9
    if len(seconds) == 0:
        return
    near = seconds < 4 * _COMPARED_STEP_NS * 1e-9
    moved_mps = np.hypot(ego.x_m[step:] - ego.x_m[:-step], ego.y_m[step:] - ego.y_m[:-step]) / seconds
    yaw_rad = unwrapped(ego.yaw_rad)
    turned_rps = (yaw_rad[step:] - yaw_rad[:-step]) / seconds
    speed_mps = _mean_over(np.abs(ego.speed_mps), ego.timestamp_ns, step)
    rate_rps = _mean_over(ego.yaw_rate_rps, ego.timestamp_ns, step)
    _check_factor(speed_mps[near], moved_mps[near], _LEAST_MPS, _SPEED_FACTORS, "v_mps", source)
    _check_factor(rate_rps[near], turned_rps[near], _LEAST_RPS, _RATE_FACTORS, "yaw_rate_rps", source)


def _mean_over(values: np.ndarray, timestamp_ns: np.ndarray, step: int) -> np.ndarray:
    """Mean over `step` rows from each row on, of values between which lines are drawn; NaN where one is unknown."""
    seconds = np.diff(timestamp_ns) * 1e-9
    areas = seconds * (values[1:] + values[:-1]) / 2
    known = np.isfinite(areas)
    total, unknown = (np.concatenate([[0.0], np.cumsum(each)]) for each in (np.where(known, areas, 0.0), ~known))
    span_s = (timestamp_ns[step:] - timestamp_ns[:-step]) * 1e-9
    return np.where(unknown[step:] == unknown[:-step], (total[step:] - total[:-step]) / span_s, np.nan)


def _check_factor(
    stated: np.ndarray, derived: np.ndarray, least: float, units: dict[float, str], column: str, source: str
) -> None:
    with np.errstate(invalid="ignore"):
        rows = np.isfinite(stated) & np.isfinite(derived) & (np.abs(derived) > least)
    if rows.sum() < _LEAST_ROWS:
        return
    factor = float(np.median(stated[rows] / derived[rows]))
    unit = next((unit for known, unit in units.items() if abs(factor / known - 1) < _TOLERANCE), None)
    if unit is not None:
        raise ClipError(
            f"{source}: `{column}` is {factor:.2f} times what the poses give, as if it were {unit}. Speeds are m/s, "
            "yaw rates rad/s and left positive: correct the column, or remove it.",
            field=column,
        )
