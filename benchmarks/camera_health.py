"""What camera health costs per tick: the samples of eight new pictures, and every detector.

CPU time of one thread on pictures of a textured street that moves; the last line is JSON.

    python benchmarks/camera_health.py
"""

import json
import time
from collections import defaultdict

import numpy as np

from fsd.data.camera_health.monitor import CameraMonitor
from fsd.data.camera_health.sampler import sample_of
from fsd.data.clock import tick_time_ns
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, TICK_MS, Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig

WIDTH_PX, HEIGHT_PX = 1280, 960
WARM_UP_TICKS, TICKS = 36, 360
STEP_PX = 32


def street(seed: int) -> np.ndarray:
    """(H, 2 W) uint8 with smooth texture."""
    coarse = np.random.default_rng(seed).integers(40, 200, (HEIGHT_PX // 16, 2 * WIDTH_PX // 16)).astype(np.float32)
    fine = coarse.repeat(16, axis=0).repeat(16, axis=1)
    for axis in (0, 1):
        fine = np.mean([np.roll(fine, shift, axis) for shift in range(-8, 8)], axis=0)
    return fine.astype(np.uint8)


def frame_sets(streets: list[np.ndarray]) -> "list[FrameSet]":
    """One for every tick; the planes are views, as a decoder's are."""
    chroma = np.full((HEIGHT_PX // 2, WIDTH_PX // 2), 128, np.uint8)
    found = []
    for tick in range(WARM_UP_TICKS + TICKS):
        left = tick * STEP_PX % WIDTH_PX
        frames = tuple(
            Frame(luma[:, left : left + WIDTH_PX], chroma, chroma, tick_time_ns(tick), tick) for luma in streets
        )
        valid = np.ones(len(CAMERAS), np.bool_)
        found.append(FrameSet(tick, tick_time_ns(tick), frames, np.zeros(len(CAMERAS), np.int64), valid, valid.copy()))
    return found


def main() -> None:
    """Measure and print."""
    monitor, ego = CameraMonitor(canonical_rig(WIDTH_PX, HEIGHT_PX)), EgoSample(10.0, 0.0)
    times_ms: dict[str, list[float]] = defaultdict(list)
    for frame_set in frame_sets([street(camera) for camera in range(len(CAMERAS))]):
        start_ns = time.thread_time_ns()
        samples = [sample_of(frame.y_plane, frame.u_plane, frame.v_plane) for frame in frame_set.frames if frame]
        sampled_ns = time.thread_time_ns()
        frames = tuple(
            Frame(f.y_plane, f.u_plane, f.v_plane, f.timestamp_ns, f.index, sample=sample)
            for f, sample in zip(frame_set.frames, samples, strict=True)
            if f
        )
        sampled = FrameSet(
            frame_set.tick, frame_set.timestamp_ns, frames, frame_set.age_ns, frame_set.is_valid, frame_set.is_new
        )
        step_ns = time.thread_time_ns()
        monitor.step(sampled, ego)
        done_ns = time.thread_time_ns()
        if frame_set.tick >= WARM_UP_TICKS:
            times_ms["samples"].append((sampled_ns - start_ns) / 1e6)
            times_ms["monitor"].append((done_ns - step_ns) / 1e6)
    summary = {}
    for name, values in times_ms.items():
        p50, p99 = np.percentile(values, (50, 99))
        print(f"{name:8} p50 {p50:.3f} ms, p99 {p99:.3f} ms, {p50 / TICK_MS:.2%} of a tick (n = {len(values)})")
        summary[name] = {"p50_ms": round(float(p50), 4), "p99_ms": round(float(p99), 4), "samples": len(values)}
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
