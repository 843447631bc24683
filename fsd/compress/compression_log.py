"""`compression_log.parquet` of `fsd compress`: what the compressor kept and why, one row per tick.

docs/compress.md describes every column for people; a test holds the two together.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from fsd.compression.budget import Budget
from fsd.compression.telemetry import TickTelemetry
from fsd.compression.tick import MAX_COMMITS, CompressedTick
from fsd.data.frames import BLOCKS, CAMERAS, FrameSet
from fsd.version import __version__

USUAL_DEVIATION = 16
"""A block's usual deviation, in the units of its surprise."""


def log_schema(budget: Budget, policy: str) -> pa.Schema:
    """Columns of the log; the file's metadata names budget and policy."""
    patches, cameras = budget.patch_slots, len(CAMERAS)
    fine = [] if budget.fovea is None else [("patch_quarter", pa.list_(pa.int16(), patches))]
    return pa.schema(
        [
            ("tick", pa.int32()),
            ("t_ns", pa.int64()),
            ("patch_camera", pa.list_(pa.int16(), patches)),
            ("patch_block", pa.list_(pa.int16(), patches)),
            *fine,
            ("patch_is_swept", pa.list_(pa.uint8(), patches)),
            ("patch_surprise", pa.list_(pa.float32(), patches)),
            ("patch_gap_ticks", pa.list_(pa.int32(), patches)),
            ("is_valid", pa.list_(pa.uint8(), cameras)),
            ("frame_index", pa.list_(pa.int64(), cameras)),
            ("age_ns", pa.list_(pa.int64(), cameras)),
            ("is_keyframe", pa.list_(pa.uint8(), cameras)),
            ("keyframe_reasons", pa.list_(pa.uint8(), cameras)),
            ("camera_surprise", pa.list_(pa.int64(), cameras)),
            ("commit_slots", pa.list_(pa.int16(), MAX_COMMITS)),
            ("memory_slots", pa.int16()),
            ("oldest_block_ticks", pa.list_(pa.int32(), cameras)),
            ("odometry", pa.string()),
            ("speed_mps", pa.float32()),
            ("bytes_in", pa.int64()),
            ("bytes_out", pa.int64()),
        ],
        metadata={"fsd_version": __version__, "budget": budget.name, "policy": policy},
    )


def log_row(
    frame_set: FrameSet, compressed: CompressedTick, telemetry: TickTelemetry, gap_ticks: np.ndarray, bytes_out: int
) -> dict[str, Any]:
    """One row.

    Args:
        gap_ticks: (2400,) ticks since each block's read before this tick, -1 where there was none.
        bytes_out: that enter the network.
    """
    is_used = compressed.patch_camera >= 0
    block = compressed.patch_camera.astype(np.int64) * BLOCKS + compressed.patch_block
    quarter = compressed.patch_quarter
    surprise = telemetry.block_surprise.reshape(-1)[block] / USUAL_DEVIATION
    return {
        "tick": frame_set.tick,
        "t_ns": frame_set.timestamp_ns,
        "patch_camera": compressed.patch_camera.copy(),
        "patch_block": compressed.patch_block.copy(),
        **({} if quarter is None else {"patch_quarter": quarter.copy()}),
        "patch_is_swept": telemetry.patch_is_swept.astype(np.uint8),
        "patch_surprise": np.where(is_used, surprise, 0).astype(np.float32),
        "patch_gap_ticks": np.where(is_used, gap_ticks[block], -1).astype(np.int32),
        "is_valid": compressed.camera_valid.astype(np.uint8),
        "frame_index": frame_set.frame_index,
        "age_ns": frame_set.age_ns,
        "is_keyframe": compressed.is_keyframe.astype(np.uint8),
        "keyframe_reasons": telemetry.keyframe_reasons.astype(np.uint8),
        "camera_surprise": telemetry.camera_surprise,
        "commit_slots": compressed.commit_slots.copy(),
        "memory_slots": int(compressed.memory_valid.sum()),
        "oldest_block_ticks": telemetry.block_age_ticks.reshape(len(CAMERAS), -1).max(axis=1).astype(np.int32),
        "odometry": telemetry.odometry,
        "speed_mps": telemetry.speed_mps,
        "bytes_in": bytes_in(frame_set),
        "bytes_out": bytes_out,
    }


def bytes_in(frame_set: FrameSet) -> int:
    """Bytes of YUV 4:2:0 of the pictures that are new at this tick."""
    shown = [frame for frame, is_new in zip(frame_set.frames, frame_set.is_new, strict=True) if frame and is_new]
    return sum(frame.y_plane.size + frame.u_plane.size + frame.v_plane.size for frame in shown)
