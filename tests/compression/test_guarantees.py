"""What holds whatever the cameras show: causality, bounds, exact repetition, and calm under exposure and standstill."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsd.compression.budget import ALL_BUDGETS, BUDGETS
from fsd.compression.compressor import Compressor
from fsd.compression.keyframes import SURPRISE
from fsd.compression.tick import CompressedTick
from fsd.data.ego import EgoSample
from fsd.data.frames import Frame, FrameSet
from fsd.data.rig import Rig
from fsd.data.standard_rigs import canonical_rig

B100 = BUDGETS["B100"]
RIG = canonical_rig(80, 60)
SHOWS = ("noise", "strobe", "black", "white", "still", "repeat", "missing")
SLOW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def compress(rig: Rig, drive: Sequence[FrameSet], ego: EgoSample | None) -> list[CompressedTick]:
    """A drive at B100 without a network: every tick with arrays of its own."""
    compressor = Compressor(rig, B100)
    return [compressor.step(frame_set, ego, None).copy() for frame_set in drive]


def digest(ticks: list[CompressedTick]) -> str:
    """A hash of every byte of every array."""
    state = hashlib.blake2b()
    for tick in ticks:
        for field in fields(tick):
            value = getattr(tick, field.name)
            state.update(value.tobytes() if isinstance(value, np.ndarray) else str(value).encode())
    return state.hexdigest()


def show(made: Any, what: str, tick: int, camera: int, before: Frame | None) -> Frame | None:
    """One picture of one of the torments of `SHOWS`."""
    if what == "missing":
        return None
    if what == "repeat" and before is not None:
        return before
    if what == "noise":
        return made.noise_picture(60, 80, seed=1000 * tick + camera)
    level = {"black": 0, "white": 255, "strobe": 255 * (tick % 2)}.get(what)
    if level is None:
        return made.noise_picture(60, 80, seed=camera)
    return made.picture(np.full((60, 80), level, np.uint8), tick)


def torment(made: Any, script: list[list[str]]) -> list[FrameSet]:
    """A drive by script: what each of the eight cameras shows at each tick."""
    frames: list[Frame | None] = [None] * 8
    drive = []
    for tick, line in enumerate(script):
        frames = [show(made, what, tick, camera, frames[camera]) for camera, what in enumerate(line)]
        drive.append(made.frame_set(tick, frames))
    return drive


scripts = st.lists(st.lists(st.sampled_from(SHOWS), min_size=8, max_size=8), min_size=2, max_size=24)
egos = st.one_of(st.none(), st.builds(EgoSample, st.floats(-3, 50), st.floats(-1, 1)))


@SLOW
@given(script=scripts, ego=egos)
def test_never_more_than_the_budget(made: Any, script: list[list[str]], ego: EgoSample | None) -> None:
    drive = torment(made, script)
    for frame_set, tick in zip(drive, compress(RIG, drive, ego), strict=True):
        used = tick.patch_camera >= 0
        assert tick.patches.shape == (58, 6, 16, 16)
        assert used.sum() == min(58, 300 * int(frame_set.is_valid.sum()))
        assert len({*zip(tick.patch_camera[used], tick.patch_block[used], strict=True)}) == used.sum()
        assert tick.memory_valid.sum() <= 112
        assert (tick.commit_slots < 112).all()
        assert not tick.is_keyframe[~frame_set.is_valid].any()
        assert np.isfinite(tick.memory_pose).all()
        assert np.isfinite(tick.patch_meta).all()


@SLOW
@given(script=scripts, ego=egos, cut=st.integers(1, 23), data=st.data())
def test_the_future_changes_nothing(
    made: Any, script: list[list[str]], ego: EgoSample | None, cut: int, data: st.DataObject
) -> None:
    cut = min(cut, len(script) - 1)
    future = data.draw(scripts)
    one = compress(RIG, torment(made, script), ego)[:cut]
    other = compress(RIG, torment(made, script[:cut] + future), ego)[:cut]
    assert digest(one) == digest(other)


@SLOW
@given(script=scripts, ego=egos)
def test_streaming_equals_batch_and_threads_do_not_matter(
    made: Any, script: list[list[str]], ego: EgoSample | None
) -> None:
    drive = torment(made, script)
    batch = digest(compress(RIG, drive, ego))
    with ThreadPoolExecutor(4) as pool:  # four drives at once: kernels release the interpreter lock
        runs = [pool.submit(lambda: digest(compress(RIG, drive, ego))) for _ in range(4)]
        assert {run.result() for run in runs} == {batch}


def test_other_processes_with_other_threads_give_the_same_bytes(made: Any) -> None:
    script = f"""
import hashlib, numpy as np
from fsd.compression.budget import BUDGETS
from fsd.compression.compressor import Compressor
from fsd.data.ego import EgoSample
from fsd.data.frames import Frame, FrameSet
from fsd.data.standard_rigs import canonical_rig
rng = np.random.default_rng(5)
ages, all_valid = np.zeros(8, np.int64), np.ones(8, bool)
state = hashlib.blake2b()
def picture():
    return Frame(*(rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((60, 80), (30, 40), (30, 40))), 0, 0)
