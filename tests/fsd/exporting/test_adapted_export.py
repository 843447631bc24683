"""`fsd export MODEL --adapter`: from the command to files that `fsd replay` runs."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx

from fsd.cli import main
from fsd.commands.exit_codes import OVER_LIMIT
from fsd.data.errors import ModelError, UsageError
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.exporting.adapted_clip import AdaptedClip, AdapterFeeds
from fsd.third_party.adapter import load_adapter
from fsd.third_party.adapter_planner import AdapterPlanner
from tests.fsd._pages import checked
from tests.fsd.conftest import CLIP_TICKS

SIGNATURE = {"view": ((1, 3, 24, 32), "float32"), "speed": ((1, 1), "float32"), "hidden": ((1, 32), "float32")}
FUNCTION = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 8, 4, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU()
        )
        self.mix, self.head = nn.Linear(49, 32), nn.Linear(32, 16)

    def forward(self, view, speed, hidden):
        hidden = torch.tanh(self.mix(torch.cat([self.trunk(view).mean((2, 3)), speed, hidden], 1)))
        return {"path": self.head(hidden) + 0.5 * torch.arange(16), "hidden_out": hidden}

def load():
    torch.manual_seed(0)
    return Net(), {"view": torch.zeros(1, 3, 24, 32), "speed": torch.zeros(1, 1), "hidden": torch.zeros(1, 32)}
"""


def export(*arguments: object) -> int:
    return main(["export", *map(str, arguments)])


