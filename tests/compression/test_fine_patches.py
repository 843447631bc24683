"""Fine patches: exact pixels of the right quarters, chosen by value, bounded, and only where there is more to see."""

from typing import Any

import numpy as np
import pytest

from fsd.compression.budget import FOVEATED_BUDGETS
from fsd.compression.fine_patches import FinePatches, fine_scores
from fsd.compression.gaze import Scene
from fsd.compression.sampling import PictureSampler
from fsd.compression.token_rays import TokenRays, quarter_meta
from fsd.data.frames import BLOCKS, CAMERAS, Frame
from fsd.data.standard_rigs import canonical_rig

RIG = canonical_rig()
RAYS = TokenRays(RIG)
F100 = FOVEATED_BUDGETS["F100"]
ALL = np.ones(8, bool)
NOTHING = np.zeros((8, 120, 160), np.uint8)


def cell(plane: np.ndarray, rows: int, columns: int, y: int, x: int) -> int:
    """The rounded mean of one cell of a grid over a plane, written as plainly as possible."""
    y0, x0 = y * plane.shape[0] // rows, x * plane.shape[1] // columns
    y1 = max(y0 + 1, (y + 1) * plane.shape[0] // rows)
    x1 = max(x0 + 1, (x + 1) * plane.shape[1] // columns)
    area = (y1 - y0) * (x1 - x0)
    return (int(plane[y0:y1, x0:x1].sum(dtype=np.int64)) + area // 2) // area


def expected_patch(frame: Frame, block: int, quarter: int) -> np.ndarray:
    row, column = 2 * (block // 20) + quarter // 2, 2 * (block % 20) + quarter % 2
    luma = np.array(
        [[cell(frame.y_plane, 960, 1280, 32 * row + y, 32 * column + x) for x in range(32)] for y in range(32)]
    )
    u, v = (
        np.array([[cell(plane, 480, 640, 16 * row + y, 16 * column + x) for x in range(16)] for y in range(16)])
        for plane in (frame.u_plane, frame.v_plane)
    )
    return np.stack([luma[0::2, 0::2], luma[0::2, 1::2], luma[1::2, 0::2], luma[1::2, 1::2], u, v]).astype(np.uint8)


PLACES = [(0, 0), (19, 1), (157, 2), (280, 2), (299, 3)]


@pytest.mark.parametrize(("height", "width"), [(960, 1280), (1080, 1920), (1876, 2896), (938, 1448), (800, 1000)])
def test_quarters_are_the_exact_area_means_of_their_pixels(made: Any, height: int, width: int) -> None:
    frame = made.noise_picture(height, width, seed=3, stride=9)
    blocks, quarters = (np.array([0, *column], np.int16) for column in zip(*PLACES, strict=True))
    patches = np.zeros((6, 6, 16, 16), np.uint8)
    PictureSampler(height, width, F100).read_quarters(frame, blocks, quarters, 1, 6, patches)
    for patch, place in zip(patches[1:], PLACES, strict=True):
        np.testing.assert_array_equal(patch, expected_patch(frame, *place))
    assert not patches[0].any()  # entry 0 belongs to another camera


def test_a_quarter_has_half_the_angle_of_its_block_and_lies_inside_it() -> None:
    quarters, index = quarter_meta(RIG).reshape(8, 15, 2, 20, 2, 8), CAMERAS.index("front_main")
    blocks = RAYS.block_meta[index].reshape(15, 20, 8)
    middle = quarters[index, 7, :, 10].reshape(4, 8)
    np.testing.assert_allclose(middle[:, 4:6], np.tile(blocks[7, 10, 4:6] / 2, (4, 1)), rtol=0.02)
    np.testing.assert_allclose(middle[:, 1:4].mean(axis=0), blocks[7, 10, 1:4], atol=1e-3)


def scores_by_numpy(
    fine: FinePatches, analysis: np.ndarray, saliency: np.ndarray, has_fine: np.ndarray, valid: np.ndarray, count: int
) -> np.ndarray:
    keys = []
    n = len(fine.places)
    for i, (camera, row, column) in enumerate(fine.places.tolist()):
        image = analysis[camera, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].astype(int)
        detail = np.abs(np.diff(image, axis=0)).sum() + np.abs(np.diff(image, axis=1)).sum()
        request = saliency[camera, row // 2, column // 2]
        wanted = request / (np.float32(1) + request) if np.isfinite(request) and request > 0 else np.float32(0)
        score = int(fine._prior[i]) * (min(2 * int(detail), 1024) + int(np.float32(1024) * wanted)) // 1024
        is_better = any(valid[other] and fine._better[i] >> other & 1 for other in range(8))
        score = score * (96 if is_better else 256) >> 8
        is_wanted = has_fine[camera] and score >= 64
        keys.append((score + 8 * ((count + 7 * i) % 32)) * n + i if is_wanted else -1)
    return np.array(keys)


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_a_plain_computation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fine = FinePatches(RIG, RAYS, 12)
    analysis = rng.integers(0, 256, NOTHING.shape, dtype=np.uint8) // (1 + 15 * seed)
    saliency = rng.normal(0, 3, (8, 15, 20)).astype(np.float32)
    saliency[0, ::3], saliency[2, ::4] = np.nan, np.inf
    valid = rng.random(8) < 0.8
    has_fine = valid & (rng.random(8) < 0.8)
    keys = np.empty(len(fine.places), np.int64)
    bits = sum(1 << camera for camera in range(8) if valid[camera])
    fine_scores(analysis, fine.places, fine._prior, fine._better, saliency, has_fine, bits, 40 + seed, keys)
    np.testing.assert_array_equal(keys, scores_by_numpy(fine, analysis, saliency, has_fine, valid, 40 + seed))


def choose(
    made: Any,
    analysis: np.ndarray = NOTHING,
    size: tuple[int, int] = (960, 1280),
    valid: np.ndarray = ALL,
    saliency: np.ndarray | None = None,
    most: int = 12,
) -> list[tuple[int, int, int]]:
    """Camera, row and column of the quarters that are chosen."""
    fine = FinePatches(RIG, RAYS, most)
    frames = [made.picture(np.zeros(size, np.uint8)) if is_valid else None for is_valid in valid]
    calm, no_surprise = np.zeros(8, bool), np.zeros((8, BLOCKS), np.int64)
    scene = Scene(5, analysis, valid, no_surprise, calm, np.zeros(2400, np.int64), 0.0, saliency)
    return [tuple(place) for place in fine.places[fine.choose(scene, frames)].tolist()]


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, NOTHING.shape, dtype=np.uint8)


def test_their_number_is_bounded_and_only_front_cameras_have_them(made: Any) -> None:
    chosen = choose(made, noise(), saliency=np.full((8, 15, 20), 50, np.float32))
    assert len(chosen) == 12
    assert all(CAMERAS[camera].startswith("front") for camera, _, _ in chosen)
    assert not choose(made, noise(), most=0)


def test_a_flat_picture_that_nobody_asks_about_has_none(made: Any) -> None:
    assert not choose(made)


def test_a_small_light_far_ahead_is_seen_finely(made: Any) -> None:
    main = CAMERAS.index("front_main")
    analysis = NOTHING.copy()
    analysis[main, 50, 90] = 200  # one pixel of the analysis image, above the horizon
    assert choose(made, analysis) == [(main, 12, 22)]


def test_what_the_network_asks_for_is_seen_finely(made: Any) -> None:
    saliency = np.zeros((8, 15, 20), np.float32)
    saliency[0, 6, 12] = 50
    assert choose(made, saliency=saliency) == [(0, 12, 24), (0, 12, 25), (0, 13, 24), (0, 13, 25)]


@pytest.mark.parametrize("wish", [np.nan, np.inf, -np.inf, 1e38])
def test_a_mad_network_gets_no_fine_patches(made: Any, wish: float) -> None:
    assert not choose(made, saliency=np.full((8, 15, 20), wish, np.float32))


def test_pictures_of_640x480_have_nothing_finer(made: Any) -> None:
    assert not choose(made, noise(), size=(480, 640))
    assert choose(made, noise(), size=(938, 1448))


def test_cameras_that_are_absent_or_not_in_the_rig_have_none(made: Any) -> None:
    valid = np.arange(8) != CAMERAS.index("front_narrow")
    chosen = choose(made, noise(), valid=valid)
    assert len(chosen) == 12
    assert {camera for camera, _, _ in chosen} == {0, 1} or {camera for camera, _, _ in chosen} == {0}
    assert not choose(made, noise(), valid=np.arange(8) >= 3)
