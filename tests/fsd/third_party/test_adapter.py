"""Two small third-party models: a path from one colour image, and steering from a grey one with recurrent state."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from fsd.cli import main  # noqa: E402
from fsd.data.errors import ModelError  # noqa: E402
from fsd.data.frame_source import FrameSource  # noqa: E402
from fsd.data.frames import FrameSet  # noqa: E402
from fsd.data.open_clip import open_clip  # noqa: E402
from fsd.data.standard_rigs import canonical_rig  # noqa: E402
from fsd.networks.contract import TensorSpec  # noqa: E402
from fsd.outputs.cross_check_summary import FirstAlarm  # noqa: E402
from fsd.profile.config import SCENARIOS, ProfileConfig  # noqa: E402
from fsd.profile.profile import profile  # noqa: E402
from fsd.profile.terminal import print_profile  # noqa: E402
from fsd.replay.config import ReplayConfig  # noqa: E402
from fsd.replay.replay import replay  # noqa: E402
from fsd.runtime.divergence import UNITS  # noqa: E402
from fsd.runtime.second_network import SecondNetwork  # noqa: E402
from fsd.third_party.adapter import load_adapter  # noqa: E402
from fsd.third_party.adapter_planner import AdapterPlanner  # noqa: E402
from fsd.third_party.open_planner import open_planner  # noqa: E402
from tests.fsd.third_party._models import save  # noqa: E402

PATH = {
    "name": "path net",
    "images": [
        {"name": "image", "camera": "front_main", "width_px": 64, "height_px": 48, "mean": [0.5], "std": [0.25]}
    ],
    "outputs": {"waypoints": {"name": "path", "points": 10, "step_s": 0.5, "columns": ["x_m", "y_m"]}},
}
STEERING = {
    "name": "steering net",
    "images": [
        {"name": "view", "camera": "front_wide", "width_px": 32, "height_px": 20, "colour": "gray", "layout": "hwc"}
    ],
    "ego": [{"name": "speed", "quantities": ["speed_mps"], "scale": 0.1}],
    "commands": [{"name": "turn", "values": {"none": [0, 0], "left": [1, 0], "right": [0, 1]}}],
    "state": [{"output": "memory_out", "input": "memory_in"}],
    "outputs": {
        "steering": {"name": "wheel", "wheelbase_m": 2.8, "steering_ratio": 15.0},
        "speed_mps": {"name": "wheel", "index": 1, "scale": 10.0},
    },
}


@pytest.fixture(scope="module")
def path_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """(1, 3, 48, 64) -> (1, 10, 2): straight on at 4 m a step, a little to the left where the picture is brighter."""
    straight = np.stack([np.arange(1, 11) * 4.0, np.zeros(10)], axis=1).astype(np.float32)[None]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["brightness"], keepdims=0),
        helper.make_node("Mul", ["brightness", "aside"], ["moved"]),
        helper.make_node("Add", ["straight", "moved"], ["path"]),
    ]
    aside = np.array([0.0, 0.1], np.float32)
    shapes = {"image": [1, 3, 48, 64]}, {"path": [1, 10, 2]}
    return save(tmp_path_factory.mktemp("path") / "m.onnx", nodes, *shapes, straight=straight, aside=aside)


@pytest.fixture(scope="module")
def steering_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """(20, 32, 1), speed, turn and a counter -> wheel angle (0.01 rad a tick driven, 0.5 by command) and speed."""
    nodes = [
        helper.make_node("ReduceMean", ["view"], ["grey"], keepdims=0),
        helper.make_node("Mul", ["grey", "zero"], ["nothing"]),
        helper.make_node("Add", ["memory_in", "one"], ["counted"]),
        helper.make_node("Add", ["counted", "nothing"], ["memory_out"]),
        helper.make_node("MatMul", ["turn", "by_command"], ["asked"]),
        helper.make_node("Mul", ["memory_out", "hundredth"], ["drifting"]),
        helper.make_node("Add", ["asked", "drifting"], ["angle"]),
        helper.make_node("Concat", ["angle", "speed"], ["wheel"], axis=0),
    ]
    return save(
        tmp_path_factory.mktemp("steering") / "m.onnx",
        nodes,
        {"view": [20, 32, 1], "speed": [1], "turn": [2], "memory_in": [1]},
        {"wheel": [2], "memory_out": [1]},
        zero=np.zeros(1, np.float32),
        one=np.ones(1, np.float32),
        hundredth=np.full(1, 0.01, np.float32),
        by_command=np.array([[0.5], [-0.5]], np.float32),
    )


@pytest.fixture(scope="module")
def int8_path_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `path_model`, with one INT8 layer between Q/DQ pairs; its largest sum does not fit where pairs saturate."""
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "step", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "step", "zero"], ["values"]),
        helper.make_node("Reshape", ["values", "flat"], ["row"]),
        helper.make_node("DequantizeLinear", ["stored", "fine", "zero_s8"], ["weights"]),
        helper.make_node("MatMul", ["row", "weights"], ["moved"]),
        helper.make_node("Reshape", ["moved", "points"], ["aside"]),
        helper.make_node("Add", ["straight", "aside"], ["path"]),
    ]
    straight = np.stack([np.arange(1, 11) * 4.0, np.zeros(10)], axis=1).astype(np.float32)[None]
    return save(
        tmp_path_factory.mktemp("int8") / "m.onnx",
        nodes,
        {"image": [1, 3, 48, 64]},
        {"path": [1, 10, 2]},
        step=np.array(1 / 64, np.float32),
        zero=np.array(128, np.uint8),
        stored=np.full((9216, 20), 127, np.int8),
        fine=np.array(1e-7, np.float32),
        zero_s8=np.array(0, np.int8),
        flat=np.array([1, 9216]),
        points=np.array([1, 10, 2]),
        straight=straight,
    )


