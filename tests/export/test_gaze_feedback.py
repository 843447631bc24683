"""Two files that choose their own patches: compared with replays of the engine, and what the proof says of them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from fsd.compression.tick import CompressedTick
from fsd.data.frame_source import FrameSource
from fsd.data.frames import FrameSet
from fsd.data.open_clip import open_clip
from fsd.export import gaze_feedback, recorded_clip
from fsd.export.config import ExportConfig
from fsd.export.gaze_feedback import Feedback, FeedbackLimits, compare_feedback, judge
from fsd.export.onnx_runner import MakeFeeds
from fsd.export.parity import ParityReport
from fsd.export.plan_measure import TrajectoryMeasure
from fsd.export.recorded_clip import RecordedClip
from fsd.export.steps import QuantizableModel, with_feedback, write_report
from fsd.networks.input_buffers import TickInput
from fsd.networks.model import DrivingNetwork
from fsd.runtime.engine import Engine
from fsd.runtime.network_planner import NetworkPlanner
from tests.export.conftest import TICKS

FOUND = Feedback(396, "position_3s", "m", mean=0.15, p99=0.87, max=2.43, patches_differ=0.1)


class HoleAfterFour(FrameSource):
    """Frame sets of a recording that breaks off after four ticks, and goes on."""

    def __next__(self) -> FrameSet:
        frame_set = super().__next__()
        return replace(frame_set, run=int(frame_set.tick >= 4))


@pytest.fixture
def clip(recording: Path, network: DrivingNetwork) -> RecordedClip:
    return RecordedClip(recording, network.config.budget)


@pytest.fixture(scope="module")
def fp32_file(int8_file: Path) -> Path:
    return int8_file.with_name("tiny_fp32.onnx")


@pytest.fixture
def model(fp32_model: onnx.ModelProto, make_feeds: MakeFeeds) -> QuantizableModel:
    return QuantizableModel(fp32_model, (), make_feeds, TrajectoryMeasure())


def replayed(model: Path, recording: Path, source: type[FrameSource]) -> Iterator[tuple[np.ndarray, CompressedTick]]:
    """Position at 3 s and compressed tick, as `fsd replay` has them."""
    clip = open_clip(recording)
    assert clip.ego is not None
    assert clip.commands is not None
    planner = NetworkPlanner(clip.rig, Engine(model))
    with source(clip) as frame_sets:
        for frame_set in frame_sets:
            time_ns = frame_set.timestamp_ns
            step = planner.step(frame_set, clip.ego.sample_at(time_ns), clip.commands.command_at(time_ns))
            assert not step.replaced
            yield planner.outputs["trajectory"][11, :2].astype(np.float64), step.compressed.copy()


@pytest.mark.parametrize("source", [FrameSource, HoleAfterFour])
def test_the_figures_are_those_of_two_replays(
    source: type[FrameSource],
    fp32_file: Path,
    int8_file: Path,
    recording: Path,
    make_feeds: MakeFeeds,
    clip: RecordedClip,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorded_clip, "FrameSource", source)
    found = compare_feedback(make_feeds, TrajectoryMeasure(), fp32_file, {"int8": int8_file}, [clip])["int8"]
    apart_m, unread = [], []
    both = (replayed(path, recording, source) for path in (fp32_file, int8_file))
    for (one, tick), (other, other_tick) in zip(*both, strict=True):
        apart_m.append(np.hypot(*(one - other)))
        patches = [set(zip(each.patch_camera, each.patch_block, strict=True)) for each in (tick, other_tick)]
        unread.append(1 - len(patches[0] & patches[1]) / len(patches[0]))
    assert found.ticks == len(apart_m)
    assert (found.mean, found.p99, found.max) == (np.mean(apart_m), np.percentile(apart_m, 99), np.max(apart_m))
    assert found.patches_differ == pytest.approx(np.mean(unread))


def with_requests_of(model: Path, scale: float, path: Path) -> Path:
    """The same network with a saliency that is multiplied and turned around."""
    graph = onnx.load(model)
    (node,) = (node for node in graph.graph.node if "saliency" in node.output)
    node.output[list(node.output).index("saliency")] = "saliency_before"
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(scale), "saliency_scale"))
    graph.graph.node.append(onnx.helper.make_node("Mul", ["saliency_before", "saliency_scale"], ["saliency"]))
    onnx.save(graph, path)
    return path


def test_only_other_requests_make_other_pictures(
    fp32_file: Path, make_feeds: MakeFeeds, clip: RecordedClip, tmp_path: Path
) -> None:
    others = {"same": fp32_file, "other": with_requests_of(fp32_file, -100.0, tmp_path / "other.onnx")}
    found = compare_feedback(make_feeds, TrajectoryMeasure(), fp32_file, others, [clip])
    assert (found["same"].max, found["same"].patches_differ) == (0.0, 0.0)
    assert found["other"].patches_differ > 0.05
    assert found["other"].max > 0


def test_the_number_of_ticks_is_limited_over_all_clips(
    fp32_file: Path, make_feeds: MakeFeeds, clip: RecordedClip
) -> None:
    found = compare_feedback(make_feeds, TrajectoryMeasure(), fp32_file, {"x": fp32_file}, [clip, clip], 8)
    assert found["x"].ticks == 8


def test_the_proof_holds_the_figures(
    model: QuantizableModel, fp32_file: Path, int8_file: Path, clip: RecordedClip, tmp_path: Path
) -> None:
    report = with_feedback(ParityReport(3), model, ExportConfig(), fp32_file, {"onnx_int8": int8_file}, [clip])
    content = json.loads(write_report(tmp_path, report).read_text())
    feedback = content["feedback"]["onnx_int8"]
    assert feedback["ticks"] == TICKS
    assert 0 < feedback["mean"] <= feedback["p99"] <= feedback["max"]
    for name in ("mean", "p99", "max"):
        assert content[f"int8_feedback_{name}_m"] == feedback[name]


def test_a_limit_fails_the_proof_and_a_missed_target_only_warns() -> None:
    assert judge("onnx_int8", replace(FOUND, mean=0.09, p99=0.39), FeedbackLimits()) == ("", "")
    failure, warning = judge("onnx_int8", FOUND, FeedbackLimits())
    assert not failure
    assert all(fact in warning for fact in ("onnx_int8", "0.15 m", "0.1 m", "0.87 m", "0.4 m"))
    failure, warning = judge("onnx_int8", FOUND, FeedbackLimits(mean=0.12))
    assert "0.12 m is the limit" in failure
    assert "0.87" not in failure
    assert "0.87 m" in warning
    assert judge("onnx_int8", FOUND, FeedbackLimits(mean=0.2, p99=1.0)) == ("", "")
    assert judge("onnx_int8", replace(FOUND, mean=float("nan")), FeedbackLimits(mean=0.2)).failure
    assert judge("onnx_int8", replace(FOUND, unit="rad"), FeedbackLimits()) == ("", "")


@pytest.mark.parametrize(("limit", "failed", "warned"), [(1e-9, True, False), (None, False, True), (9.0, False, False)])
def test_a_limit_of_the_options_decides_whether_the_proof_passes(
    limit: float | None,
    failed: bool,
    warned: bool,
    model: QuantizableModel,
    fp32_file: Path,
    int8_file: Path,
    clip: RecordedClip,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(gaze_feedback.TARGETS, "m", FeedbackLimits(p99=1e-9))
    config = ExportConfig(feedback_p99_limit=limit, parity_ticks=3)
    report = with_feedback(ParityReport(3), model, config, fp32_file, {"onnx_int8": int8_file}, [clip])
    assert report.failed == (("onnx_int8_feedback",) if failed else ())
    assert report.warned == (("onnx_int8_feedback",) if warned else ())
    assert (len(report.failures), len(report.warnings)) == (failed, warned)
    assert report.passed is not failed


def test_generated_ticks_have_no_pictures_to_choose_from(
    make_feeds: MakeFeeds, fp32_file: Path, steps: list[TickInput]
) -> None:
    assert compare_feedback(make_feeds, TrajectoryMeasure(), fp32_file, {"x": fp32_file}, [steps[:4]]) == {}


def test_a_limit_that_cannot_be_checked_is_not_held(
    model: QuantizableModel, fp32_file: Path, steps: list[TickInput]
) -> None:
    for limit, failed in ((None, ()), (1.0, ("feedback",))):
        config = ExportConfig(feedback_limit=limit)
        report = with_feedback(ParityReport(4), model, config, fp32_file, {"onnx_int8": fp32_file}, [steps[:4]])
        assert report.failed == failed
