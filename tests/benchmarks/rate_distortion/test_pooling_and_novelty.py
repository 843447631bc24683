"""Token pooling covers every block once; the novelty detector ignores what motion and exposure explain."""

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS, Budget
from fsd.compression.compressor import Compressor
from fsd.compression.token_rays import TokenRays
from fsd.data.frames import Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig
from rate_distortion.novelty import NoveltyDetector, NoveltyRecall
from rate_distortion.pooling import PoolingCompressor, rectangle_meta
from rate_distortion.recordings import given_luma, unpacked_luma

RIG = canonical_rig(640, 480)
TICK_NS = 27_777_778


def images(tick: int, lumas: list[np.ndarray]) -> FrameSet:
    grey = np.full((lumas[0].shape[0] // 2, lumas[0].shape[1] // 2), 128, np.uint8)
    frames = tuple(Frame(luma, grey, grey, tick * TICK_NS, tick) for luma in lumas)
    everywhere = np.ones(8, bool)
    return FrameSet(tick, tick * TICK_NS, frames, np.zeros(8, np.int64), everywhere, everywhere)


@pytest.fixture(scope="module")
def scene() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(20, 230, (8, 30, 40), dtype=np.uint8)
    return [np.ascontiguousarray(np.kron(image, np.ones((16, 16), np.uint8))) for image in coarse]


@pytest.mark.parametrize("patches", [8, 10, 58, 234])
def test_rectangles_cover_every_block_of_every_camera_once(scene: list[np.ndarray], patches: int) -> None:
    pooling = PoolingCompressor(RIG, Budget("pooled", 60, 80, patches))
    tick = pooling.step(images(0, scene), None, None)
    covered = np.zeros((8, 15, 20), int)
    for camera, (top, bottom, left, right) in pooling.rectangles:
        covered[camera, top:bottom, left:right] += 1
    assert (covered == 1).all()
    assert len(pooling.rectangles) == patches == (tick.patch_meta[:, 7] == 1).sum()


def test_a_rectangle_of_one_block_is_the_patch_of_the_compressor(scene: list[np.ndarray]) -> None:
    budget = Budget("all", 60, 80, 2400)
    pooled = PoolingCompressor(RIG, budget).step(images(0, scene), None, None)
    sent = Compressor(RIG, budget).step(images(0, scene), None, None)
    order = np.lexsort((pooled.patch_block, pooled.patch_camera))
    assert np.array_equal(pooled.patches[order], sent.patches)
    np.testing.assert_allclose(pooled.patch_meta[order], sent.patch_meta, atol=1e-6)


def test_a_whole_image_as_one_rectangle_is_as_wide_as_the_camera() -> None:
    camera = RIG.camera("front_main")
    assert camera is not None
    row = rectangle_meta(camera, 0, (0, 15, 0, 20))
    assert np.degrees(row[4]) == pytest.approx(50.0, abs=0.2)
    assert row[1:4] == pytest.approx(TokenRays(RIG).block_meta[0, [149, 150], 1:4].mean(axis=0), abs=0.05)


def test_small_rectangles_go_to_detailed_images(scene: list[np.ndarray]) -> None:
    flat = [np.full_like(image, 100) for image in scene]
    flat[3] = scene[3]
    pooling = PoolingCompressor(RIG, BUDGETS["B100"])
    pooling.step(images(0, flat), None, None)
    assert sum(camera == 3 for camera, _ in pooling.rectangles) == 58 - 7


def test_the_input_equals_the_image_where_a_patch_is(scene: list[np.ndarray]) -> None:
    compressor = Compressor(RIG, BUDGETS["B100"])
    tick = compressor.step(images(0, scene), None, None)
    place = int(np.flatnonzero(tick.patch_camera == 0)[0])
    top, left = (32 * part for part in divmod(int(tick.patch_block[place]), 20))
    given = given_luma(tick, 0)
    assert np.array_equal(given[top : top + 32, left : left + 32], scene[0][top : top + 32, left : left + 32])
    assert unpacked_luma(tick.retina[0]).shape == (60, 80)


def test_motion_and_exposure_are_not_novel_and_a_new_object_is() -> None:
    rng = np.random.default_rng(1)
    wide = np.kron(rng.integers(40, 160, (60, 100), dtype=np.uint8), np.ones((8, 8), np.uint8))
    detector = NoveltyDetector()
    found = []
    for tick in range(10):
        shift = 4 * tick  # analysis pixels are four of these
        luma = wide[:480, shift : shift + 640].copy() + np.uint8(2 * tick)
        if tick >= 8:
            luma[200:264, 320:384] = rng.integers(0, 256, (64, 64), dtype=np.uint8) // 128 * 250
        found.append(detector.find(images(tick, [luma] * 8)).reshape(8, 15, 20))
    inner = np.s_[:, 2:-2, 3:-3]  # new content enters at the edges
    assert not any(novel[inner].any() for novel in found[:8])
    assert found[8][0, 7, 11]


def test_a_novel_block_is_counted_once_and_recalled_in_time_or_not() -> None:
    recall = NoveltyRecall(policies=3, blocks=4)
    is_novel = np.array([True, False, False, False])
    nothing = np.full(4, -1)
    for tick in range(12):
        at_once = np.where(is_novel, tick, -1)
        late = np.array([5, -1, -1, -1]) if tick == 5 else nothing
        stale = np.array([-1, -1, -1, -1]) if tick < 11 else np.array([11, -1, -1, -1])
        recall.step(tick, is_novel & (tick < 3), np.stack([at_once, late, stale]))
    assert recall.novel_blocks == 1
    assert recall.metrics(0) == {"novelty_recall_same_tick": 1.0, "novelty_recall": 1.0}
    assert recall.metrics(1) == {"novelty_recall_same_tick": 0.0, "novelty_recall": 1.0}
    assert recall.metrics(2) == {"novelty_recall_same_tick": 0.0, "novelty_recall": 0.0}