@pytest.fixture(scope="module")
def exported(
    small_model: Path, small_adapter: Path, small_clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("exported")
    assert (
        export(small_model, "--adapter", small_adapter, "--data", small_clip, "--out", out, "--half", "--sensitivity")
        == 0
    )
    return out


def test_a_model_is_exported_and_proven_in_metres(exported: Path) -> None:
    assert {"small_fp32.onnx", "small_int8.onnx", "small_fp16.onnx", "parity.json", "parity.html"} <= {
        path.name for path in exported.iterdir()
    }
    report = json.loads((exported / "parity.json").read_text())
    assert report["ticks"] == CLIP_TICKS
    int8 = report["comparisons"]["onnx_int8"]
    assert (int8["headline"], int8["unit"]) == ("position_3s", "m")
    assert 0 < int8["distances"]["position_3s"]["mean"] < 0.05
    assert [speed["threads"] for speed in report["speed"]] == [1, 2]
    operators = [node.op_type for node in onnx.load(exported / "small_int8.onnx").graph.node]
    assert operators.count("QuantizeLinear") > 1


def test_the_page_shows_speed_and_what_each_layer_costs(exported: Path) -> None:
    page = checked(exported / "parity.html")
    assert {"Distance between the plans", "Speed", "Cost of each layer (ort-cpu)"} <= {*page.headings}
    for fact in ("after 3 s, m", "untrained", "second", "times as fast as FP32"):
        assert fact in page.text


def test_the_int8_file_runs_in_replay_with_the_same_adapter(
    exported: Path, small_adapter: Path, small_clip: Path, tmp_path: Path
) -> None:
    words = ["replay", small_clip, "--model", exported / "small_int8.onnx", "--adapter", small_adapter]
    assert main([*map(str, words), "--out", str(tmp_path), "--max-ticks", "8", "--no-overlay", "--no-mcap"]) == 0
    assert json.loads((tmp_path / "summary.json").read_text())["model"]["name"] == "small net"


def test_a_broken_limit_ends_in_its_exit_code(
    small_model: Path, small_adapter: Path, small_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (small_model, "--adapter", small_adapter, "--data", small_clip, "--out", tmp_path, "--json")
    assert export(*words, "--int8-limit", "1e-9", "--parity-ticks", 4) == OVER_LIMIT
    summary = json.loads(capsys.readouterr().out)
    assert summary["passed"] is False
    assert "onnx_int8" in summary["parity"]["failures"][0]


def test_calibration_sees_what_replay_feeds_the_model(small_model: Path, small_adapter: Path, small_clip: Path) -> None:
    adapter, clip = load_adapter(small_adapter), open_clip(small_clip)
    planner = AdapterPlanner(small_model, small_adapter, rig=clip.rig)
    steps = list(AdaptedClip(small_clip, adapter, SIGNATURE))
    assert len(steps) == len(AdaptedClip(small_clip, adapter, SIGNATURE)) == CLIP_TICKS
    feeds = AdapterFeeds(adapter, SIGNATURE)
    with FrameSource(clip) as frame_sets:
        for step, frame_set in zip(steps, frame_sets, strict=True):
            assert clip.ego is not None
            feeds.load(step)
            planner.step(frame_set, clip.ego.sample_at(frame_set.timestamp_ns))
            for name in ("view", "speed"):
                np.testing.assert_array_equal(feeds.arrays[name], planner.inputs[name])
            feeds.carry(step, planner.outputs)
            np.testing.assert_array_equal(feeds.arrays["hidden"], planner.inputs["hidden"])


def test_a_slow_model_takes_fewer_steps_and_memory_is_bounded(small_adapter: Path, small_clip: Path) -> None:
    adapter = msgspec.structs.replace(load_adapter(small_adapter), rate_hz=9.0)
    clip = AdaptedClip(small_clip, adapter, SIGNATURE, keep_bytes=3 * 24 * 32 * 4 * 2)
    first, second = list(clip), list(clip)
    assert len(first) == len(second) == len(clip) == CLIP_TICKS // 4
    assert [step.starts_run for step in first] == [True] + [False] * 9
    assert len(clip._kept) < 3
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.inputs["view"], other.inputs["view"])


def test_two_files_become_one_that_the_same_adapter_runs(
    split_model: tuple[Path, Path, Path], exported: Path, small_clip: Path, tmp_path: Path
) -> None:
    vision, policy, adapter = split_model
    out = tmp_path / "exported"
    assert export(vision, policy, "--adapter", adapter, "--data", small_clip, "--out", out, "--parity-ticks", 4) == 0
    hashes = []
    for models in ([vision, policy], [out / "vision_policy_fp32.onnx"], [exported / "small_fp32.onnx"]):
        words = ["replay", small_clip, "--model", *models, "--adapter", adapter, "--no-overlay", "--no-mcap"]
        assert main([*map(str, words), "--max-ticks", "8", "--out", str(tmp_path / "replay"), "--json"]) == 0
        hashes.append(json.loads((tmp_path / "replay" / "summary.json").read_text())["input_hash"])
    assert len(set(hashes)) == 1


def test_a_pytorch_model_is_fine_tuned_and_compared_with_itself(
    small_adapter: Path,
    small_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "network_of_test.py").write_text(FUNCTION)
    monkeypatch.chdir(tmp_path)
    words = ("network_of_test:load", "--adapter", small_adapter, "--data", small_clip, "--json", "--parity-ticks", 8)
    assert export(*words, "--qat", small_clip, "--steps", 6) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["parity"]["comparisons"]["onnx_fp32"]["reference"] == "pytorch"
    assert summary["fine_tuning"]["after"] <= summary["fine_tuning"]["before"]
    assert summary["fine_tuning"]["ticks"] == CLIP_TICKS * 3 // 4


@pytest.mark.parametrize(
    ("words", "named", "error"),
    [
        (["{model}", "--data", "{clip}"], "fsd adapter init", UsageError),
        (["{model}", "--adapter", "{adapter}"], "--data", UsageError),
        (["{model}", "--adapter", "{adapter}", "--data", "{clip}", "--seed", "1"], "--seed", UsageError),
        (["{model}", "--adapter", "{adapter}", "--data", "{clip}", "--qat", "{clip}"], "module:function", UsageError),
        (["--variants", "fp16", "--data", "{clip}"], "--variants", UsageError),
        (["{model}", "a.pt2", "--adapter", "{adapter}", "--data", "{clip}"], "all are .onnx", UsageError),
        (["net.pth", "--adapter", "{adapter}", "--data", "{clip}"], "pickle", ModelError),
        (["{model}", "--adapter", "{adapter}", "--data", "{clip}", "--no-int8"], "at least one", UsageError),
    ],
)
def test_what_makes_no_sense_together_is_refused_in_one_line(
    words: list[str],
    named: str,
    error: Any,
    small_model: Path,
    small_adapter: Path,
    small_clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"model": small_model, "adapter": small_adapter, "clip": small_clip}
    given = [word.format(**places) for word in words]
    assert export(*given, "--out", tmp_path) == error.exit_code
    message = capsys.readouterr().err.strip()
    assert named in message
    assert len([line for line in message.splitlines() if line.startswith("fsd")]) == 1
    assert not [*tmp_path.iterdir()]
