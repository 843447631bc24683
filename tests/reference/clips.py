"""Two small clips whose pictures are the same bytes on every machine: lossless video of generated textures."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fsd.data.clock import tick_time_ns
from fsd.data.frames import CAMERAS
from fsd.data.rig import save_rig
from fsd.data.standard_rigs import canonical_rig

ONE_CAMERA_PX, EIGHT_CAMERAS_PX = (640, 480), (320, 240)
PICTURES = 54


def one_camera_without_ego(folder: Path) -> Path:
    """A plain folder with one dash-cam video at 30 Hz: no rig, no ego motion, no timestamps."""
    folder.mkdir()
    pictures = [_picture(*ONE_CAMERA_PX, seed=1, shift_px=3 * k) for k in range(PICTURES)]
    _write_lossless(folder / "front_main.mkv", pictures, [Fraction(k, 30) for k in range(PICTURES)])
    return folder


def eight_cameras_with_drops(folder: Path) -> Path:
    """A native clip: each camera loses other pictures, the rear one ends early, a side one is black for a while."""
    folder.mkdir()
    width_px, height_px = EIGHT_CAMERAS_PX
    save_rig(canonical_rig(width_px, height_px), folder / "rig.json")
    for index, name in enumerate(CAMERAS):
        kept = [k for k in range(PICTURES) if (7 * k + 5 * index) % 11 and (name != "rear" or k < 30)]
        pictures = [_picture(width_px, height_px, seed=10 + index, shift_px=2 * k) for k in kept]
        if name == "left_pillar":
            pictures[10:20] = [np.full_like(pictures[0], 16)] * 10
        times_ns = [tick_time_ns(k) + 400_000 * index for k in kept]
        _write_lossless(folder / f"{name}.mkv", pictures, [Fraction(k, 36) for k in kept])
        table = {"frame_index": pa.array(range(len(kept)), pa.int32()), "t_ns": pa.array(times_ns, pa.int64())}
        pq.write_table(pa.table(table), folder / f"{name}.timestamps.parquet")
    _write_ego(folder)
    return folder


def _picture(width_px: int, height_px: int, seed: int, shift_px: int) -> np.ndarray:
    """(H, W) uint8: coarse blocks that move left, and a bright square that moves right."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 160, (height_px // 20, width_px // 20 + 20), dtype=np.uint8)
    texture = np.kron(coarse, np.ones((20, 20), np.uint8))
    picture = np.ascontiguousarray(texture[:, shift_px : shift_px + width_px])
    left_px = (width_px // 4 + 2 * shift_px) % (width_px - 40)
    picture[height_px // 2 : height_px // 2 + 40, left_px : left_px + 40] = 230
    return picture


def _write_lossless(path: Path, pictures: list[np.ndarray], times_s: list[Fraction]) -> None:
    time_base = Fraction(1, 1000)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", options={"threads": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt, stream.time_base = "yuv420p", time_base
        stream.codec_context.time_base = time_base
        for picture, time_s in zip(pictures, times_s, strict=True):
            chroma = np.full((picture.shape[0] // 2, picture.shape[1]), 128, np.uint8)
            frame = av.VideoFrame.from_ndarray(np.concatenate([picture, chroma]), format="yuv420p")
            frame.pts, frame.time_base = round(time_s / time_base), time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _write_ego(folder: Path) -> None:
    """A gentle left turn at 8 m/s, and a change of command halfway."""
    ticks = np.arange(PICTURES)
    times_ns = [tick_time_ns(k) for k in range(PICTURES)]
    yaw_rad = 0.1 * ticks / 36
    zeros = np.zeros(PICTURES)
    pq.write_table(
        pa.table(
            {
                "t_ns": pa.array(times_ns, pa.int64()),
                "x": np.cumsum(8 * np.cos(yaw_rad)) / 36,
                "y": np.cumsum(8 * np.sin(yaw_rad)) / 36,
                "z": zeros,
                "qw": np.cos(yaw_rad / 2),
                "qx": zeros,
                "qy": zeros,
                "qz": np.sin(yaw_rad / 2),
                "v_mps": zeros + 8,
                "yaw_rate_rps": zeros + 0.1,
            }
        ),
        folder / "ego.parquet",
    )
    commands = {"t_ns": pa.array([times_ns[0], times_ns[27]], pa.int64()), "command": ["straight", "left"]}
    pq.write_table(pa.table(commands), folder / "command.parquet")