drive = [FrameSet(t, t * {made.TICK_NS}, tuple(picture() for _ in range(8)), ages, all_valid, all_valid)
         for t in range(12)]
compressor = Compressor(canonical_rig(80, 60), BUDGETS["B100"])
for frame_set in drive:
    tick = compressor.step(frame_set, EgoSample(9.0, 0.1), None)
    for array in (tick.retina, tick.patches, tick.patch_meta, tick.memory_pose, tick.commit_slots):
        state.update(array.tobytes())
print(state.hexdigest())
"""
    hashes = set()
    for threads in ("1", "4"):
        environment = {**os.environ, "NUMBA_NUM_THREADS": threads, "PYTHONHASHSEED": threads, "PYTHONSAFEPATH": "1"}
        ran = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        hashes.add(ran.stdout)
    assert len(hashes) == 1


@pytest.mark.parametrize("name", ["B100", "B200", "F100", "F200"])
def test_any_block_is_read_again_within_its_bound_though_cameras_flicker(made: Any, name: str) -> None:
    rng = np.random.default_rng(3)
    pictures = [made.noise_picture(30, 40, seed=seed) for seed in range(6)]
    compressor = Compressor(RIG, ALL_BUDGETS[name])
    waited, bound = np.zeros((8, 300), int), ALL_BUDGETS[name].sweep_ticks
    for tick in range(bound + 300):
        frames = [pictures[rng.integers(6)] if rng.random() < 0.9 else None for _ in range(8)]
        frame_set = made.frame_set(tick, frames)
        out = compressor.step(frame_set, EgoSample(10.0, 0.0), rng.normal(0, 100, (8, 15, 20)))
        waited[frame_set.is_valid] += 1
        used = out.patch_camera >= 0
        waited[out.patch_camera[used], out.patch_block[used]] = 0
        assert waited.max() <= bound


@pytest.mark.parametrize("ego", [EgoSample(0.0, 0.0), EgoSample(0.06, 0.01), None])
def test_standstill_freezes_the_distance_queues(street: Any, ego: EgoSample | None) -> None:
    still = [street.frame_set(0, cameras=(0, 3), noise_seed=seed) for seed in range(4)]
    drive = [replace(still[tick % 4], tick=tick, timestamp_ns=tick * 27_777_778) for tick in range(60)]
    commits = [tick.commit_slots for tick in compress(street.rig, drive, ego)]
    assert not any(((slots >= 32) & (slots < 96)).any() for slots in commits[12:])
    assert sum((slots >= 0).any() for slots in commits) >= 15  # time goes on


def exposed(frame_set: FrameSet, gain: float) -> FrameSet:
    """The same tick under another exposure."""
    frames = tuple(
        frame
        and replace(
            frame, y_plane=np.clip(16 + (frame.y_plane.astype(np.float32) - 16) * gain, 0, 255).astype(np.uint8)
        )
        for frame in frame_set.frames
    )
    return replace(frame_set, frames=frames)


@pytest.fixture(scope="module")
def moving(street: Any) -> list[FrameSet]:
    step_m = 12.0 * 27_777_778e-9
    return [street.frame_set(tick, (step_m * tick, 0.0, 0.0), cameras=(0, 3, 7), noise_seed=tick) for tick in range(40)]


@pytest.mark.parametrize("gain", [0.7, 1.3])
@pytest.mark.parametrize("speed_mps", [12.0, 0.0])
def test_an_exposure_step_adds_at_most_one_keyframe_a_camera(
    street: Any, moving: list[FrameSet], gain: float, speed_mps: float
) -> None:
    drive = moving
    if speed_mps == 0:
        drive = [replace(moving[tick % 2], tick=tick, timestamp_ns=tick * 27_777_778) for tick in range(40)]
        drive = [replace(tick, frames=moving[0].frames) for tick in drive]
    stepped = [exposed(tick, gain) if tick.tick >= 20 else tick for tick in drive]
    counts = []
    for variant in (drive, stepped):
        ticks = compress(street.rig, variant, EgoSample(speed_mps, 0.0))
        counts.append(np.sum([tick.is_keyframe for tick in ticks], axis=0))
    assert (counts[1] - counts[0] <= 1).all()


@pytest.mark.parametrize("gain", [0.7, 1.3])
def test_an_exposure_step_surprises_no_camera(street: Any, moving: list[FrameSet], gain: float) -> None:
    compressor = Compressor(street.rig, B100)
    for tick in moving:
        compressor.step(exposed(tick, gain) if tick.tick >= 20 else tick, EgoSample(12.0, 0.0), None)
        assert not (compressor.telemetry().keyframe_reasons & SURPRISE).any()


def test_a_change_anywhere_reaches_the_network_in_the_same_tick(made: Any) -> None:
    frames = [made.noise_picture(240, 320, seed=camera) for camera in range(8)]
    changed = list(frames)
    luma = frames[5].y_plane.copy()
    luma[3:9, 300:308] ^= 255
    changed[5] = replace(frames[5], y_plane=luma)
    compressor = Compressor(RIG, B100)
    before = compressor.step(made.frame_set(0, frames), None, None).retina.copy()
    after = compressor.step(made.frame_set(1, changed), None, None).retina
    assert (before[5] != after[5]).any()
