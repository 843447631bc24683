"""Score a network on chunks of drives: by horizon and by curvature, beside predictors that see no images.

Open loop: the recorded driver drives. A predictor counts only where all of those that the drives allow have an answer.
"""

from collections.abc import Sequence
from copy import copy

import numpy as np

from fsd.compression.tick import MEMORY_SLOTS
from fsd.data.frames import CAMERAS
from fsd.networks.contract import WAYPOINT_TIMES_S
from fsd.networks.dataset_training.chunks import LABELS, Chunk, ChunkSource
from fsd.networks.evaluation import EPISODES_AT_ONCE, roll_out
from fsd.networks.model import DrivingNetwork
from fsd.networks.training_set import memory_writers
from fsd.networks.validation import CONTROL_SPEED_MPS

HORIZONS_S = (1, 2, 3, 4)
BENDS = {"straight": 0.002, "slight": 0.01, "bend": 0.05, "sharp": np.inf}
"""Classes of the driven curvature and their ends, 1/m."""

NETWORK, CONSTANT_VELOCITY, HOLD_LAST, MEAN_PATH = "network", "constant velocity", "hold last", "mean path"
_LEAST_MPS = 1.0
"""Below it the curvature that yaw rate and speed give is unknown."""

_UNTIL_3S = WAYPOINT_TIMES_S <= 3.0

Plan = tuple[np.ndarray, np.ndarray, np.ndarray]
"""`trajectory` (R, 16, 4), `curvature` (R,), `acceleration` (R,); NaN where there is no answer."""