def written(folder: Path, content: dict[str, Any]) -> Path:
    (folder / "adapter.json").write_text(json.dumps(content))
    return folder / "adapter.json"


def replayed(clip: Path, model: Path, content: dict[str, Any], folder: Path, **options: Any) -> tuple[Any, Any]:
    """The summary, and the plan table as columns."""
    adapter = written(folder, content)
    config = ReplayConfig(
        clip=clip, out=folder / "out", model=model, adapter=adapter, max_ticks=12, mcap=False, **options
    )
    summary = replay(config, show_progress=False)
    return summary, pq.read_table(folder / "out" / "plan.parquet").to_pydict()


def test_a_path_model_replays_with_every_result(small_clip: Path, path_model: Path, tmp_path: Path) -> None:
    summary, plans = replayed(small_clip, path_model, PATH, tmp_path)
    assert (summary.status, summary.ticks, summary.model.name) == ("complete", 12, "path net")
    assert plans["x_m"][5][:4] == pytest.approx([2.0, 4.0, 6.0, 8.0], abs=1e-4)
    assert plans["x_m"][5][-1] == pytest.approx(32.0, abs=1e-3)
    assert summary.scores is not None
    assert {"overlay.mp4", "report.html", "ticks.parquet"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_without_a_compressor_no_result_claims_one(small_clip: Path, path_model: Path, tmp_path: Path) -> None:
    summary, _ = replayed(small_clip, path_model, PATH, tmp_path)
    ticks = pq.read_schema(tmp_path / "out" / "ticks.parquet").names
    assert summary.compression is None
    assert not {"is_keyframe", "memory_slots", "commits", "patch_camera", "patch_block"} & set(ticks)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "compressor" not in page
    assert "class=heat" not in page


def test_a_planner_without_a_compressor_says_so(small_clip: Path, path_model: Path, tmp_path: Path) -> None:
    clip = open_clip(small_clip)
    planner = open_planner(clip.rig, path_model, written(tmp_path, PATH))
    with FrameSource(clip, max_ticks=1) as source:
        result = planner.step(next(source))
    assert (planner.metadata.budget, result.compressed, result.bind_ms) == (None, None, 0.0)
    assert planner.metadata.inputs["image"] == TensorSpec((1, 3, 48, 64), "float32")


def test_an_adapter_without_a_model_opens_no_planner(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="adapter"):
        open_planner(canonical_rig(), adapter=written(tmp_path, PATH))


def test_an_int8_file_that_needs_slower_kernels_here_says_so_in_every_result(
    small_clip: Path,
    int8_path_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("fsd.networks.onnx_session.integer_sums_are_exact", lambda: False)
    adapter = written(tmp_path, PATH)
    command = ["replay", str(small_clip), "--model", str(int8_path_model), "--adapter", str(adapter), "--no-overlay"]
    assert main([*command, "--max-ticks", "2", "--no-mcap", "--out", str(tmp_path / "out")]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["model"]["integer_kernels"] == "exact"
    assert summary["machine"]["instructions"]
    assert "WARNING      8-bit sums saturate" in capsys.readouterr().out
    assert "Slower kernels." in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_same_recording_gives_the_same_hash(small_clip: Path, path_model: Path, tmp_path: Path) -> None:
    hashes = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        summary, _ = replayed(small_clip, path_model, PATH, tmp_path / name, overlay=False, report=False)
        hashes.add((summary.input_hash, summary.plan_hash))
    assert len(hashes) == 1


def test_a_recurrent_steering_model_keeps_its_state_and_hears_speed_and_command(
    small_clip: Path, steering_model: Path, tmp_path: Path
) -> None:
    options = {"overlay": False, "report": False, "command": "left"}
    _, plans = replayed(small_clip, steering_model, STEERING, tmp_path, **options)
    wheel_rad = 0.5 + 0.01 * np.arange(1, 13)
    assert plans["curvature_per_m"] == pytest.approx(np.tan(wheel_rad / 15.0) / 2.8, rel=1e-4)
    assert plans["v_mps"][3] == pytest.approx([10.0] * 16, abs=1e-3)
    assert all(y[-1] > 0 for y in plans["y_m"])


def test_a_second_third_party_model_with_other_weights_differs_first_in_its_plan(
    small_clip: Path, steering_model: Path, tmp_path: Path
) -> None:
    model = onnx.load(steering_model)
    weight = next(each for each in model.graph.initializer if each.name == "hundredth")
    weight.CopyFrom(numpy_helper.from_array(np.full(1, 0.02, np.float32), "hundredth"))
    onnx.save(model, tmp_path / "other.onnx")
    second = {"cross_check": SecondNetwork(tmp_path / "other.onnx"), "overlay": False}
    summary, _ = replayed(small_clip, steering_model, STEERING, tmp_path, **second)
    assert summary.cross_check.kind == "network"
    assert summary.cross_check.alarm_ticks == 0  # nothing is known about how far two networks may differ
    assert {"saliency"} == UNITS.keys() - summary.cross_check.divergence.keys()
    second["cross_check_tolerance"] = {"curvature_per_m": 0.0025}
    summary, _ = replayed(small_clip, steering_model, STEERING, tmp_path, **second)
    expected = [0.01 * tick / 15 / 2.8 for tick in range(1, 13)]  # at each tick the second steers 0.01 rad more
    first = next(tick for tick, apart in enumerate(expected) if apart > 0.0025)
    assert summary.cross_check.first_alarm == FirstAlarm(tick=first, part="plan", output="curvature")
    assert summary.cross_check.divergence["curvature_per_m"].max == pytest.approx(expected[-1], rel=1e-2)


@pytest.mark.parametrize("threads", [1, 2])
def test_only_a_second_third_party_model_with_as_many_threads_must_have_the_same_bits(
    threads: int, path_model: Path, tmp_path: Path
) -> None:
    second = SecondNetwork(device="cpu", threads=threads)
    planner = open_planner(canonical_rig(), path_model, written(tmp_path, PATH), cross_check=second)
    settings = planner.metadata.cross_check
    assert settings is not None
    assert (settings.kind, settings.is_exact) == (("same", True) if threads == 1 else ("threads", False))


@pytest.mark.parametrize(("content", "inputs"), [(PATH, "image"), (STEERING, "memory_in")])
def test_a_third_party_model_is_profiled_in_every_scenario(
    content: dict[str, Any],
    inputs: str,
    small_clip: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = request.getfixturevalue("path_model" if content is PATH else "steering_model")
    config = ProfileConfig(
        clip=small_clip,
        out=tmp_path / "out",
        model=model,
        adapter=written(tmp_path, content),
        ticks=12,
        warm_up=2,
        control_s=0.0,
        trace_ticks=3,
        budget_watts=300,
        cross_check=SecondNetwork(device="cpu"),
    )
    summary = profile(config, progress=lambda line: None)
    assert list(summary.scenarios) == [*SCENARIOS, "model-only"]
    assert all(scenario.planned > 0 for scenario in summary.scenarios.values())
    assert (summary.model.name, summary.model.adapter) == (content["name"], content["name"])
    assert inputs in str(summary.model.inputs)
    assert summary.cross_check is not None
    assert (summary.cross_check.kind, summary.cross_check.alarm_ticks) == ("same", 0)
    assert {gate.name: gate.is_met for gate in summary.gates}["cross-check"]
    assert list(summary.execution.operators) == ["CPUExecutionProvider"]
    assert {each.kind for each in summary.operators} >= {"ReduceMean"}
    assert summary.devices[0].watts.tag == "modelled"
    largest = summary.largest_that_fits["tesla_fsd_hw3"]
    assert largest is not None
    assert largest.budget == "as it is"
    assert {"trace.json", "samples.parquet", "report.html"} <= {path.name for path in config.out.iterdir()}
    print_profile(summary, config.out)
    assert f"{content['name']} on small" in capsys.readouterr().out


def test_profiling_hands_the_recurrent_state_on_from_tick_to_tick(steering_model: Path, tmp_path: Path) -> None:
    planner = AdapterPlanner(steering_model, written(tmp_path, STEERING))
    frame_set = FrameSet(0, 0, (None,) * 8, np.full(8, -1), np.zeros(8, bool), np.zeros(8, bool))
    planner.step(frame_set)
    for _ in range(3):
        planner.rerun_last()
    assert planner.inputs["memory_in"] == pytest.approx([4.0])


def test_profiling_an_adapter_without_its_model_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "--adapter", "other.json"]) == 2
    assert "--model" in capsys.readouterr().err


def test_a_file_alone_takes_no_adapter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "--onnx", "other.onnx", "--adapter", "other.json"]) == 2
    assert "--onnx" in capsys.readouterr().err


