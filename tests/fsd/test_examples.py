"""The programs of `docs/examples` do what the documentation says of them."""

import runpy
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fsd import compressed_inputs, driven_waypoints, open_clip
from fsd.cli import main
from fsd.compression.budget import BUDGETS
from fsd.data.errors import UsageError
from fsd.networks.contract import input_shapes
from fsd.outputs.replay_summary import ReplaySummary
from fsd.outputs.summary_file import load_summary
from fsd.replay.config import ReplayConfig
from fsd.replay.replay import replay
from tests.fsd._docs import ROOT, printed_commands

EXAMPLES = ROOT / "docs" / "examples"
CLIP = Path(str(resources.files("fsd") / "demo_clip"))


def test_a_network_trained_on_compressed_input_replays_and_is_exported_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    shutil.copytree(CLIP, tmp_path / "my_drive")
    monkeypatch.chdir(tmp_path)
    trained, replayed, exported = printed_commands("model_contract.md")
    program, clip, out = trained.words[0], *map(Path, trained.words[1:])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    example = runpy.run_path(str(ROOT / program))
    example["main"](clip, out, ticks=12, iterations=15)
    torch.set_num_threads(threads)
    first, last = (float(line.split()[-1]) for line in capsys.readouterr().out.splitlines() if "loss" in line)
    assert last < first / 2
    assert main([*replayed.words, "--max-ticks", "3", "--no-overlay", "--no-mcap", "--no-report"]) == 0
    summary = load_summary(tmp_path / "out" / "my_drive" / "summary.json", ReplaySummary)
    assert (summary.status, summary.ticks, dict(summary.replaced_outputs)) == ("complete", 3, {})
    assert summary.compression is not None
    assert main([*exported.words, "--fraction", "0.02", "--parity-ticks", "4"]) == 0
    assert (tmp_path / "out" / "export" / "model_int8.onnx").exists()


def path_errors_m(run: Path, trial: Path) -> np.ndarray:
    """(n,) distances between planned and driven place after 1 s, while the robot reaches."""
    ego = open_clip(trial).ego
    assert ego is not None
    plan = pq.read_table(run / "plan.parquet")
    planned = np.stack([np.array(plan[name].to_pylist())[:, 3] for name in ("x_m", "y_m")], axis=1)
    times_ns = plan["t_ns"].to_numpy()
    reaches = np.array([(sample := ego.sample_at(int(t_ns))) is not None and sample.speed_mps > 0 for t_ns in times_ns])
    errors = np.hypot(*(planned - driven_waypoints(ego, times_ns)[:, 3, :2]).T)
    return np.asarray(errors[reaches & np.isfinite(errors)])


def test_a_robot_with_two_cameras_and_touch_learns_is_quantized_and_replays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    example = runpy.run_path(str(EXAMPLES / "robot_reach.py"))
    example["main"](tmp_path, legs=10, iterations=200)
    torch.set_num_threads(threads)
    files = [str(tmp_path / name) for name in ("model.onnx", "adapter.json", "practice", "int8")]
    export = ["export", files[0], "--adapter", files[1], "--data", files[2], "--out", files[3], "--fraction", "0.2"]
    assert main([*export, "--parity-ticks", "36"]) == 0
    blind = tmp_path / "blind"  # the same trial, without the robot's own sensors
    shutil.copytree(tmp_path / "trial", blind)
    ego = pq.read_table(blind / "ego.parquet")
    pq.write_table(ego.drop([name for name in ego.column_names if "proprio" in name]), blind / "ego.parquet")
    errors_m = []
    for trial in (tmp_path / "trial", blind):
        adapted = {"model": tmp_path / "int8" / "model_int8.onnx", "adapter": tmp_path / "adapter.json"}
        run = tmp_path / f"{trial.name}_run"
        replay(ReplayConfig(clip=trial, out=run, **adapted, overlay=False, report=False, mcap=False), False)
        errors_m.append(np.median(path_errors_m(run, trial)))
    capsys.readouterr()
    assert errors_m[0] < 0.15  # a reach is 0.5 to 0.8 m
    assert errors_m[1] > 1.5 * errors_m[0]


def test_compressed_inputs_are_those_of_the_contract_without_state(small_clip: Path) -> None:
    for _, tensors in compressed_inputs(open_clip(small_clip), "B200", max_ticks=2):
        expected = {
            name: spec for name, spec in input_shapes(BUDGETS["B200"]).items() if not name.endswith(("_k", "_v"))
        }
        assert {name: (array.shape, str(array.dtype)) for name, array in tensors.items()} == expected
        assert tensors["ego"] == pytest.approx([10.0, 0.0], abs=0.5)
        assert np.ptp(tensors["retina"]) > 20


def test_an_unknown_budget_is_refused_with_the_known_ones(small_clip: Path) -> None:
    with pytest.raises(UsageError, match="B100"):
        next(compressed_inputs(open_clip(small_clip), "B99"))
