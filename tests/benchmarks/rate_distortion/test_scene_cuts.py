"""PySceneDetect as a frame selection: a cut shows a new image; otherwise the old one is held at its true age."""

import numpy as np
import pytest

from fsd.data.frames import Frame, FrameSet
from rate_distortion.scene_cuts import PySceneCuts, has_pyscenedetect

TICK_NS = 27_777_778


def tick_of(tick: int, seed: int, height: int = 120, width: int = 160) -> FrameSet:
    """Eight cameras that all show the same noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(16, 235, (height // 8, width // 8), dtype=np.uint8)
    luma = np.kron(coarse, np.ones((8, 8), np.uint8))
    u, v = (rng.integers(60, 200, (height // 2, width // 2), dtype=np.uint8) for _ in range(2))
    frame = Frame(luma, u, v, tick * TICK_NS, tick)
    everywhere = np.ones(8, bool)
    return FrameSet(tick, tick * TICK_NS, (frame,) * 8, np.zeros(8, np.int64), everywhere, everywhere.copy())


@pytest.mark.skipif(not has_pyscenedetect(), reason="PySceneDetect is not installed; it is optional")
@pytest.mark.parametrize(("height", "width"), [(120, 160), (480, 640), (720, 1280)])
def test_a_cut_shows_a_new_image_and_others_are_held(height: int, width: int) -> None:
    cuts = PySceneCuts()
    shown = [cuts.select(tick_of(tick, seed=int(tick >= 30), height=height, width=width)) for tick in range(45)]
    first = [frame_set.frames[0] for frame_set in shown]
    changes = [tick for tick in range(1, 45) if first[tick] is not first[tick - 1]]
    assert changes == [30]
    assert shown[29].age_ns[0] == 29 * TICK_NS
    assert shown[30].age_ns[0] == 0
    assert not shown[29].is_new.any()
