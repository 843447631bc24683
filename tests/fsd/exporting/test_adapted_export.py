"""`fsd export MODEL --adapter`: from the command to files that `fsd replay` runs."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx

from fsd.cli import main
from fsd.commands.exit_codes import OVER_LIMIT
from fsd.compression.budget import BUDGETS
from fsd.data.errors import ModelError, UsageError
from fsd.data.frame_source import FrameSource
from fsd.data.frames import FrameSet
from fsd.data.open_clip import open_clip
from fsd.export.gaze_feedback import Feedback, compare_feedback
from fsd.export.onnx_runner import MakeFeeds
from fsd.export.plan_measure import TrajectoryMeasure
from fsd.export.recorded_clip import RecordedClip
from fsd.exporting import adapted_clip
from fsd.exporting.adapted_clip import AdaptedClip, AdapterFeeds
from fsd.networks.contract import input_shapes
from fsd.networks.input_buffers import InputBuffers
from fsd.runtime.engine import Engine
from fsd.runtime.gaze_loop import GazeLoop
from fsd.third_party.adapter import Adapter, load_adapter
from fsd.third_party.adapter_planner import AdapterPlanner
from fsd.third_party.input_fields import CompressedInput
from fsd.third_party.output_fields import Outputs
from fsd.third_party.own_network import adapter_of
from tests.fsd._pages import checked
from tests.fsd.conftest import CLIP_TICKS

SIGNATURE = {"view": ((1, 3, 24, 32), "float32"), "speed": ((1, 1), "float32"), "hidden": ((1, 32), "float32")}
PAGE = Path(__file__).parents[3] / "docs" / "export.md"


def run_printed(*fragments: str, more: str = "") -> int:
    """Run the command that docs/export.md prints with these words in it, followed by `more`."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith("fsd ") and all(each in line for each in fragments))
    return main([*shlex.split(line, comments=True)[1:], *more.split()])


def last_json(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def exported(folder: Path) -> Path:
    assert run_printed("export other.onnx", more="--half --sensitivity") == 0
    return folder / "out" / "exported"


def test_a_model_is_exported_and_proven_in_metres(exported: Path) -> None:
    assert {"other_fp32.onnx", "other_int8.onnx", "other_fp16.onnx", "parity.json", "parity.html"} <= {
        path.name for path in exported.iterdir()
    }
    report = json.loads((exported / "parity.json").read_text())
    assert report["ticks"] == CLIP_TICKS
    int8 = report["comparisons"]["onnx_int8"]
    assert (int8["headline"], int8["unit"]) == ("position_3s", "m")
    assert 0 < int8["distances"]["position_3s"]["mean"] < 0.05
    assert [speed["threads"] for speed in report["speed"]] == [1, 2]
    operators = [node.op_type for node in onnx.load(exported / "other_int8.onnx").graph.node]
    assert operators.count("QuantizeLinear") > 1


def test_the_page_shows_speed_and_what_each_layer_costs(exported: Path) -> None:
    page = checked(exported / "parity.html")
    assert {"Distance between the plans", "Speed", "Cost of each layer (ort-cpu)"} <= {*page.headings}
    for fact in ("after 3 s, m", "untrained", "second", "times as fast as FP32"):
        assert fact in page.text


def test_the_int8_file_runs_in_replay_with_the_same_adapter(exported: Path, folder: Path) -> None:
    assert run_printed("fsd replay", "other_int8", more="--max-ticks 8 --no-overlay --no-mcap") == 0
    summary = json.loads((folder / "out" / "int8" / "summary.json").read_text())
    assert summary["model"]["name"] == "small net"
    assert summary["compression"] is None


def test_a_broken_limit_ends_in_its_exit_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = "--out limited --json --int8-limit 1e-9 --parity-ticks 4"
    assert run_printed("export other.onnx", more=more) == OVER_LIMIT
    summary = last_json(capsys)
    assert summary["passed"] is False
    assert "onnx_int8" in summary["parity"]["failures"][0]


def test_calibration_sees_what_replay_feeds_the_model(folder: Path) -> None:
    adapter, clip = load_adapter(folder / "other.json"), open_clip(folder / "my_drive")
    planner = AdapterPlanner(folder / "other.onnx", folder / "other.json", rig=clip.rig)
    recording = AdaptedClip(clip.path, adapter, SIGNATURE)
    steps, feeds = list(recording), AdapterFeeds(adapter, SIGNATURE)
    assert len(steps) == len(recording) == CLIP_TICKS
    assert clip.ego is not None
    with FrameSource(clip) as frame_sets:
        for step, frame_set in zip(steps, frame_sets, strict=True):
            feeds.load(step)
            planner.step(frame_set, clip.ego.sample_at(frame_set.timestamp_ns))
            for name in ("view", "speed"):
                np.testing.assert_array_equal(feeds.arrays[name], planner.inputs[name])
            feeds.carry(step, planner.outputs)
            np.testing.assert_array_equal(feeds.arrays["hidden"], planner.inputs["hidden"])


def test_a_slow_model_takes_fewer_steps_and_memory_is_bounded(folder: Path) -> None:
    adapter = msgspec.structs.replace(load_adapter(folder / "other.json"), rate_hz=9.0)
    clip = AdaptedClip(folder / "my_drive", adapter, SIGNATURE, keep_bytes=3 * 24 * 32 * 4 * 2)
    first, second = list(clip), list(clip)
    assert len(first) == len(second) == len(clip) == CLIP_TICKS // 4
    assert [step.starts_run for step in first] == [True] + [False] * 9
    assert len(clip._kept) < 3
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.inputs["view"], other.inputs["view"])


