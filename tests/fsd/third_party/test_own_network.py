"""Our own network, described by an adapter, is one more third-party model."""

from importlib import resources
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from fsd.data.clip import Clip
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from fsd.runtime.engine import Engine
from fsd.runtime.network_planner import NetworkPlanner
from fsd.runtime.planner import Planner, StepResult
from fsd.third_party.adapter import Adapter
from fsd.third_party.adapter_planner import AdapterPlanner
from fsd.third_party.own_network import adapter_of

TICKS = 24
ARRAYS = ("trajectory", "trajectory_scale", "light_probabilities")
ONLY_OUR_OWN = ("hypothesis", "hypothesis_speed_mps")


@pytest.fixture(scope="module")
def clip() -> Clip:
    return open_clip(Path(str(resources.files("fsd") / "demo_clip")))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def adapted(engine: Engine, clip: Clip, folder: Path, adapter: Adapter | None = None) -> AdapterPlanner:
    path = folder / "adapter.json"
    path.write_bytes(msgspec.json.encode(adapter_of(engine.metadata) if adapter is None else adapter))
    return AdapterPlanner(engine.model, path, rig=clip.rig)


def steps(clip: Clip, *planners: Planner) -> list[tuple[StepResult, ...]]:
    """One result of each planner at every tick; without ego motion at a few, and with a command."""
    assert clip.ego is not None
    found = []
    with FrameSource(clip, max_ticks=TICKS) as source:
        for frame_set in source:
            ego = None if frame_set.tick % 10 == 7 else clip.ego.sample_at(frame_set.timestamp_ns)
            found.append(tuple(planner.step(frame_set, ego, "left") for planner in planners))
    return found


def test_plans_have_the_bits_of_the_network_planner(clip: Clip, engine: Engine, tmp_path: Path) -> None:
    results = steps(clip, NetworkPlanner(clip.rig, engine), adapted(engine, clip, tmp_path))
    assert len(results) == TICKS
    for own, third_party in results:
        for field in ARRAYS:
            assert np.array_equal(getattr(own.plan, field), getattr(third_party.plan, field))
        for field in own.plan.__dataclass_fields__.keys() - {*ARRAYS, *ONLY_OUR_OWN}:
            assert getattr(own.plan, field) == getattr(third_party.plan, field), field
        assert own.plan_hash == third_party.plan_hash
        assert own.odometry == third_party.odometry
        assert own.compressed is not None
        assert third_party.compressed is not None
        assert np.array_equal(own.compressed.patch_block, third_party.compressed.patch_block)


def test_the_metadata_is_that_of_a_compressed_input(clip: Clip, engine: Engine, tmp_path: Path) -> None:
    planner = adapted(engine, clip, tmp_path)
    assert planner.metadata.budget == engine.budget
    assert planner.metadata.state == engine.metadata.state
    assert planner.metadata.inputs == engine.metadata.inputs


def test_without_a_saliency_output_the_compressor_chooses_alone(clip: Clip, engine: Engine, tmp_path: Path) -> None:
    adapter = adapter_of(engine.metadata)
    blind = msgspec.structs.replace(adapter, outputs=msgspec.structs.replace(adapter.outputs, saliency=None))
    results = steps(clip, NetworkPlanner(clip.rig, engine), adapted(engine, clip, tmp_path, blind))
    compressed = [(own.compressed, other.compressed) for own, other in results]
    assert any(
        own is not None and other is not None and not np.array_equal(own.patch_block, other.patch_block)
        for own, other in compressed
    )


def test_a_compressed_tick_that_is_not_finite_is_never_run(clip: Clip, engine: Engine, tmp_path: Path) -> None:
    planner = adapted(engine, clip, tmp_path)
    with FrameSource(clip, max_ticks=1) as source:
        frame_set = next(source)
    result = planner.step(frame_set)
    assert result.compressed is not None
    broken = result.compressed.copy()
    broken.patch_meta[0, 3] = np.nan
    planner.reset()
    stopped = planner.step(frame_set, None, "none", broken)
    assert (stopped.replaced, stopped.plan.health) == ("inputs", "no_ego;plan=stop")


def test_a_replay_shows_what_the_compressor_sent(clip: Clip, engine: Engine, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.json"
    adapter.write_bytes(msgspec.json.encode(adapter_of(engine.metadata)))
    options = {"model": engine.model, "adapter": adapter, "mcap": False, "overlay": False}
    summary = replay(ReplayConfig(clip=clip.path, out=tmp_path / "out", max_ticks=3, **options), show_progress=False)
    assert summary.compression is not None
    assert summary.compression.budget == engine.budget.name
    assert sum(summary.compression.keyframes.values()) > 0
    ticks = pq.read_table(tmp_path / "out" / "ticks.parquet")
    assert len(ticks["patch_block"][0]) == engine.budget.patch_count
    assert "compressor" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
