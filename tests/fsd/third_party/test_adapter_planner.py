"""A third-party model from tick to tick: state, rate, several files, and what is read of its outputs."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

onnx = pytest.importorskip("onnx")

from fsd.cli import main  # noqa: E402
from fsd.data.ego import EgoSample  # noqa: E402
from fsd.data.errors import ModelError  # noqa: E402
from fsd.data.standard_rigs import canonical_rig  # noqa: E402
from fsd.networks.contract import WAYPOINT_TIMES_S  # noqa: E402
from fsd.networks.export_record import EXPORT_KEY, ExportRecord  # noqa: E402
from fsd.replay.config import ReplayConfig  # noqa: E402
from fsd.replay.fingerprint import fingerprint  # noqa: E402
from fsd.runtime.second_network import SecondNetwork  # noqa: E402
from fsd.third_party.adapter_planner import AdapterPlanner  # noqa: E402
from fsd.third_party.open_planner import open_planner  # noqa: E402
from tests.fsd.third_party._models import empty_frame_set, node, save  # noqa: E402

IMAGE = {"name": "image", "camera": "front_main", "width_px": 8, "height_px": 8}
COUNTER: dict[str, Any] = {
    "name": "counter",
    "images": [IMAGE],
    "state": [{"output": "count_out", "input": "count_in", "reset": 10.0}],
    "shift_registers": [{"output": "count_out", "input": "last", "axis": 1}],
    "outputs": {"curvature_per_m": {"name": "answer", "scale": 1e-4}},
}


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    """count_out (1,) = count_in + 1; answer (3,) = count_out, NaN, and the sum of `last` (1, 3)."""
    nodes = [
        node("ReduceMean", ["image"], "mean", keepdims=0),
        node("Mul", ["mean", "zero"], "nothing"),
        node("Add", ["count_in", "one"], "counted"),
        node("Add", ["counted", "nothing"], "count_out"),
        node("ReduceSum", ["last", "axes"], "sum", keepdims=0),
        node("Concat", ["count_out", "nan", "sum"], "answer", axis=0),
    ]
    constants = {name: np.full(1, value, np.float32) for name, value in (("zero", 0), ("one", 1), ("nan", np.nan))}
    inputs = {"image": [1, 3, 8, 8], "count_in": [1], "last": [1, 3]}
    outputs = {"count_out": [1], "answer": [3]}
    return save(tmp_path / "counter.onnx", nodes, inputs, outputs, **constants, axes=np.array([1]))


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "adapter.json"
    path.write_text(json.dumps(content))
    return path


def test_state_and_registers_move_once_a_step_and_start_anew_with_a_run(counter: Path, tmp_path: Path) -> None:
    planner = AdapterPlanner(counter, written(tmp_path, COUNTER))
    for run in (0, 1):
        for step in range(5):
            planner.step(empty_frame_set(5 * run + step, run))
            counts = [max(number, 0) for number in range(step - 1, step + 2)]
            assert planner.outputs["answer"][0] == 11 + step
            assert planner.inputs["last"].tolist() == [[10 + count if count else 0 for count in counts]]


def test_an_element_that_nobody_reads_may_be_anything(counter: Path, tmp_path: Path) -> None:
    result = AdapterPlanner(counter, written(tmp_path, COUNTER)).step(empty_frame_set(0), EgoSample(5.0, 0.0))
    assert (result.replaced, result.plan.curvature_per_m) == ("", pytest.approx(1.1e-3))
    read = {**COUNTER, "outputs": {"curvature_per_m": {"name": "answer", "index": 1}}}
    stopped = AdapterPlanner(counter, written(tmp_path, read)).step(empty_frame_set(0), EgoSample(5.0, 0.0))
    assert (stopped.replaced, stopped.plan.health.split(";")[-1]) == ("answer", "plan=stop")


def test_a_state_that_is_not_finite_is_not_carried(counter: Path, tmp_path: Path) -> None:
    state = [{"output": "answer", "input": "count_in", "start": 1}]
    planner = AdapterPlanner(
        counter,
        written(
            tmp_path,
            {**COUNTER, "state": state, "shift_registers": []} | {"constants": [{"name": "last", "values": [0.0]}]},
        ),
    )
    assert planner.step(empty_frame_set(0)).replaced == "answer"
    assert planner.inputs["count_in"].tolist() == [0]


def test_between_steps_the_plan_is_that_of_a_car_that_followed_it(counter: Path, tmp_path: Path) -> None:
    planner = AdapterPlanner(counter, written(tmp_path, {**COUNTER, "rate_hz": 12.0}))
    results = [planner.step(empty_frame_set(tick), EgoSample(8.0, 0.0)) for tick in range(7)]
    assert [result.plan_age_ticks for result in results] == [0, 1, 2, 0, 1, 2, 0]
    curvatures = [result.plan.curvature_per_m for result in results]
    assert curvatures == pytest.approx([1.1e-3] * 3 + [1.2e-3] * 3 + [1.3e-3])
    assert {result.plan.health.split(";")[-1] for result in results} == {
        "missing=" + ",".join(camera.name for camera in canonical_rig().cameras)
    }
    assert len({result.input_hash for result in results}) == 3
    # The rest of a circle is the same circle; its end lies on the tangent.
    inside = WAYPOINT_TIMES_S < 3.9
    assert results[2].plan.trajectory[inside] == pytest.approx(results[0].plan.trajectory[inside], abs=1e-3)


def test_a_slow_model_that_fails_is_held_then_stopped(counter: Path, tmp_path: Path) -> None:
    content = {**COUNTER, "rate_hz": 12.0, "outputs": {"curvature_per_m": {"name": "answer", "scale": 0.08}}}
    planner = AdapterPlanner(counter, written(tmp_path, content))  # 0.88, 0.96, then over 1/m
    results = [planner.step(empty_frame_set(tick), EgoSample(1.0, 0.0)) for tick in range(27)]
    flags = ["plan=" + result.plan.health.partition("plan=")[2] for result in results]
    assert flags == ["plan="] * 6 + ["plan=held"] * 18 + ["plan=stop"] * 3
    assert [result.replaced for result in results[5:8]] == ["", "answer", "answer"]
    assert [result.plan_age_ticks for result in results[-5:]] == [19, 20, 0, 0, 0]


@pytest.mark.parametrize(("ego", "source"), [(EgoSample(3.0, 0.0), "recorded"), (None, "assumed")])
def test_a_model_that_steers_only_says_whose_speed_it_drives_at(
    ego: EgoSample | None, source: str, counter: Path, tmp_path: Path
) -> None:
    planner = AdapterPlanner(counter, written(tmp_path, {**COUNTER, "assumed_speed_mps": 7.0}))
    result = planner.step(empty_frame_set(0), ego)
    assert (result.speed_source, planner.metadata.assumed_speed_mps) == (source, 7.0)
    assert result.plan.trajectory[0, 3] == (3.0 if ego else 7.0)


def test_a_replay_says_how_old_its_plans_are_and_at_which_speed(
    small_clip: Path, counter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = written(tmp_path, {**COUNTER, "rate_hz": 9.0, "trained_on": "a counter"})
    files = ["--model", str(counter), "--adapter", str(adapter), "--out", str(tmp_path / "out")]
    assert main(["replay", str(small_clip), *files, "--max-ticks", "10", "--no-overlay", "--no-mcap"]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["plan_age"] == {"held_ticks": 7, "mean_ticks": 1.3, "max_ticks": 3}
    assert summary["speed_ticks"] == {"recorded": 10}
    assert (summary["model"]["rate_hz"], summary["model"]["trained_on"]) == (9.0, "a counter")
    ages = pq.read_table(tmp_path / "out" / "ticks.parquet")["plan_age_ticks"].to_pylist()
    assert ages == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    printed = capsys.readouterr().out
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for fact in ("trained on a counter", "9 Hz", "7 of 10 ticks", "recorded speed at 10 ticks"):
        assert fact in printed
        assert fact in page


@pytest.fixture
def split(tmp_path: Path) -> tuple[Path, Path]:
    """Vision: image -> features (2,); policy: state_in (2,) = features, and its own memory (1,) -> curvature (1,)."""
    vision = [node("ReduceMean", ["image", "axes"], "mean", keepdims=0), node("Add", ["mean", "some"], "features")]
    policy = [
        node("ReduceSum", ["state_in"], "sum", keepdims=0),
        node("Add", ["memory_in", "sum"], "memory_out"),
        node("Mul", ["memory_out", "small"], "curvature"),
    ]
    some, axes = np.array([0.25, 0.75], np.float32), np.array([0, 1, 2, 3])
    return (
        save(tmp_path / "vision.onnx", vision, {"image": [1, 3, 8, 8]}, {"features": [2]}, some=some, axes=axes),
        save(
            tmp_path / "policy.onnx",
            policy,
            {"state_in": [2], "memory_in": [1]},
            {"memory_out": [1], "curvature": [1]},
            small=np.full(1, 1e-3, np.float32),
        ),
    )


SPLIT = {
    "name": "split",
    "images": [{**IMAGE, "mean": [0.5019608]}],  # a missing camera, mid grey, is 0
    "links": [{"output": "features", "input": "state_in"}],
    "state": [{"output": "memory_out", "input": "memory_in"}],
    "outputs": {"curvature_per_m": {"name": "curvature"}},
}


def test_a_model_in_two_files_plans_and_is_checked_by_itself(split: tuple[Path, Path], tmp_path: Path) -> None:
    adapter = written(tmp_path, SPLIT)
    planner = open_planner(canonical_rig(), split, adapter, cross_check=SecondNetwork(device="cpu"))
    assert planner.models == split
    assert planner.metadata.cross_check is not None
    assert planner.metadata.cross_check.kind == "same"
    results = [planner.step(empty_frame_set(tick)) for tick in range(3)]
    assert [result.plan.curvature_per_m for result in results] == pytest.approx([1e-3, 2e-3, 3e-3], rel=1e-3)
    assert all(result.divergence is not None and not result.divergence.alarms for result in results)


def test_several_files_need_an_adapter_and_all_of_them(split: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="adapter"):
        open_planner(canonical_rig(), split)
    with pytest.raises(ModelError, match="several files") as error:
        open_planner(canonical_rig(), split[0], written(tmp_path, SPLIT))
    assert error.value.field == "state[0].input"


def test_the_fingerprint_covers_every_file(small_clip: Path, split: tuple[Path, Path], tmp_path: Path) -> None:
    def model_digest(*files: Path) -> str:
        config = ReplayConfig(clip=small_clip, out=tmp_path / "out", model=files, adapter=adapter)
        assert config.model_files == (*files, adapter)
        return fingerprint(config).model

    adapter = written(tmp_path, SPLIT)
    digests = {model_digest(*split), model_digest(*reversed(split)), model_digest(split[0])}
    split[1].write_bytes(split[1].read_bytes() + b"\0")
    assert len({*digests, model_digest(*split)}) == 4


def test_a_recording_without_the_only_camera_is_refused(counter: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        open_planner(canonical_rig(), counter, written(tmp_path, COUNTER), recorded=["rear"])
    assert error.value.field == "images"


def test_a_file_of_an_export_states_its_precision(counter: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "a.json"
    adapter.write_text(json.dumps(COUNTER))
    assert AdapterPlanner(counter, adapter).metadata.precision == "as given"
    model = onnx.load(counter)
    record = ExportRecord(name="counter", precision="int8", target="ort-cpu")
    onnx.helper.set_model_props(model, {EXPORT_KEY: msgspec.json.encode(record).decode()})
    onnx.save(model, tmp_path / "int8.onnx")
    assert AdapterPlanner(tmp_path / "int8.onnx", adapter).metadata.precision == "int8"
