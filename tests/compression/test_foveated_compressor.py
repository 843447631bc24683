"""The compressor at foveated budgets: two retinas, fine patches, surprise in the rows, always of the same shapes."""

from dataclasses import fields
from typing import Any

import msgspec
import numpy as np
import pytest

from fsd.compression.budget import BUDGETS, FOVEATED_BUDGETS, Budget
from fsd.compression.compressor import Compressor
from fsd.compression.policies import make_policy
from fsd.compression.tick import SURPRISE, CompressedTick
from fsd.compression.token_rays import TokenRays, quarter_meta
from fsd.data.ego import EgoSample
from fsd.data.frames import CAMERAS, FrameSet
from fsd.data.standard_rigs import canonical_rig
from fsd.networks.contract import input_shapes

RIG = canonical_rig()
EGO = EgoSample(10.0, 0.05)
F100 = FOVEATED_BUDGETS["F100"]
B100, B400 = BUDGETS["B100"], BUDGETS["B400"]


def run(drive: list[FrameSet], budget: Budget = F100) -> list[CompressedTick]:
    compressor = Compressor(RIG, budget)
    saliency = np.random.default_rng(0).exponential(1.0, (8, 15, 20)).astype(np.float32)
    return [compressor.step(frame_set, EGO, saliency).copy() for frame_set in drive]


def assert_same(one: list[CompressedTick], other: list[CompressedTick]) -> None:
    for a, b in zip(one, other, strict=True):
        for field in fields(a):
            np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), err_msg=field.name)


@pytest.fixture(scope="module")
def drive(made: Any) -> list[FrameSet]:
    """Eight ticks of the reference size, some cameras missing at some ticks, the rear camera of 640x480."""
    pictures = [[made.noise_picture(960, 1280, seed=8 * k + c) for c in range(7)] for k in range(2)]
    rear = [made.noise_picture(480, 640, seed=k) for k in range(2)]

    def make(tick: int, camera: int) -> Any:
        if (tick, camera) in {(3, 2), (4, 2), (4, 0), (5, 6)}:
            return None
        return rear[tick % 2] if camera == 7 else pictures[tick % 2][camera]

    return made.drive(8, make)


@pytest.fixture(scope="module")
def ticks(drive: list[FrameSet]) -> list[CompressedTick]:
    return run(drive)


@pytest.mark.parametrize("budget", [*FOVEATED_BUDGETS.values(), F100.with_patches(10)], ids=lambda budget: budget.name)
def test_shapes_are_those_of_the_contract_whatever_is_missing(drive: list[FrameSet], budget: Budget) -> None:
    shapes = input_shapes(budget)
    assert shapes["retina"][0] == (5, 6, 30, 40)
    assert shapes["retina_outer"][0] == (3, 6, 15, 20)
    assert shapes["patch_meta"][0] == (budget.patch_slots, 9)
    for tick in run(drive[2:6], budget):
        for name in ("retina", "retina_outer", "retina_meta", "patches", "patch_meta", "camera_valid"):
            array = getattr(tick, name)
            assert (array.shape, str(array.dtype)) == shapes[name]
        assert tick.patch_quarter is not None
        assert tick.patch_quarter.shape == tick.patch_camera.shape == (budget.patch_slots,)


def test_every_base_image_is_that_of_its_size(drive: list[FrameSet], ticks: list[CompressedTick]) -> None:
    for fine, coarse, tick in zip(run(drive, B100), run(drive, B400), ticks, strict=True):
        for camera in range(8):
            expected = (fine if camera < 5 else coarse).retina[camera]
            np.testing.assert_array_equal(tick.base_image(camera), expected)


def test_whole_blocks_come_first_then_quarters_then_unused_rows(ticks: list[CompressedTick]) -> None:
    rays, quarters = TokenRays(RIG).block_meta, quarter_meta(RIG).reshape(8, 15, 2, 20, 2, 8)
    for tick in ticks:
        assert tick.patch_quarter is not None
        used, is_fine = tick.patch_camera >= 0, tick.patch_quarter >= 0
        kind = np.where(is_fine, 1, np.where(used, 0, 2))
        assert (np.diff(kind) >= 0).all()
        for which in (used & ~is_fine, is_fine):
            place = [*zip(tick.patch_camera[which], tick.patch_block[which], tick.patch_quarter[which], strict=True)]
            assert place == sorted(set(place))
        for i in np.flatnonzero(used):
            camera, (row, column) = tick.patch_camera[i], divmod(int(tick.patch_block[i]), 20)
            down, across = divmod(int(tick.patch_quarter[i]), 2)
            meta = quarters[camera, row, down, column, across] if is_fine[i] else rays[camera, row * 20 + column]
            np.testing.assert_array_equal(tick.patch_meta[i, :6], meta[:6])
            assert tick.patch_meta[i, 7] == 1
            assert tick.camera_valid[camera]
        assert 0 < is_fine.sum() <= 12
        assert (tick.patch_meta[~used, 0] == -1).all()
        assert not tick.patch_meta[~used, 1:].any()
        assert (tick.patches[~used] == 128).all()


