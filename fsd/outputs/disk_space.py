"""Estimate the space that results need, from what they took per tick of real runs; warn where it is not free.

Each constant is what one run took: the packaged clip of eight 1280x960 cameras (144 ticks), and for `fsd record` one
second of eight 640x480 cameras.
"""

import math
import shutil
import sys
from pathlib import Path

import numpy as np

from fsd.compression.budget import Budget
from fsd.data.clip import Clip
from fsd.data.clock import SECOND_NS
from fsd.data.frames import RATE_HZ
from fsd.networks.contract import KEY_SIZE, SLOT_TOKENS
from fsd.networks.dataset import episode_shapes

REPLAY_TABLE_BYTES, COMPRESS_TABLE_BYTES = 2000, 1400
"""Per tick: a stream, and the Parquet file that is made of it before it is removed."""
OVERLAY_BYTES_PER_PIXEL = 0.0261
"""H.264 at constant quality, of 396 ticks of the packaged clip."""
MCAP_BYTES = 5200
"""Per tick, besides the video."""
PAGE_BYTES, MOSAIC_BYTES = 1_000_000, 3_000_000
RECORD_BYTES_PER_PIXEL = 0.0125
SAMPLE_BYTES, TRACE_BYTES = 200, 60_000
"""Per measured and per traced tick of a profile."""
WEIGHTS_BYTES = 5_900_000
"""Of the packaged network."""
WEIGHT_COPIES, SIDE_FILES_BYTES = 3, 5_000_000
"""Of an export: sizes of the weights file in FP32, FP16 and batched files; calibration, proof and its page."""
CHECKPOINT_COPIES, EPISODE_ROWS = 6, 81
"""Of a training: sizes of the weights in a checkpoint, the last and the best weights; rows of a drive of 9 s."""
ROUTE_BYTES, FILMED_ROUTE_BYTES = 1200, 30_000_000
"""Per scored route, and per video of a minute of driving."""


def warn_if_short(folder: Path, needed_bytes: float) -> bool:
    """Print a warning if the file system of a folder has less free space than that; returns whether it has.

    Args:
        folder: exists; needed_bytes: as the functions below estimate it.
    """
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes <= free_bytes:
        return False
    print(
        f"fsd: warning: about {_format(needed_bytes)} are needed in {folder}, and {_format(free_bytes)} are free. The "
        "run ends when the disk is full; what fitted is kept.",
        file=sys.stderr,
        flush=True,
    )
    return True


def existing_folder(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.is_dir())


def replay_bytes(ticks: int, overlay_pixels: float, viewer_video_bytes: float, viewers: int, has_page: bool) -> float:
    """Of a replay.

    Args:
        overlay_pixels: of all images of the overlay together.
        viewer_video_bytes: of `video_bytes`; viewers: number of viewer files, each with the video.
    """
    viewer = viewers * (viewer_video_bytes + ticks * MCAP_BYTES)
    return ticks * REPLAY_TABLE_BYTES + overlay_pixels * OVERLAY_BYTES_PER_PIXEL + viewer + has_page * PAGE_BYTES


def compress_bytes(ticks: int) -> float:
    """Of a run of the compressor."""
    return ticks * COMPRESS_TABLE_BYTES + PAGE_BYTES + MOSAIC_BYTES


def record_bytes(ticks: int, cameras: int, width_px: int, height_px: int) -> float:
    """Of a simulated recording."""
    return ticks * cameras * width_px * height_px * RECORD_BYTES_PER_PIXEL


def profile_bytes(sampled_ticks: int, traced_ticks: int) -> float:
    """Of a profile."""
    return sampled_ticks * SAMPLE_BYTES + traced_ticks * TRACE_BYTES + PAGE_BYTES


def drive_bytes(routes: int, films: int) -> float:
    """Of a closed-loop evaluation of so many routes, over all drivers."""
    return routes * ROUTE_BYTES + films * FILMED_ROUTE_BYTES


def export_bytes(targets: int, weights_bytes: int = WEIGHTS_BYTES) -> float:
    """Of an export with so many INT8 files."""
    return weights_bytes * (WEIGHT_COPIES + targets) + SIDE_FILES_BYTES


def train_bytes(episodes: int, budget: Budget) -> float:
    """Of a training in the simulator, which caches the network's outputs at all rows."""
    row_bytes = sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in episode_shapes(budget).values())
    cached_bytes = 2 * SLOT_TOKENS * KEY_SIZE * np.dtype(np.float16).itemsize + 1
    rows = episodes * EPISODE_ROWS
    return rows * (row_bytes + cached_bytes) + CHECKPOINT_COPIES * WEIGHTS_BYTES


def video_bytes(clip: Clip, ticks: int) -> float:
    """Size of the part of a recording's video that so many ticks show."""
    spans = [(each.start_ns, each.end_ns) for each in clip.streams if each is not None]
    starts = [start for start, _ in spans if start is not None]
    ends = [end for _, end in spans if end is not None]
    length_s = (max(ends) - min(starts)) / SECOND_NS if starts and ends else 0.0
    share = min(1.0, float(ticks / RATE_HZ) / length_s) if length_s > 0 else 1.0
    return share * sum(file.stat().st_size for file in set(clip.files) if file.is_file())


def _format(size_bytes: float) -> str:
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.1f} kB"
