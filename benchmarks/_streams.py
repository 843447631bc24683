"""Eight 1280x960 H.264 recordings at 36 Hz as a native clip, made on first use and kept in the temporary directory."""

import sys
import tempfile
from pathlib import Path

import av
import numpy as np

from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.frames import CAMERAS, TICK_S
from fsd.data.standard_rigs import canonical_rig

sys.path.append(str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder off the path
from ingest import HEIGHT_PX, STREAMS, WIDTH_PX, texture

RATE_CONTROL = {"b": "8000000", "maxrate": "10000000", "bufsize": "8000000", "threads": "1"}
SPEED_MPS = 10.0


def native_clip(kind: str, frames: int) -> Path:
    """A clip of `frames` ticks at 8 Mbit/s per camera: `plain` x264, or `fastdecode` (no B-frames, no deblocking)."""
    folder = Path(tempfile.gettempdir()) / f"fsd-native-{kind}-{WIDTH_PX}x{HEIGHT_PX}-{frames}"
    if (folder / "complete").exists():
        return folder
    if folder.exists():
        raise SystemExit(f"{folder} is incomplete: an earlier run was interrupted. Remove it and run again.")
    print(f"making {kind} streams of {frames} frames …", flush=True)
    scenes = [_Scene(seed) for seed in range(2)]
    with ClipWriter(folder, canonical_rig(WIDTH_PX, HEIGHT_PX), options=STREAMS[kind] | RATE_CONTROL) as writer:
        for tick in range(frames):
            images = [scene.luma(tick) for scene in scenes]
            ego = {"x": SPEED_MPS * tick * TICK_S, "y": 0.0, "z": 0.0, "qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0}
            ego |= {"v_mps": SPEED_MPS, "yaw_rate_rps": 0.0}
            frames_now = [_frame(images[camera % len(scenes)]) for camera in range(len(CAMERAS))]
            writer.write(frames_now, tick_time_ns(tick), ego=ego, command="straight")
    (folder / "complete").touch()
    return folder


class _Scene:
    """Two textured layers that move at different speeds, and sensor noise."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._far = texture(rng, 3 * WIDTH_PX, HEIGHT_PX)
        self._near = texture(rng, 6 * WIDTH_PX, HEIGHT_PX // 3)
        self._noise = rng.normal(0, 1.5, (8, HEIGHT_PX, WIDTH_PX)).astype(np.int16)

    def luma(self, tick: int) -> np.ndarray:
        """(960, 1280) uint8 at a tick."""
        image = self._far[:, 5 * tick % (2 * WIDTH_PX) :][:, :WIDTH_PX].copy()
        image[-self._near.shape[0] :] = self._near[:, 17 * tick % (5 * WIDTH_PX) :][:, :WIDTH_PX]
        return np.clip(image + self._noise[tick % len(self._noise)], 16, 235).astype(np.uint8)


def _frame(luma: np.ndarray) -> av.VideoFrame:
    frame = av.VideoFrame(WIDTH_PX, HEIGHT_PX, "yuv420p")
    images = (luma, luma[::2, ::2] // 4 + 96, luma[1::2, 1::2] // 4 + 96)
    for plane, image in zip(frame.planes, images, strict=True):
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : image.shape[1]] = image
    return frame