def test_an_output_that_is_not_finite_becomes_a_plan_to_stop(small_clip: Path, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "zero"], ["infinite"]),
        helper.make_node("Add", ["infinite", "flat"], ["path"]),
    ]
    constants = {"zero": np.zeros((), np.float32), "flat": np.zeros((1, 10, 2), np.float32)}
    model = save(tmp_path / "nan.onnx", nodes, {"image": [1, 3, 48, 64]}, {"path": [1, 10, 2]}, **constants)
    summary, _ = replayed(small_clip, model, PATH, tmp_path, overlay=False, report=False)
    assert summary.plan_is_finite is True
    assert summary.health == {"plan=stop": 12}
    assert summary.replaced_outputs == {"path": 12}


@pytest.fixture
def counting_model(tmp_path: Path) -> Path:
    """A path straight on at 5 m/s, whose first x is 10^`exponent` once a counter in the state passes 4."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["count_in", "one"], ["counted"]),
        helper.make_node("Add", ["counted", "nothing"], ["count_out"]),
        helper.make_node("Greater", ["count_out", "four"], ["late"]),
        helper.make_node("Cast", ["late"], ["late_1"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["late_1", "far"], ["added"]),
        helper.make_node("Add", ["straight", "added"], ["path"]),
    ]
    straight = np.stack([np.arange(1, 11) * 2.5, np.zeros(10)], axis=1).astype(np.float32)[None]
    far = np.zeros((1, 10, 2), np.float32)
    far[0, 0, 0] = 1e35
    constants = {name: np.full(1, value, np.float32) for name, value in (("zero", 0), ("one", 1), ("four", 4))}
    shapes = {"image": [1, 3, 48, 64], "count_in": [1]}, {"path": [1, 10, 2], "count_out": [1]}
    return save(tmp_path / "far.onnx", nodes, *shapes, straight=straight, far=far, **constants)


def test_a_plan_beyond_any_vehicle_is_held_then_stopped_and_named(
    small_clip: Path, counting_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = written(tmp_path, {**PATH, "state": [{"output": "count_out", "input": "count_in"}]})
    files = ["--model", str(counting_model), "--adapter", str(adapter), "--out", str(tmp_path / "out")]
    assert main(["replay", str(small_clip), *files, "--max-ticks", "24", "--no-overlay", "--no-mcap"]) == 0
    plans = pq.read_table(tmp_path / "out" / "plan.parquet").to_pydict()
    assert plans["health"] == ["ok"] * 4 + ["plan=held"] * 18 + ["plan=stop"] * 2
    assert plans["x_m"][4:22] == [plans["x_m"][3]] * 18
    assert np.isfinite(plans["x_m"]).all()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["replaced_outputs"] == {"path": 20}
    assert "the output path at 20 ticks" in capsys.readouterr().out
    assert "the output path at 20 ticks" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


IMAGE = PATH["images"][0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "field", "facts"),
    [
        ({"images": []}, "images", []),
        ({"images": [{**IMAGE, "camera": "bonnet"}]}, "images[0].camera", ["bonnet", "front_main"]),
        ({"images": [{**IMAGE, "colour": "hsv"}]}, None, ["hsv", "images[0].colour"]),
        ({"images": [{**IMAGE, "mean": [0, 0]}]}, "images[0].mean", ["2"]),
        ({"imagse": []}, None, ["imagse"]),
        ({"outputs": {}}, "outputs", ["waypoints", "steering"]),
        ({"commands": [{"name": "c", "values": {"fly": [1]}}]}, "commands[0].values", ["fly"]),
        ({"images": [{**IMAGE, "colour": "RGB"}]}, None, ["images[0].colour", "bgr, gray, rgb, yuv420"]),
        ({"outputs": {"waypoints": {"name": "p", "points": 0, "step_s": 1}}}, None, ["outputs.waypoints.points"]),
    ],
)
def test_a_wrong_adapter_is_refused_with_the_field(
    change: dict[str, Any], field: str | None, facts: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as error:
        load_adapter(written(tmp_path, {**PATH, **change}))
    assert error.value.field == field
    assert all(fact in str(error.value) for fact in facts)


@pytest.mark.parametrize(
    ("change", "field", "facts"),
    [
        ({"images": [{**IMAGE, "name": "img"}]}, "images[0].name", ["img", "image"]),
        ({"images": [{**IMAGE, "width_px": 32}]}, "images[0].name", ["[1, 3, 48, 32]", "[1, 3, 48, 64]"]),
        ({"images": [{**IMAGE, "layout": "nhwc"}]}, "images[0].name", ["[1, 48, 64, 3]", "[1, 3, 48, 64]"]),
        ({"state": [{"output": "path", "input": "image"}]}, "state[0].input", ["'image'", "images[0].name"]),
        ({"outputs": {"waypoints": {"name": "path", "points": 11, "step_s": 0.5}}}, "outputs.waypoints", ["22"]),
        ({"outputs": {"curvature_per_m": {"name": "k"}}}, "outputs.curvature_per_m", ["'k'", "path"]),
    ],
)
def test_an_adapter_for_another_model_is_refused_with_both_shapes(
    change: dict[str, Any], field: str, facts: list[str], path_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as error:
        AdapterPlanner(path_model, written(tmp_path, {**PATH, **change}))
    assert error.value.field == field
    assert all(fact in str(error.value) for fact in facts)


def test_an_input_without_a_source_is_named(steering_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        AdapterPlanner(steering_model, written(tmp_path, {**STEERING, "commands": []}))
    assert error.value.field == "turn"


def test_an_adapter_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="adapter"):
        ReplayConfig(clip=tmp_path, adapter=tmp_path / "a.json")
