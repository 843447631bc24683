"""The ticks that two replays have in common, and the differences of their plans."""

from dataclasses import dataclass

import numpy as np

from fsd.data.errors import UsageError
from fsd.networks.contract import WAYPOINT_STEP_S
from fsd.outputs.run_folder import Run
from fsd.scoring.baseline_plans import wrapped

HORIZON_S = 3.0


@dataclass(frozen=True)
class Comparison:
    """Two runs, matched by time.

    Attributes:
        a, b: the runs; rows_a, rows_b: (M,) rows of the ticks that both have.
        differences: name of `UNITS` -> (M,) absolute difference at each of these ticks.
    """

    a: Run
    b: Run
    rows_a: np.ndarray
    rows_b: np.ndarray
    differences: dict[str, np.ndarray]

    def first(self, is_different: np.ndarray) -> int | None:
        """Tick number in run A of the first True of (M,) common ticks; None if there is none."""
        return int(self.a.tick[self.rows_a[int(np.argmax(is_different))]]) if is_different.any() else None


def matched(a: Run, b: Run) -> Comparison:
    """Match the ticks of two runs by time and take the differences of their plans."""
    _, rows_a, rows_b = np.intersect1d(a.timestamp_ns, b.timestamp_ns, return_indices=True)
    if len(rows_a) == 0:
        raise UsageError(
            f"{a.folder} and {b.folder} have no tick in common ({len(a.tick)} and {len(b.tick)} ticks of other times). "
            "Compare two replays of the same clip."
        )
    steps = round(HORIZON_S / WAYPOINT_STEP_S)
    one, other = a.trajectory[rows_a, :steps], b.trajectory[rows_b, :steps]
    differences = {
        "path_m": np.linalg.norm(one[..., :2] - other[..., :2], axis=-1).max(axis=1),
        "heading_rad": np.abs(wrapped(one[..., 2] - other[..., 2])).max(axis=1),
        "speed_mps": np.abs(one[..., 3] - other[..., 3]).max(axis=1),
    }
    for name in ("curvature_per_m", "acceleration_mps2"):
        differences[name] = np.abs(_column(a, name)[rows_a] - _column(b, name)[rows_b])
    return Comparison(a, b, rows_a, rows_b, differences)


def _column(run: Run, name: str) -> np.ndarray:
    return run.plan[name].to_numpy().astype(np.float64)