class ChunkSet:
    """Some chunks of several sources, as `roll_out` reads them."""

    def __init__(self, chosen: Sequence[tuple[ChunkSource, Chunk]]) -> None:
        self._chosen = tuple(chosen)
        self._has_camera = np.ones(len(CAMERAS), np.float32)
        self.begins = np.cumsum([0, *(len(chunk) for _, chunk in chosen)])
        self.slot_row = np.empty((int(self.begins[-1]), MEMORY_SLOTS), np.int32)
        for begin, (source, chunk) in zip(self.begins, chosen, strict=False):
            writers = memory_writers(source.commit_slots(chunk))
            self.slot_row[begin : begin + len(chunk)] = np.where(writers >= 0, begin + writers, -1)

    def __len__(self) -> int:
        return int(self.begins[-1])

    def with_cameras(self, cameras: Sequence[int]) -> "ChunkSet":
        """The same rows with all cameras masked but these, by their indices."""
        other = copy(self)
        other._has_camera = np.isin(np.arange(len(CAMERAS)), cameras).astype(np.float32)
        return other

    def labels(self) -> dict[str, np.ndarray]:
        """The arrays `LABELS` of all rows."""
        found = [source.labels(chunk) for source, chunk in self._chosen]
        return {name: np.concatenate([each[name] for each in found]) for name in LABELS}

    @property
    def sequences(self) -> int:
        return len(self._chosen)

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Every array of an episode at these rows: (n,) -> name -> (n, …)."""
        found = []
        for row in rows.tolist():
            index = int(np.searchsorted(self.begins, row, side="right")) - 1
            source, chunk = self._chosen[index]
            found.append(source.read(chunk, [row - int(self.begins[index])]))
        rows_found = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
        rows_found["camera_valid"] = rows_found["camera_valid"] * self._has_camera
        return rows_found


def some_chunks(sources: Sequence[ChunkSource], rows: int) -> list[tuple[ChunkSource, Chunk]]:
    """Chunks of at most so many rows in all, or one of each source; evenly from the first to the last."""
    chosen: list[tuple[ChunkSource, Chunk]] = []
    with_rows = [source for source in sources if source.chunks]
    for source in with_rows:
        mean = sum(map(len, source.chunks)) / len(source.chunks)
        count = max(1, min(len(source.chunks), int(rows / len(with_rows) / mean)))
        places = np.unique(np.linspace(0, len(source.chunks) - 1, count).round().astype(int))
        chosen += [(source, source.chunks[place]) for place in places]
    return chosen


def plans_on(network: DrivingNetwork, chunks: ChunkSet, device: str) -> tuple[Plan, dict[str, np.ndarray]]:
    """What the network plans at every row, its memory rolled out over each chunk, and the `LABELS` of these rows."""
    was_training = network.training
    network.eval()
    found = []
    for first in range(0, chunks.sequences, EPISODES_AT_ONCE):
        lanes = range(first, min(first + EPISODES_AT_ONCE, chunks.sequences))
        found.append(roll_out(network, chunks, lanes, device))
    network.train(was_training)
    rows = np.concatenate([rows for rows, _ in found])
    trajectory, curvature, acceleration = (
        np.concatenate([outputs[name] for _, outputs in found]) for name in ("trajectory", "curvature", "acceleration")
    )
    labels = {name: values[rows] for name, values in chunks.labels().items()}
    return (trajectory, curvature[:, 0], acceleration[:, 0]), labels


def mean_plan(labels: dict[str, np.ndarray]) -> Plan:
    """The mean path and controls of the labels, one row; NaN where nothing is known."""
    trajectory, curvature, acceleration = (
        _mean_of_known(labels[name]) for name in ("trajectory", "curvature", "acceleration")
    )
    return trajectory[None], curvature, acceleration


def baselines(labels: dict[str, np.ndarray], mean: Plan) -> dict[str, Plan]:
    """Plans without images; those that need ego motion are left out where no row has it."""
    count, speed_mps, rate_rps = len(labels["ego"]), *labels["ego"].astype(np.float64).T
    repeated = tuple(np.repeat(each, count, axis=0) for each in mean)
    plans: dict[str, Plan] = {MEAN_PATH: (repeated[0], repeated[1], repeated[2])}
    is_known = labels["ego_valid"][:, 0] > 0
    nothing = np.where(is_known, 0.0, np.nan)
    if not is_known.any():  # straight ahead needs to know nothing, but for the distance
        plans[CONSTANT_VELOCITY] = np.full(labels["trajectory"].shape, np.nan), np.zeros(count), np.full(count, np.nan)
        return plans
    plans[CONSTANT_VELOCITY] = _arc(speed_mps + nothing, 0.0 * rate_rps), np.zeros(count), nothing
    curvature = np.full(count, np.nan)
    np.divide(rate_rps, speed_mps, out=curvature, where=is_known & (speed_mps > _LEAST_MPS))
    plans[HOLD_LAST] = _arc(speed_mps + nothing, rate_rps), curvature, nothing
    return plans


def measures(plans: dict[str, Plan], labels: dict[str, np.ndarray]) -> dict[str, float]:
    """Errors as `name@group:predictor`, and what is not grouped as `name:predictor`; only those with a value.

    `position_m@2 s`: mean distance at a horizon; `path_m@bend`: mean distance until 3 s, and `curvature_per_m@bend`:
    mean error, by the driven curvature; `ade_3s_m`, `curvature_rmse_per_m`, `acceleration_mae_mps2` over all rows.
    """
    wanted = labels["trajectory"], labels["curvature"][:, 0], labels["acceleration"][:, 0]
    errors = {who: _errors(plan, wanted) for who, plan in plans.items()}
    counts = [
        np.all([np.isfinite(each[place]) for each in errors.values() if np.isfinite(each[place]).any()], axis=0)
        if any(np.isfinite(each[place]).any() for each in errors.values())
        else np.zeros(errors[NETWORK][place].shape, np.bool_)
        for place in range(3)
    ]
    found: dict[str, float] = {}
    for who, each in errors.items():
        position_m, curvature, acceleration = (
            np.where(count, error, np.nan) for count, error in zip(counts, each, strict=True)
        )
        for seconds in HORIZONS_S:
            found[f"position_m@{seconds} s:{who}"] = _mean(position_m[:, seconds == WAYPOINT_TIMES_S])
        found[f"ade_3s_m:{who}"] = _mean(position_m[:, _UNTIL_3S])
        found[f"curvature_rmse_per_m:{who}"] = _mean(curvature**2) ** 0.5
        found[f"curvature_mae_per_m:{who}"] = _mean(curvature)
        found[f"acceleration_mae_mps2:{who}"] = _mean(acceleration)
        least = 0.0
        for name, most in BENDS.items():
            rows = (np.abs(wanted[1]) >= least) & (np.abs(wanted[1]) < most)
            found[f"path_m@{name}:{who}"] = _mean(position_m[rows][:, _UNTIL_3S])
            found[f"curvature_per_m@{name}:{who}"] = _mean(curvature[rows])
            least = most
    return {name: value for name, value in found.items() if np.isfinite(value)}


def score_m(found: dict[str, float]) -> float:
    """One number in metres, lower is better, as `held_out_score_m`; what has no labels does not count."""
    weights = {"ade_3s_m": 1.0, "acceleration_mae_mps2": 0.5, "curvature_mae_per_m": 0.5 * CONTROL_SPEED_MPS**2}
    known = {name: found[f"{name}:{NETWORK}"] for name in weights if f"{name}:{NETWORK}" in found}
    return sum(weights[name] * value for name, value in known.items()) if known else float("nan")


def _errors(plan: Plan, wanted: Plan) -> Plan:
    offset = plan[0] - wanted[0]
    return np.hypot(offset[..., 0], offset[..., 1]), np.abs(plan[1] - wanted[1]), np.abs(plan[2] - wanted[2])


def _arc(speed_mps: np.ndarray, rate_rps: np.ndarray) -> np.ndarray:
    """(R, 16, 4) waypoints of constant speed and yaw rate."""
    turned = rate_rps[:, None] * WAYPOINT_TIMES_S
    chord_m = speed_mps[:, None] * WAYPOINT_TIMES_S * np.sinc(turned / (2 * np.pi))
    speed = np.broadcast_to(speed_mps[:, None], turned.shape)
    return np.stack([chord_m * np.cos(turned / 2), chord_m * np.sin(turned / 2), turned, speed], axis=-1)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    mean: np.ndarray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