def test_pixels_of_patches_are_those_of_the_picture(drive: list[FrameSet], ticks: list[CompressedTick]) -> None:
    tick, frames = ticks[-1], drive[-1].frames
    assert tick.patch_quarter is not None
    for i in np.flatnonzero(tick.patch_quarter >= 0):
        frame, (row, column) = frames[tick.patch_camera[i]], divmod(int(tick.patch_block[i]), 20)
        assert frame is not None
        top, left = 64 * row + 32 * (tick.patch_quarter[i] // 2), 64 * column + 32 * (tick.patch_quarter[i] % 2)
        luma = frame.y_plane[top : top + 32, left : left + 32]
        np.testing.assert_array_equal(tick.patches[i, 1], luma[::2, 1::2])
        np.testing.assert_array_equal(tick.patches[i, 5], frame.v_plane[top // 2 :, left // 2 :][:16, :16])
    whole = int(np.flatnonzero(tick.patch_camera == CAMERAS.index("left_pillar"))[0])
    frame, (row, column) = frames[3], divmod(int(tick.patch_block[whole]), 20)
    assert frame is not None
    block = frame.y_plane[64 * row : 64 * row + 64, 64 * column : 64 * column + 64].astype(int)
    mean = (block.reshape(32, 2, 32, 2).sum(axis=(1, 3)) + 2) // 4
    np.testing.assert_array_equal(tick.patches[whole, 0], mean[::2, ::2])


def test_rows_tell_the_surprise_of_their_block(street: Any, hazard: Any) -> None:
    compressor = Compressor(street.rig, F100)
    for count in range(14):
        boards = [hazard(20.0 + 0.3 * count, 0.5)] if count >= 12 else []
        frame_set = street.frame_set(count, (0.3 * count, 0.0, 0.0), boards, cameras=(0, 3), noise_seed=count)
        tick = compressor.step(frame_set, EgoSample(10.8, 0.0), None)
    surprise = compressor.telemetry().block_surprise.reshape(8, 300)
    used = tick.patch_camera >= 0
    expected = np.sqrt(surprise[tick.patch_camera[used], tick.patch_block[used]] / 4096).astype(np.float32)
    np.testing.assert_array_equal(tick.patch_meta[used, SURPRISE], expected)
    assert 0.125 < expected.max() < 1


def test_the_same_drive_gives_the_same_bytes(drive: list[FrameSet], ticks: list[CompressedTick]) -> None:
    compressor = Compressor(RIG, F100)
    for frame_set in drive[:3]:
        compressor.step(frame_set, EGO, np.ones((8, 15, 20), np.float32))
    compressor.reset()
    saliency = np.random.default_rng(0).exponential(1.0, (8, 15, 20)).astype(np.float32)
    assert_same(ticks, [compressor.step(frame_set, EGO, saliency).copy() for frame_set in drive])


def score_of_a_request(drive: list[FrameSet], budget: Budget) -> int:
    """What a request of 1 at every tick adds to the score of a block after these ticks."""
    scores = []
    for saliency in (np.ones((8, 15, 20), np.float32), None):
        compressor = Compressor(RIG, budget)
        for frame_set in drive:
            compressor.step(frame_set, EGO, saliency)
        scores.append(compressor.telemetry().block_score)
    return int((scores[0] - scores[1]).max())


def test_a_request_counts_fully_once_it_lasts(drive: list[FrameSet]) -> None:
    assert score_of_a_request(drive[:1], B100) == 400
    assert score_of_a_request(drive[:1], F100) == pytest.approx(200, abs=1)
    assert score_of_a_request(drive, F100) == pytest.approx(398, abs=1)  # 1 - 0.5^8 of 400


def test_the_future_changes_nothing(drive: list[FrameSet], ticks: list[CompressedTick]) -> None:
    assert_same(ticks[:5], run(drive[:5]))


def test_a_rig_of_one_camera_and_no_pictures_at_all(made: Any) -> None:
    empty = run(made.drive(2, lambda tick, camera: None))[-1]
    assert (empty.patch_camera == -1).all()
    assert empty.retina_outer is not None
    assert (empty.retina == 128).all()
    assert (empty.retina_outer == 128).all()
    rear = canonical_rig().cameras[7:]
    compressor = Compressor(msgspec.structs.replace(RIG, cameras=rear), F100)
    tick = compressor.step(made.frame_set(0, [made.noise_picture(960, 1280, seed=c) for c in range(8)]), EGO, None)
    assert {*tick.patch_camera.tolist()} == {7}
    assert (tick.base_image(7) != 128).any()


def test_a_fixed_fovea_at_the_same_retina_has_no_fine_patches(drive: list[FrameSet]) -> None:
    compressor = Compressor(RIG, F100, make_policy("fixed", RIG, F100))
    tick = compressor.step(drive[0], EGO, None)
    assert tick.patch_quarter is not None
    assert (tick.patch_quarter == -1).all()
    assert (tick.patch_camera >= 0).all()


def test_boxes_of_fine_patches_are_quarters_of_their_blocks(ticks: list[CompressedTick]) -> None:
    tick = ticks[-1]
    assert tick.patch_quarter is not None
    for camera in range(len(CAMERAS)):
        is_own = tick.patch_camera == camera
        boxes = tick.patch_boxes(camera)
        assert len(boxes) == is_own.sum()
        rows, columns = np.divmod(tick.patch_block[is_own], 20)
        assert np.array_equal(np.floor(boxes[:, :2]).astype(int), np.stack([columns, rows], axis=1))
        quarter = tick.patch_quarter[is_own]
        assert np.array_equal(boxes[:, 2], np.where(quarter >= 0, 0.5, 1.0))
        offset = (boxes[:, :2] % 1) @ [2, 4]  # right 0.5 is 1, down 0.5 is 2: the number of the quarter
        assert np.array_equal(offset, np.maximum(quarter, 0))
