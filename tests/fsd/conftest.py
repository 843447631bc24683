"""A small eight-camera clip, made once: a bright square that moves right over a dark, textured ground."""

from pathlib import Path

import numpy as np
import pytest

from fsd.data.clip_writer import ClipWriter
from fsd.data.clock import tick_time_ns
from fsd.data.rig import canonical_rig

CLIP_TICKS = 40


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "small"
    texture = np.random.default_rng(0).integers(40, 90, (96, 128, 3), dtype=np.uint8)
    with ClipWriter(folder, canonical_rig(128, 96)) as writer:
        for tick in range(CLIP_TICKS):
            image = texture.copy()
            image[30:60, tick : tick + 30] = 220
            x_m = 10.0 * tick / 36
            ego = {"x": x_m, "y": 0.0, "z": 0.0, "qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0}
            ego |= {"v_mps": 10.0, "yaw_rate_rps": 0.0}
            writer.write([image] * 8, tick_time_ns(0, tick), ego=ego, command="straight")
    return folder
