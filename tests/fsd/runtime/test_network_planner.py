from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from fsd.data.frame_source import FrameSource
from fsd.data.frames import FrameSet
from fsd.data.open_clip import open_clip
from fsd.networks.onnx_session import open_session
from fsd.runtime.engine import Engine, packaged_model
from fsd.runtime.network_planner import NetworkPlanner
from fsd.runtime.planner import Planner


@pytest.fixture(scope="module")
def planner(small_clip: Path) -> Planner:
    return NetworkPlanner(open_clip(small_clip).rig, Engine())


@pytest.fixture
def frame_sets(small_clip: Path) -> Iterator[list[FrameSet]]:
    with FrameSource(open_clip(small_clip), max_ticks=4) as source:
        yield list(source)


def test_a_reset_planner_repeats_its_hashes(planner: Planner, frame_sets: list[FrameSet]) -> None:
    hashes = []
    for _ in range(2):
        planner.reset()
        hashes.append([(result.input_hash, result.plan_hash) for result in map(planner.step, frame_sets)])
    assert hashes[0] == hashes[1]
    assert len(set(hashes[0])) == len(frame_sets)


def test_binding_is_part_of_inference(planner: Planner, frame_sets: list[FrameSet]) -> None:
    planner.reset()
    result = planner.step(frame_sets[0])
    assert 0 < result.bind_ms < result.infer_ms
    assert result.plan_ms == pytest.approx(result.compress_ms + result.infer_ms + result.post_ms)


def test_rerunning_the_last_tick_binds_the_same_inputs(planner: Planner, frame_sets: list[FrameSet]) -> None:
    planner.reset()
    planner.step(frame_sets[0], command="left")
    before = {name: planner.inputs[name].copy() for name in ("retina", "patches", "command")}
    assert planner.rerun_last() > 0
    assert all(np.array_equal(planner.inputs[name], array) for name, array in before.items())


def test_the_engine_opens_its_one_session_through_the_factory() -> None:
    opened: list[tuple[Path, int, str]] = []

    def factory(model: Path, threads: int, device: str) -> onnxruntime.InferenceSession:
        opened.append((model, threads, device))
        return open_session(model, threads, device)

    Engine(threads=2, session_factory=factory)
    assert opened == [(packaged_model(), 2, "cpu")]
