"""Collect counters, ratios and latencies for the `summary.json` of `fsd compress`.

docs/compress.md describes the fields. Memory use is constant except for 4 bytes per tick.
"""

import io
import time
from array import array
from collections import Counter

import msgspec
import numpy as np

from fsd.compress.compression_log import bytes_in
from fsd.compress.gaze_latency import EventDetector, GazeLatency
from fsd.compression.budget import Budget
from fsd.compression.keyframes import DISTANCE, GAP, START, SURPRISE
from fsd.compression.telemetry import TickTelemetry
from fsd.compression.tick import CompressedTick
from fsd.data.clip import Clip
from fsd.data.frames import CAMERAS, RATE_HZ, FrameSet
from fsd.data.sync_report import SyncReport
from fsd.outputs.budget_metrics import budget_metrics
from fsd.outputs.camera_resolution import clip_resolution
from fsd.outputs.compress_summary import (
    CompressSummary,
    EventToGaze,
    GazeSummary,
    KeyframeSummary,
    MemorySummary,
    MosaicTick,
    RecordingCompression,
)
from fsd.outputs.run_info import Status, clip_info, sync_summary, time_percentiles
from fsd.overlay.drawing import rgb_image
from fsd.runtime.gaze_loop import WARM_UP_TICKS

REASONS = {"start": START, "surprise": SURPRISE, "distance": DISTANCE, "gap": GAP}
_THUMBNAIL_PX = (240, 180)


class CompressRecord:
    """Collects what the summary and the page need.

    Attributes:
        mosaic: tick and second that `mosaic.png` shows; None while there is none.
        thumbnails: camera -> JPEG of its first valid picture.
    """

    def __init__(self, clip: Clip, budget: Budget, policy: str, uses_sweep: bool) -> None:
        self._clip, self._budget, self._policy = clip, budget, policy
        cameras = sum(stream is not None for stream in clip.streams)
        self._sweep_ticks = budget.sweep_bound_ticks(cameras) if uses_sweep else None
        self._wall_start_s = time.perf_counter()
        self._compress_ms = array("f")
        self._bytes_in = 0
        self._patches = np.zeros(len(CAMERAS), np.int64)
        self._swept = self._fine = 0
        self._keyframes = np.zeros((len(REASONS), len(CAMERAS)), np.int64)
        self._all_keyframes = np.zeros(len(CAMERAS), np.int64)
        self._commits = 0
        self._memory_slots = 0
        self._odometry: Counter[str] = Counter()
        self._oldest_ticks = 0
        self._never_read = np.full(len(CAMERAS), -1, np.int64)
        self._events, self._block_latency, self._keyframe_latency = EventDetector(), GazeLatency(), GazeLatency()
        self._ticks = 0
        self._sync: SyncReport | None = None
        self.mosaic: MosaicTick | None = None
        self.thumbnails: dict[str, bytes] = {}

    def add(
        self,
        frame_set: FrameSet,
        compressed: CompressedTick,
        telemetry: TickTelemetry,
        read: np.ndarray,
        compress_ms: float,
    ) -> None:
        """Count one tick; `read` (n,) are its blocks, over all cameras."""
        if self._ticks >= WARM_UP_TICKS:
            self._compress_ms.append(compress_ms)
        self._bytes_in += bytes_in(frame_set)
        used = compressed.patch_camera[compressed.patch_camera >= 0]
        self._patches += np.bincount(used, minlength=len(CAMERAS))
        if compressed.patch_quarter is not None:
            self._fine += int((compressed.patch_quarter >= 0).sum())
        self._swept += int(telemetry.patch_is_swept.sum())
        for row, bit in enumerate(REASONS.values()):
            self._keyframes[row] += (telemetry.keyframe_reasons & bit) > 0
        self._all_keyframes += compressed.is_keyframe
        self._commits += int((compressed.commit_slots >= 0).sum())
        self._memory_slots = int(compressed.memory_valid.sum())
        self._odometry[telemetry.odometry] += 1
        age_ticks = telemetry.block_age_ticks.reshape(len(CAMERAS), -1)
        is_valid = compressed.camera_valid > 0
        self._oldest_ticks = max(self._oldest_ticks, int(age_ticks[is_valid].max(initial=0)))
        self._never_read = (age_ticks < 0).sum(axis=1)
        self._block_latency.add(self._ticks, self._events.blocks(telemetry), read)
        self._keyframe_latency.add(self._ticks, self._events.keyframes(telemetry), read)
        self._ticks += 1
        self._add_thumbnails(frame_set)

    def finish(self, sync: SyncReport) -> None:
        """Take the decoder's and clock's counters at the end of the run, however it ended."""
        self._sync = sync

    def summary(self, status: Status, error: BaseException | None = None) -> CompressSummary:
        """The content of `summary.json` until now."""
        drive_s = float(self._ticks / RATE_HZ)
        compress_ms = np.array(self._compress_ms)
        return CompressSummary(
            status=status,
            error=None if error is None else f"{type(error).__name__}: {error}",
            clip=clip_info(self._clip),
            ticks=self._ticks,
            drive_s=drive_s,
            wall_s=time.perf_counter() - self._wall_start_s,
            policy=self._policy,
            odometry_ticks=dict(self._odometry),
            compression=self._compression(drive_s),
            resolution=clip_resolution(self._clip, self._budget),
            gaze=GazeSummary(
                patches=_by_camera(self._patches),
                swept_share=self._swept / max(1, int(self._patches.sum())),
                oldest_block_ticks=self._oldest_ticks,
                sweep_bound_ticks=self._sweep_ticks,
                blocks_never_read=_by_camera(self._never_read),
                fine_share=None if self._budget.fovea is None else self._fine / max(1, int(self._patches.sum())),
            ),
            keyframes=KeyframeSummary(
                per_second={
                    name: round(count / drive_s, 3) if drive_s else 0.0
                    for name, count in _by_camera(self._all_keyframes).items()
                },
                count=_by_camera(self._all_keyframes),
                reasons={reason: _by_camera(counts) for reason, counts in zip(REASONS, self._keyframes, strict=True)},
            ),
            memory=MemorySummary(commits=self._commits, slots_filled=self._memory_slots),
            event_to_gaze=EventToGaze(blocks=self._block_latency.summary(), keyframes=self._keyframe_latency.summary()),
            compress_ms=time_percentiles(compress_ms) if len(compress_ms) else None,
            mosaic=self.mosaic,
            cameras=sync_summary(self._sync),
        )

    def _compression(self, drive_s: float) -> RecordingCompression:
        budget = self._budget
        return RecordingCompression(
            **msgspec.structs.asdict(budget_metrics(budget, self._clip.sizes_px)),
            bytes_in_per_second=round(self._bytes_in / drive_s) if drive_s else None,
            bytes_out_per_second=round(budget.input_bytes * RATE_HZ),
        )

    def _add_thumbnails(self, frame_set: FrameSet) -> None:
        for index, name in enumerate(CAMERAS):
            frame = frame_set.frames[index]
            if name not in self.thumbnails and frame is not None and frame_set.is_valid[index]:
                buffer = io.BytesIO()
                rgb_image(frame, _THUMBNAIL_PX).save(buffer, "jpeg", quality=84)
                self.thumbnails[name] = buffer.getvalue()


def _by_camera(counts: np.ndarray) -> dict[str, int]:
    return dict(zip(CAMERAS, counts.tolist(), strict=True))
