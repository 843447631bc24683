"""One tick in, one `CompressedTick` of fixed size out: the same every time, whatever the cameras show."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsd.compression.budget import BUDGETS, Budget
from fsd.compression.compressor import Compressor
from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.errors import ClipError, ClockError
from fsd.data.frames import Frame, FrameSet
from fsd.data.rig import Rig
from fsd.data.standard_rigs import canonical_rig

RIG = canonical_rig(320, 240)
EGO = EgoSample(10.0, 0.05)


def copied(tick: CompressedTick) -> dict[str, Any]:
    values = {field.name: getattr(tick, field.name) for field in fields(tick)}
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in values.items()}


def run(frame_sets: list[FrameSet], budget: Budget = BUDGETS["B100"], ego: EgoSample | None = EGO) -> list[dict]:
    compressor = Compressor(RIG, budget)
    return [copied(compressor.step(frame_set, ego, None)) for frame_set in frame_sets]


def assert_same(a: list[dict], b: list[dict]) -> None:
    for one, other in zip(a, b, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture(scope="module")
def noisy_drive(made: Any) -> list[FrameSet]:
    return made.drive(12, lambda tick, camera: made.noise_picture(240, 320, seed=8 * tick + camera))


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=list(BUDGETS))
def test_shapes_and_types_are_those_of_the_contract(noisy_drive: list[FrameSet], budget: Budget) -> None:
    out = run(noisy_drive[:1], budget)[0]
    k, base = budget.patch_count, (budget.base_height_px // 2, budget.base_width_px // 2)
    expected = {
        "retina": ((8, 6, *base), np.uint8),
        "retina_meta": ((8, 12, 8), np.float32),
        "patches": ((k, 6, 16, 16), np.uint8),
        "patch_meta": ((k, 8), np.float32),
        "patch_camera": ((k,), np.int16),
        "patch_block": ((k,), np.int16),
        "camera_valid": ((8,), np.float32),
        "camera_age_s": ((8,), np.float32),
        "memory_pose": ((112, 6), np.float32),
        "memory_valid": ((112,), np.float32),
        "commit_slots": ((4,), np.int16),
        "is_keyframe": ((8,), np.bool_),
    }
    assert {name: (out[name].shape, out[name].dtype) for name in expected} == expected


def test_the_same_drive_gives_the_same_bytes(noisy_drive: list[FrameSet]) -> None:
    assert_same(run(noisy_drive), run(noisy_drive))


def test_reset_forgets_everything(noisy_drive: list[FrameSet]) -> None:
    compressor = Compressor(RIG, BUDGETS["B100"])
    first = [copied(compressor.step(frame_set, EGO, None)) for frame_set in noisy_drive]
    compressor.reset()
    assert_same(first, [copied(compressor.step(frame_set, EGO, None)) for frame_set in noisy_drive])


def test_the_future_changes_nothing(noisy_drive: list[FrameSet]) -> None:
    assert_same(run(noisy_drive)[:7], run(noisy_drive[:7]))


def test_a_patch_says_where_it_looks(noisy_drive: list[FrameSet]) -> None:
    compressor = Compressor(RIG, BUDGETS["B100"])
    out = compressor.step(noisy_drive[0], EGO, None)
    rows = compressor.token_rays.block_meta[out.patch_camera, out.patch_block]
    np.testing.assert_array_equal(out.patch_meta[:, :6], rows[:, :6])
    np.testing.assert_array_equal(out.patch_meta[:, 0], out.patch_camera)
    assert (out.patch_meta[:, 7] == 1).all()


def test_a_missing_camera_is_grey_and_masked(made: Any) -> None:
    frames = [made.noise_picture(240, 320, seed=camera) for camera in range(8)]
    frames[2] = None
    out = run([made.frame_set(0, frames)])[0]
    assert (out["retina"][2] == 128).all()
    assert out["camera_valid"].tolist() == [1, 1, 0, 1, 1, 1, 1, 1]
    assert not out["retina_meta"][2, :, 6:].any()
    assert 2 not in out["patch_camera"]


def test_a_camera_that_the_rig_does_not_describe_counts_as_missing(noisy_drive: list[FrameSet]) -> None:
    compressor = Compressor(Rig(name="one", cameras=RIG.cameras[:1]), BUDGETS["B100"])
    out = compressor.step(noisy_drive[0], EGO, None)
    assert out.camera_valid.tolist() == [1] + [0] * 7
    assert set(out.patch_camera.tolist()) == {0}


def test_without_any_camera_the_tick_is_empty_but_whole(made: Any) -> None:
    out = run([made.frame_set(0, [None] * 8)])[0]
    assert (out["retina"] == 128).all()
    assert (out["patches"] == 128).all()
    assert (out["patch_camera"] == -1).all()
    assert not out["patch_meta"].any()
    assert not out["is_keyframe"].any()


def test_frames_of_different_and_changing_sizes_work(made: Any) -> None:
    sizes = [(240, 320), (241, 323), (90, 400), (37, 53)]
    frame_sets = made.drive(3, lambda tick, camera: made.noise_picture(*sizes[(camera + tick) % 4], seed=camera))
    assert all((out["patch_camera"] >= 0).all() for out in run(frame_sets))


def test_age_of_a_late_camera_reaches_its_tokens(made: Any) -> None:
    late = made.frame_set(0, [made.noise_picture(240, 320)] * 8)
    late.age_ns[1] = 50_000_000
    out = run([late])[0]
    assert out["camera_age_s"][1] == pytest.approx(0.05)
    assert (out["retina_meta"][1, :, 6] == out["camera_age_s"][1]).all()
    is_late = out["patch_camera"] == 1
    assert is_late.any()
    np.testing.assert_allclose(out["patch_meta"][:, 6], 0.05 * is_late)


def test_it_says_where_motion_came_from(noisy_drive: list[FrameSet]) -> None:
    compressor = Compressor(RIG, BUDGETS["B100"])
    compressor.step(noisy_drive[0], EGO, None)
    assert compressor.odometry == "ego"
    for frame_set in noisy_drive[1:6]:
        compressor.step(frame_set, None, None)
    assert compressor.odometry == "image"
    compressor.reset()
    compressor.step(noisy_drive[0], None, None)  # one picture shows no motion
    assert compressor.odometry == "none"


def test_ticks_out_of_order_are_refused(noisy_drive: list[FrameSet]) -> None:
    compressor = Compressor(RIG, BUDGETS["B100"])
    compressor.step(noisy_drive[1], None, None)
    with pytest.raises(ClockError, match="reset"):
        compressor.step(noisy_drive[0], None, None)


def test_planes_that_do_not_fit_each_other_are_refused(made: Any) -> None:
    good = made.noise_picture(240, 320)
    bad = Frame(good.y_plane, good.u_plane[:-1], good.v_plane, 0, 0)
    with pytest.raises(ClipError, match=r"front_main.*u_plane"):
        run([made.frame_set(0, [bad] + [None] * 7)])


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_comes_the_size_stays(made: Any, data: st.DataObject) -> None:
    levels = {"noise": None, "black": 0, "white": 255, "missing": -1}
    kinds = st.lists(st.sampled_from(sorted(levels)), min_size=8, max_size=8)

    def show(tick: int, kind: str) -> Frame | None:
        if kind == "missing":
            return None
        if kind == "noise":
            return made.noise_picture(60, 80, seed=tick)
        return made.picture(np.full((60, 80), levels[kind], np.uint8))

    script = data.draw(st.lists(kinds, min_size=1, max_size=12))
    frame_sets = [made.frame_set(tick, [show(tick, kind) for kind in line]) for tick, line in enumerate(script)]
    for frame_set, out in zip(frame_sets, run(frame_sets), strict=True):
        used = out["patch_camera"] >= 0
        assert used.sum() == min(58, 300 * int(frame_set.is_valid.sum()))
        assert frame_set.is_valid[out["patch_camera"][used]].all()
        assert out["memory_valid"].sum() <= 112
        assert np.isfinite(out["memory_pose"]).all()
