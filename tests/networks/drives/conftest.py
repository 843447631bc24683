"""Small recorded drives on disk, for data sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.rig import Rig
from fsd.data.standard_rigs import canonical_rig

WIDTH_PX, HEIGHT_PX = 128, 96


def yaw_rates(ticks: int, seed: int = 3) -> np.ndarray:
    """(T,) of a road that winds without repeating, rad/s."""
    noise = np.random.default_rng(seed).normal(0, 0.35, ticks + 40)
    return np.convolve(noise, np.hanning(31) / np.hanning(31).sum(), "same")[20:-20]


def write_drive(
    path: Path,
    ticks: int = 60,
    seed: int = 3,
    ego_late_ms: float = 0.0,
    speed_mps: float = 8.0,
    speed_factor: float = 1.0,
    rate_factor: float = 1.0,
    is_simulated: bool = False,
    has_poses: bool = True,
) -> Path:
    """A clip of one camera that pans over a panorama as the car turns, with ego motion.

    Args:
        ego_late_ms: added to the time stamps of the ego motion; speed_factor, rate_factor: of the stated speed and
            yaw rate.
    """
    rig = canonical_rig(WIDTH_PX, HEIGHT_PX)
    camera = rig.camera("front_main")
    assert camera is not None
    focal_px = camera.intrinsics.fx_px  # type: ignore[union-attr]
    rng = np.random.default_rng(seed)
    panorama = np.repeat(np.repeat(rng.integers(30, 220, (24, 200)), 4, 0), 4, 1).astype(np.uint8)
    rates = yaw_rates(ticks, seed)
    yaw_rad = np.cumsum(rates) / 36
    x_m, y_m = np.cumsum(speed_mps * np.cos(yaw_rad)) / 36, np.cumsum(speed_mps * np.sin(yaw_rad)) / 36
    with ClipWriter(path, Rig(name="one camera", cameras=(camera,), is_simulated=is_simulated)) as writer:
        for tick in range(ticks):
            shift = round(focal_px * yaw_rad[tick])
            image = np.roll(panorama, shift, axis=1)[:, 300 : 300 + WIDTH_PX, None].repeat(3, axis=2)
            ego = {"v_mps": speed_mps * speed_factor, "yaw_rate_rps": rates[tick] * rate_factor}
            if has_poses:
                half = yaw_rad[tick] / 2
                ego |= {"x": x_m[tick], "y": y_m[tick], "z": 0.0, "qw": np.cos(half), "qx": 0, "qy": 0}
                ego |= {"qz": np.sin(half)}
            writer.write([image], tick_time_ns(tick), ego=ego, command="straight")
    if ego_late_ms:
        _delay(path / "ego.parquet", round(ego_late_ms * 1e6))
    return path


def _delay(path: Path, by_ns: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    index = table.column_names.index("t_ns")
    pq.write_table(table.set_column(index, "t_ns", pa.array(np.asarray(table["t_ns"]) + by_ns)), path)


@pytest.fixture(scope="session")
def make_drive() -> Callable[..., Path]:
    """`write_drive`, for tests that cannot import it."""
    return write_drive
