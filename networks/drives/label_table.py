"""The labels of a clip's recorded ticks as a Parquet table, one row per tick; the same for every budget.

Labels contain the future of their tick and must never be network inputs; speed, yaw rate and command are of the tick.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsd.data.ego import COMMANDS
from fsd.data.errors import ClipError
from fsd.networks.contract import WAYPOINTS
from fsd.networks.drives.quality import REASONS
from fsd.networks.drives.splits import PARTS

PATH_COLUMNS = ("path_x_m", "path_y_m", "path_yaw_rad", "path_v_mps")
SCALARS = ("speed_mps", "yaw_rate_rps", "curvature_per_m", "acceleration_mps2", "steering_wheel_rad")


def label_schema() -> pa.Schema:
    """Columns: `path_valid` says which waypoints are known; `left_out` is empty for ticks to learn from."""
    word = pa.dictionary(pa.int8(), pa.string())
    return pa.schema(
        [
            ("tick", pa.int64()),
            ("t_ns", pa.int64()),
            ("run", pa.int32()),
            *((name, pa.float32()) for name in SCALARS),
            ("command", word),
            ("mode", word),
            *((name, pa.list_(pa.float32(), WAYPOINTS)) for name in PATH_COLUMNS),
            ("path_valid", pa.list_(pa.bool_(), WAYPOINTS)),
            ("split", word),
            ("left_out", word),
        ]
    )


def label_table(
    columns: Mapping[str, np.ndarray],
    trajectory: np.ndarray,
    commands: Sequence[str],
    modes: Sequence[str | None],
    parts: np.ndarray,
    left_out: np.ndarray,
) -> pa.Table:
    """The table.

    Args:
        columns: `tick`, `t_ns`, `run` and `SCALARS`, (T,) each, NaN where unknown.
        trajectory: (T, 16, 4) of `recorded_labels.path_table`.
        parts: (T,) index into `PARTS`, or -1; left_out: (T,) index into `REASONS`, or -1.
    """
    schema, path = label_schema(), trajectory.astype(np.float32)
    made = {name: pa.array(values) for name, values in columns.items()}
    made["command"], made["mode"] = pa.array(list(commands)), pa.array(list(modes), pa.string())
    for index, name in enumerate(PATH_COLUMNS):
        made[name] = pa.FixedSizeListArray.from_arrays(pa.array(path[..., index].reshape(-1)), WAYPOINTS)
    valid = np.isfinite(trajectory).all(axis=-1)
    made["path_valid"] = pa.FixedSizeListArray.from_arrays(pa.array(valid.reshape(-1)), WAYPOINTS)
    made["split"] = pa.array([PARTS[part] if part >= 0 else "" for part in parts], pa.string())
    made["left_out"] = pa.array([REASONS[reason] if reason >= 0 else "" for reason in left_out], pa.string())
    return pa.table([made[field.name].cast(field.type) for field in schema], schema=schema)


def write_labels(path: Path, table: pa.Table) -> None:
    pq.write_table(table, str(path), compression="zstd")


class Labels:
    """The labels of one clip, as the arrays that an episode has under the same names.

    Attributes:
        arrays: `trajectory` (T, 16, 4), `trajectory_valid` (T, 16), `curvature` (T, 1), `acceleration` (T, 1), `ego`
            (T, 2), `ego_valid` (T, 1), `command` (T, 6), `timestamp_ns` (T,), `tick` (T,).
    """

    def __init__(self, path: Path) -> None:
        """Read the table.

        Raises:
            ClipError: it is missing or damaged.
        """
        try:
            table = pq.read_table(str(path))
            self.arrays = _arrays(table)
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise ClipError(
                f"{path} cannot be read ({error}). Delete {path.parent} and build the data set again."
            ) from error
        self.modes: list[str | None] = table["mode"].to_pylist()

    def rows(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values[rows] for name, values in self.arrays.items()}


def _arrays(table: pa.Table) -> dict[str, np.ndarray]:
    def scalar(name: str) -> np.ndarray:
        return table[name].to_numpy()

    def listed(name: str) -> np.ndarray:
        column = table[name].combine_chunks()
        flat = column.flatten() if len(column) else pa.array([], column.type.value_type)
        return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(-1, WAYPOINTS)

    ego = np.stack([scalar("speed_mps"), scalar("yaw_rate_rps")], axis=-1)
    known = np.isfinite(ego).all(axis=-1, keepdims=True)
    command = np.array([COMMANDS.index(name) for name in table["command"].to_pylist()], np.int64)
    return {
        "tick": scalar("tick"),
        "timestamp_ns": scalar("t_ns"),
        "trajectory": np.stack([listed(name) for name in PATH_COLUMNS], axis=-1),
        "trajectory_valid": listed("path_valid"),
        "curvature": scalar("curvature_per_m")[:, None],
        "acceleration": scalar("acceleration_mps2")[:, None],
        "ego": np.where(known, ego, 0).astype(np.float32),
        "ego_valid": known.astype(np.float32),
        "command": np.eye(len(COMMANDS), dtype=np.float32)[command],
    }
