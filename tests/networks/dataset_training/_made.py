"""A data set without videos: synthetic ticks of eight cameras whose brightness tells the curvature."""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsd.compression.budget import ALL_BUDGETS, Budget
from fsd.data.clock import tick_time_ns
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.contract import WAYPOINT_TIMES_S
from fsd.networks.dataset import EpisodeWriter, PendingCommits, patch_cells
from fsd.networks.drives.clip_record import CLIPS_FOLDER, LABELS_FILE
from fsd.networks.drives.label_table import SCALARS, label_table, write_labels
from fsd.networks.drives.recorded_dataset import INDEX_FILE
from fsd.networks.drives.shards import ShardWriter
from fsd.networks.drives.splits import PARTS
from tests.networks._tiny import TINY, TINY_FOVEATED

SMALL = replace(TINY, budget=ALL_BUDGETS["B400"])
FOVEATED = replace(TINY_FOVEATED, budget=ALL_BUDGETS["F200"])
EVERY_TICKS = 4


def bend_at(tick: int, seed: int) -> float:
    return math.sin(tick / 9 + seed)


def write_clip(folder: Path, budget: Budget, rows: int, seed: int, part: str) -> None:
    """Write the shards and the labels of one clip."""
    folder.mkdir(parents=True)
    writer, commits, ticks = ShardWriter(folder, budget), PendingCommits(), []
    for index, step in enumerate(synthetic_steps(budget, rows * EVERY_TICKS, seed)):
        commits.add(step.tick)
        if index % EVERY_TICKS:
            continue
        step.tick.retina[:] = round(128 + 80 * bend_at(index, seed))
        arrays = {name: getattr(step.tick, name) for name in writer.tick_names}
        writer.add({**arrays, "patch_cell": patch_cells(step.tick), "commit_slots": commits.take()})
        ticks.append(index)
    writer.close()
    bend = np.array([bend_at(tick, seed) for tick in ticks])
    time_s = WAYPOINT_TIMES_S[None]
    path = [8 * time_s + 0 * bend[:, None], 1.5 * bend[:, None] * time_s**2, 0.4 * bend[:, None] * time_s]
    trajectory = np.stack([*path, np.full(path[0].shape, 8.0)], axis=-1)
    columns: dict[str, np.ndarray] = {name: np.full(rows, np.nan) for name in SCALARS}
    columns |= {"tick": np.array(ticks), "t_ns": np.array([tick_time_ns(tick) for tick in ticks])}
    columns |= {"run": np.zeros(rows, np.int32), "speed_mps": np.full(rows, 8.0), "yaw_rate_rps": 0.3 * bend}
    columns |= {"curvature_per_m": 0.05 * bend, "acceleration_mps2": 0.5 * bend}
    parts, reasons = np.full(rows, PARTS.index(part)), np.full(rows, -1)
    table = label_table(columns, trajectory, ["left"] * rows, [None] * rows, parts, reasons)
    write_labels(folder / LABELS_FILE, table)


def write_dataset(
    folder: Path, clips: Mapping[str, tuple[str, int]], budget: Budget = SMALL.budget, simulated: Collection[str] = ()
) -> Path:
    """A data set of clips: key -> (part, rows); `simulated`: keys of those that say that they are."""
    for seed, (key, (part, rows)) in enumerate(clips.items()):
        write_clip(folder / CLIPS_FOLDER / key, budget, rows, seed, part)
    columns = {
        "clip": pa.array(list(clips)),
        "drive": pa.array(list(clips)),
        "run": pa.array([0] * len(clips), pa.int32()),
        "begin": pa.array([0] * len(clips), pa.int64()),
        "end": pa.array([rows for _, rows in clips.values()], pa.int64()),
        "split": pa.array([part for part, _ in clips.values()]),
        "is_used": pa.array([True] * len(clips)),
        "is_simulated": pa.array([key in simulated for key in clips]),
    }
    pq.write_table(pa.table(columns), folder / INDEX_FILE)
    return folder


def write_episodes(folder: Path, count: int, rows: int) -> Path:
    """Simulated drives of as many worlds, as a run of `fsd train` has them."""
    for seed in range(count):
        writer = EpisodeWriter(folder / "episodes" / f"S1-{seed:06d}-r0", SMALL.budget, EVERY_TICKS)
        for step in synthetic_steps(SMALL.budget, rows, seed):
            writer.add(step._replace(command="none"), {"curvature": np.array([0.01])})
        writer.close({"seed": seed})
    return folder
