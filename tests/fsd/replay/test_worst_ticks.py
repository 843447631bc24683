from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fsd.compression.budget import BUDGETS
from fsd.compression.tick import CompressedTick
from fsd.data.clip import Clip
from fsd.data.ego import EgoTrack
from fsd.data.frame_source import FrameSource
from fsd.data.frames import FrameSet
from fsd.data.open_clip import open_clip
from fsd.replay.worst_ticks import MAX_WORST_TICKS, WorstTicks
from fsd.runtime.plan import Plan
from fsd.runtime.planner import PlannerMetadata, StepResult
from fsd.scoring.plan_errors import driven_waypoints


@pytest.fixture(scope="module")
def clip(small_clip: Path) -> Clip:
    """A clip whose driven path goes on for a minute."""
    times_ns = np.arange(0, 60 * 10**9, 10**7)
    still = np.zeros(len(times_ns))
    ego = EgoTrack(times_ns, still + 10, still, times_ns * 1e-8, still, still)
    return replace(open_clip(small_clip), ego=ego)


@pytest.fixture(scope="module")
def metadata() -> PlannerMetadata:
    return PlannerMetadata("made", True, "int8", "", {}, budget=BUDGETS["B100"])


@pytest.fixture(scope="module")
def frame_set(clip: Clip) -> FrameSet:
    with FrameSource(clip, max_ticks=1) as source:
        return next(source)


def result(clip: Clip, frame_set: FrameSet, tick: int, error_m: float, scale_m: float = 0.3) -> StepResult:
    """A tick whose plan is `error_m` beside the driven path everywhere."""
    timestamp_ns = frame_set.timestamp_ns + tick * 10**9 // 36
    driven = driven_waypoints(clip.ego, np.array([timestamp_ns]))[0] if clip.ego else np.zeros((16, 4))
    plan = Plan(
        tick=tick,
        timestamp_ns=timestamp_ns,
        trajectory=(driven + np.array([0, error_m, 0, 0])).astype(np.float32),
        trajectory_scale=np.full((16, 4), scale_m, np.float32),
        curvature_per_m=0.0,
        curvature_scale_per_m=0.0,
        acceleration_mps2=0.0,
        acceleration_scale_mps2=0.0,
        lead_distance_m=0.0,
        lead_probability=0.0,
        light_probabilities=np.full(4, 0.25),
        health="ok",
    )
    none, count, of_fovea = np.empty(0), BUDGETS["B100"].patch_count, ("retina_outer", "patch_quarter")
    compressed = CompressedTick(
        tick=tick,
        timestamp_ns=timestamp_ns,
        patch_camera=np.full(count, -1, np.int16),
        patch_block=np.full(count, -1, np.int16),
        is_keyframe=np.zeros(8, bool),
        **{
            name: none
            for name in CompressedTick.__dataclass_fields__
            if name not in ("tick", "timestamp_ns", "patch_camera", "patch_block", "is_keyframe", *of_fovea)
        },
    )
    return StepResult(
        replace(frame_set, tick=tick, timestamp_ns=timestamp_ns), plan, compressed, "ego", b"", b"", 1, 0, 1, 1
    )


def collect(clip: Clip, metadata: PlannerMetadata, frame_set: FrameSet, errors_m: list[float]) -> WorstTicks:
    worst_ticks = WorstTicks(clip, metadata)
    worst_ticks._stretch_ticks = 3
    for tick, error_m in enumerate(errors_m):
        worst_ticks.add(result(clip, frame_set, tick, error_m), None, "none")
    return worst_ticks


def test_the_worst_tick_of_a_stretch_is_kept(clip: Clip, metadata: PlannerMetadata, frame_set: FrameSet) -> None:
    (first, second) = collect(clip, metadata, frame_set, [0.1, 0.9, 0.2, 0.3, 0.1, 0.5]).finished()
    assert (first.tick, second.tick) == (1, 5)
    assert first.error == pytest.approx(0.9, abs=1e-5)


def test_only_the_worst_stretches_are_kept(clip: Clip, metadata: PlannerMetadata, frame_set: FrameSet) -> None:
    errors_m = [0.1] * 30
    for tick in (2, 5, 8, 11, 14, 17):
        errors_m[tick] = 1.0
    worst_ticks = collect(clip, metadata, frame_set, errors_m).finished()
    assert [worst.tick for worst in worst_ticks] == [2, 5, 8, 11, 14, 17]
    assert len(worst_ticks) == MAX_WORST_TICKS


def test_a_stretch_costs_one_drawing_at_most(
    clip: Clip, metadata: PlannerMetadata, frame_set: FrameSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsd.overlay.painter import OverlayPainter

    drawn: list[int] = []
    paint = OverlayPainter.paint

    def counted(self: OverlayPainter, tick: StepResult, *rest: object) -> object:
        drawn.append(tick.plan.tick)
        return paint(self, tick, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(OverlayPainter, "paint", counted)
    collect(clip, metadata, frame_set, [0.01 * tick for tick in range(12)]).finished()
    assert drawn == [2, 5, 8, 11]


def test_an_image_shows_the_patches_of_its_own_tick(clip: Clip, metadata: PlannerMetadata, frame_set: FrameSet) -> None:
    """The compressor writes its arrays anew at every tick; the worst tick is drawn later."""
    worst_ticks = WorstTicks(clip, metadata)
    tick = result(clip, frame_set, 0, 1.0)
    worst_ticks.add(tick, None, "none")
    assert tick.compressed is not None
    tick.compressed.patch_camera[:] = 3
    assert worst_ticks._worst_of_stretch is not None
    held = worst_ticks._worst_of_stretch.result.compressed
    assert held is not None
    assert (held.patch_camera == -1).all()


def test_worst_ticks_spread_over_a_long_run(clip: Clip, metadata: PlannerMetadata) -> None:
    worst_ticks = WorstTicks(clip, metadata)
    worst_ticks.expect(36 * 3600)
    assert worst_ticks._stretch_ticks == 36 * 3600 // 12


def test_without_a_driven_path_uncertainty_decides(clip: Clip, metadata: PlannerMetadata, frame_set: FrameSet) -> None:
    blind = replace(clip, ego=None)
    worst_ticks = WorstTicks(blind, metadata)
    for tick, scale_m in enumerate([0.2, 0.7, 0.3]):
        worst_ticks.add(result(blind, frame_set, tick, 0.0, scale_m), None, "none")
    (worst,) = worst_ticks.finished()
    assert (worst_ticks.measure, worst.tick) == ("uncertainty", 1)


def test_every_camera_gets_a_thumbnail(clip: Clip, metadata: PlannerMetadata, frame_set: FrameSet) -> None:
    worst_ticks = collect(clip, metadata, frame_set, [0.1])
    assert len(worst_ticks.thumbnails) == 8
    assert all(image.startswith(b"\xff\xd8") for image in worst_ticks.thumbnails.values())