def test_the_compressor_starts_anew_with_the_first_tick_after_a_hole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = input_shapes(BUDGETS["B100"])
    names = ("retina", "patches", "memory_valid")
    adapter = Adapter("n", Outputs(), compressed=CompressedInput("B100", {name: name for name in names}))
    signature = {name: shapes[name] for name in names}
    clip = open_clip(folder / "my_drive")

    class WithHole(FrameSource):
        def __next__(self) -> FrameSet:
            frame_set = super().__next__()
            return replace(frame_set, run=int(frame_set.tick >= 6))

    monkeypatch.setattr(adapted_clip, "FrameSource", WithHole)
    steps = list(AdaptedClip(clip.path, adapter, signature, max_ticks=9))
    loop = GazeLoop(clip.rig, BUDGETS["B100"])
    assert clip.ego is not None
    with FrameSource(clip, max_ticks=9) as frame_sets:
        for frame_set, step in zip(frame_sets, steps, strict=True):
            if step.starts_run:
                loop.reset()
            expected = loop.step(frame_set, clip.ego.sample_at(frame_set.timestamp_ns))
            for name in names:
                np.testing.assert_array_equal(step.inputs[name], getattr(expected, name))
    assert [step.starts_run for step in steps] == [True, *[False] * 5, True, False, False]


def test_a_model_that_chooses_its_patches_is_compared_with_its_own_gaze(folder: Path, tmp_path: Path) -> None:
    packaged = Engine()
    adapter = adapter_of(packaged.metadata)
    other = onnx.load(packaged.model)
    (node,) = (node for node in other.graph.node if "saliency" in node.output)
    node.output[list(node.output).index("saliency")] = "before"
    other.graph.node.append(onnx.helper.make_node("Neg", ["before"], ["saliency"]))
    onnx.save(other, tmp_path / "other.onnx")
    signature = input_shapes(packaged.budget)
    files = packaged.model, {"other": tmp_path / "other.onnx"}

    def found(clip: Any, make_feeds: MakeFeeds) -> dict[str, Feedback]:
        return compare_feedback(make_feeds, TrajectoryMeasure(), *files, [clip], 6)

    clip = AdaptedClip(folder / "my_drive", adapter, signature)
    own = RecordedClip(folder / "my_drive", packaged.budget)
    adapted = found(clip, lambda: AdapterFeeds(adapter, signature))
    assert adapted == found(own, lambda: InputBuffers(packaged.budget))
    assert adapted["other"].patches_differ > 0
    deaf = msgspec.structs.replace(adapter, outputs=msgspec.structs.replace(adapter.outputs, saliency=None))
    assert not found(replace(clip, adapter=deaf), lambda: AdapterFeeds(deaf, signature))


def test_two_files_become_one_that_the_same_adapter_runs(exported: Path, folder: Path) -> None:
    assert run_printed("export vision.onnx policy.onnx", more="--parity-ticks 4") == 0
    found = []
    for models in ("vision.onnx policy.onnx", "out/exported/both/vision_policy_fp32.onnx", "other.onnx"):
        words = f"replay my_drive --model {models} --adapter both.json --no-overlay --no-mcap --max-ticks 8 --out chain"
        assert main(words.split()) == 0
        plans = pq.read_table("chain/plan.parquet")
        found.append(np.array([plans[column].to_pylist() for column in ("x_m", "y_m")]))
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-5)  # metres; sums in another order


def test_a_pytorch_model_is_fine_tuned_and_compared_with_itself(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_printed("export my_network:load", more="--steps 6 --json --parity-ticks 8") == 0
    summary = last_json(capsys)
    assert summary["parity"]["comparisons"]["onnx_fp32"]["reference"] == "pytorch"
    assert summary["fine_tuning"]["after"] <= summary["fine_tuning"]["before"]
    assert summary["fine_tuning"]["ticks"] == CLIP_TICKS * 3 // 4


GIVEN = "other.onnx --adapter other.json --data my_drive"


@pytest.mark.parametrize(
    ("words", "named", "error"),
    [
        ("other.onnx --data my_drive", "fsd adapter init", UsageError),
        ("other.onnx --adapter other.json", "--data", UsageError),
        (f"{GIVEN} --seed 1", "--seed", UsageError),
        (f"{GIVEN} --qat my_drive", "module:function", UsageError),
        (f"{GIVEN} --qat my_drive --variants fp16", "--qat", UsageError),
        ("--variants fp16 --data my_drive", "--variants", UsageError),
        (f"a.pt2 {GIVEN}", "all are .onnx", UsageError),
        ("net.pth --adapter other.json --data my_drive", "pickle", ModelError),
    ],
)
def test_what_makes_no_sense_together_is_refused_in_one_line(
    words: str, named: str, error: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *words.split(), "--out", str(tmp_path)]) == error.exit_code
    message = capsys.readouterr().err.strip()
    assert named in message
    assert len([line for line in message.splitlines() if line.startswith("fsd")]) == 1
    assert not [*tmp_path.iterdir()]
