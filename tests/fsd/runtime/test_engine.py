import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fsd.compression.budget import ALL_BUDGETS, DEFAULT_BUDGET
from fsd.data.ego import EgoSample
from fsd.data.errors import ModelError
from fsd.export.synthetic_clip import synthetic_steps
from fsd.networks.contract import output_shapes
from fsd.networks.input_buffers import TickInput
from fsd.runtime.engine import Engine, packaged_model
from fsd.runtime.plan_limits import HOLD_TICKS

PACKAGED = ALL_BUDGETS[DEFAULT_BUDGET]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(autouse=True)
def _fresh(engine: Engine) -> None:
    engine.reset()


@pytest.fixture(scope="module")
def steps() -> list[TickInput]:
    return list(synthetic_steps(PACKAGED, 24, seed=1))


def run(engine: Engine, steps: list[TickInput]) -> list[np.ndarray]:
    return [engine.step(*step)["trajectory"].copy() for step in steps]


def save(model: Any, path: Path) -> None:
    """Write a changed copy of the packaged model, with its digest."""
    from fsd.export.metadata import read_metadata, write_model

    write_model(model, read_metadata(packaged_model()), path)


def test_running_the_packaged_model_imports_neither_torch_nor_onnx() -> None:
    script = (
        "import sys; from fsd.runtime.engine import Engine; from fsd.export.synthetic_clip import synthetic_steps; "
        "e = Engine(); [e.step(*s) for s in synthetic_steps(e.budget, 2)]; "
        "sys.exit(bool({'torch', 'onnx', 'onnxscript'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_packaged_model_says_whether_it_was_trained_and_is_small() -> None:
    engine = Engine()
    assert isinstance(engine.metadata.trained, bool)
    assert engine.metadata.precision == "int8"
    assert engine.budget == PACKAGED
    assert packaged_model().stat().st_size < 10e6


def test_outputs_are_those_of_the_contract_and_finite(engine: Engine, steps: list[TickInput]) -> None:
    outputs = engine.step(*steps[0])
    assert {name: value.shape for name, value in outputs.items()} == {
        name: shape for name, (shape, _) in output_shapes(len(engine.metadata.hypotheses_mps2)).items()
    }
    assert all(np.isfinite(value).all() for value in outputs.values())
    assert engine.plan_source == "network"


def test_the_same_ticks_give_the_same_plans_bit_by_bit(engine: Engine, steps: list[TickInput]) -> None:
    first = run(engine, steps)
    engine.reset()
    assert np.array_equal(first, run(engine, steps))


def test_memory_reaches_later_plans(engine: Engine, steps: list[TickInput]) -> None:
    with_memory = run(engine, steps)[-1]
    engine.reset()
    assert not np.array_equal(with_memory, run(engine, steps[-1:])[0])


def test_no_buffer_moves_from_tick_to_tick(engine: Engine, steps: list[TickInput]) -> None:
    first = {name: value.ctypes.data for name, value in engine.step(*steps[0]).items()}
    assert {name: value.ctypes.data for name, value in engine.step(*steps[1]).items()} == first


def test_a_tick_of_another_budget_is_refused_with_both_shapes(engine: Engine) -> None:
    step = next(synthetic_steps(replace(PACKAGED, patch_count=20), 1))
    with pytest.raises(ModelError, match=r"`patches`.*\(69, 6, 16, 16\).*\(20, 6, 16, 16\)"):
        engine.step(*step)


def broken(step: TickInput) -> TickInput:
    """The same tick with a memory pose that is not finite."""
    return step._replace(tick=replace(step.tick, memory_pose=np.full_like(step.tick.memory_pose, np.nan)))


def test_a_plan_that_is_not_finite_is_replaced_by_the_last_finite_one(engine: Engine, steps: list[TickInput]) -> None:
    good = run(engine, steps)[-1]
    assert np.array_equal(engine.step(*broken(steps[-1]))["trajectory"], good)
    assert (engine.plan_source, engine.replaced, engine.replaced_ticks) == ("held", "inputs", 1)


def test_the_network_takes_over_again_as_soon_as_it_can(engine: Engine, steps: list[TickInput]) -> None:
    run(engine, [steps[0], broken(steps[1]), steps[2]])
    assert engine.plan_source == "network"
    assert engine.replaced_ticks == 1


def test_after_half_a_second_without_a_finite_plan_the_car_stops(engine: Engine, steps: list[TickInput]) -> None:
    run(engine, steps)
    step = broken(steps[-1])._replace(ego=EgoSample(9.0, 0.0))
    plans = run(engine, [step] * (HOLD_TICKS + 1))
    assert engine.plan_source == "stop"
    assert np.isfinite(plans).all()
    assert np.abs(plans[-1][:, 1]).max() == 0
    assert plans[-1][-1, 3] == 0
    assert plans[-1][-1, 0] == pytest.approx(13.5)  # v² / 2a


def test_without_any_finite_plan_the_car_stands(engine: Engine, steps: list[TickInput]) -> None:
    outputs = engine.step(*broken(steps[0])._replace(ego=None))
    assert engine.plan_source == "stop"
    assert not outputs["trajectory"].any()


def test_nothing_is_committed_from_an_output_that_is_not_finite(engine: Engine, steps: list[TickInput]) -> None:
    engine.step(*broken(steps[0]))
    assert not engine.inputs["memory_k"].any()


def test_not_a_number_never_leaves_even_if_the_model_makes_it(steps: list[TickInput], tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(packaged_model())
    name = next(node.input[1] for node in model.graph.node if node.name == "plan_head.curvatures/MatMul")
    weight = next(entry for entry in model.graph.initializer if entry.name == name)
    values = onnx.numpy_helper.to_array(weight) * np.float32("nan")
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    save(model, tmp_path / "m.onnx")
    engine = Engine(tmp_path / "m.onnx")
    outputs = engine.step(*steps[0])
    assert engine.plan_source == "stop"
    assert all(np.isfinite(value).all() for value in outputs.values())


def test_a_finite_plan_that_no_vehicle_could_follow_is_replaced_and_named(
    engine: Engine, steps: list[TickInput], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(engine, steps)
    outputs = engine.step(*steps[-1])
    run_model = engine._network.run

    def absurd() -> None:
        run_model()
        outputs["curvature"][0] = 30.0

    monkeypatch.setattr(engine, "_network", SimpleNamespace(run=absurd))
    memory = engine.inputs["memory_k"].copy()
    assert np.isfinite(engine.step(*steps[-1])["curvature"]).all()
    assert (engine.plan_source, engine.replaced, engine.replaced_ticks) == ("held", "curvature", 1)
    assert np.array_equal(engine.inputs["memory_k"], memory)


def test_reset_recovers_from_a_poisoned_memory(engine: Engine, steps: list[TickInput]) -> None:
    expected = run(engine, steps)
    engine.inputs["memory_v"][:] = np.nan
    run(engine, steps)
    engine.reset()
    assert np.array_equal(run(engine, steps), expected)


def test_a_missing_model_names_the_file_and_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx.*fsd export"):
        Engine(tmp_path / "none.onnx")


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(packaged_model().read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"m\.onnx"):
        Engine(path)


def test_a_model_that_carries_no_metadata_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(packaged_model())
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"m\.onnx.*`fsd`"):
        Engine(tmp_path / "m.onnx")


def test_a_model_whose_graph_is_not_what_its_metadata_says_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(packaged_model())
    next(entry for entry in model.graph.input if entry.name == "ego").name = "speed"
    for node in model.graph.node:
        node.input[:] = ["speed" if name == "ego" else name for name in node.input]
    save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"ego.*speed"):
        Engine(tmp_path / "m.onnx")


def test_a_thread_count_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="threads"):
        Engine(threads=0)
