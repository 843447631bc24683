"""Every mistake in the fields of outputs, state and rate is named with its field and the facts."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fsd.data.errors import ModelError
from fsd.networks.onnx_session import Signature
from fsd.third_party.adapter import Adapter, check_model
from fsd.third_party.output_checks import output_problems, outputs_read

PATH = {"name": "path", "points": 2, "step_s": 1.0}
IMAGE = {"name": "image", "camera": "rear", "width_px": 8, "height_px": 8}
BASE: dict[str, Any] = {"name": "a", "images": [IMAGE], "outputs": {"waypoints": PATH}}
COMPRESSED = {"budget": "B100", "tensors": {"retina": "retina"}}


def adapter_of(**change: Any) -> Adapter:
    return msgspec.convert({**BASE, **change}, Adapter)


def path_of(**change: Any) -> dict[str, Any]:
    return {"outputs": {"waypoints": {**PATH, **change}}}


@pytest.mark.parametrize(
    ("change", "field", "fact"),
    [
        ({"outputs": {}}, "outputs", "lateral_offset"),
        ({"outputs": {"curvature_per_m": {"name": "c"}, "yaw_rate_rps": {"name": "c"}}}, "outputs", "keep one"),
        ({"outputs": {"waypoints": PATH, "acceleration_mps2": []}}, "outputs.acceleration_mps2", "empty"),
        (path_of(step_s=None), "outputs.waypoints", "times_s"),
        (path_of(times_s=[1.0, 2.0]), "outputs.waypoints", "not both"),
        (path_of(step_s=None, times_s=[1.0]), "outputs.waypoints.times_s", "1 times for 2"),
        (path_of(step_s=None, times_s=[1.0, 1.0]), "outputs.waypoints.times_s", "rise"),
        (path_of(step_s=None, times_s=[-1.0, 1.0]), "outputs.waypoints.times_s", "0 or later"),
        (path_of(points=1, step_s=None, times_s=[0.0]), "outputs.waypoints.times_s", "after now"),
        (path_of(columns=["x_m", "v_mps"]), "outputs.waypoints.columns", "y_m"),
        (path_of(columns=["x_m", "y_m", "x_m"]), "outputs.waypoints.columns", "twice"),
        (path_of(scale=0.0), "outputs.waypoints.scale", "0"),
        (path_of(scale_is_log=True), "outputs.waypoints.scale_start", "scale_is_log"),
        (
            path_of(mixture={"count": 2, "stride": 3, "probability_start": 0}),
            "outputs.waypoints.mixture.stride",
            "4 numbers",
        ),
        (path_of(by_command={"fly": {"start": 1}}), "outputs.waypoints.by_command", "'fly'"),
        ({"outputs": {"waypoints": PATH, "saliency": "s"}}, "outputs.saliency", "compressed"),
        ({"state": [{"output": "o", "input": "i", "slots": True}]}, "state", "compressed"),
        ({"rate_hz": 50.0}, "rate_hz", "36"),
        (
            {"rate_hz": 10.0, "compressed": COMPRESSED, "state": [{"output": "o", "input": "i", "slots": True}]},
            "rate_hz",
            "slots",
        ),
    ],
)
def test_a_field_that_makes_no_sense_is_named(change: dict[str, Any], field: str, fact: str) -> None:
    name, problem = next(output_problems(adapter_of(**change)))
    assert name == field
    assert fact in problem


@pytest.mark.parametrize("change", [{}, {"rate_hz": 36.0}, path_of(step_s=None, times_s=[0.0, 0.5])])
def test_a_sensible_adapter_has_no_problem(change: dict[str, Any]) -> None:
    assert list(output_problems(adapter_of(**change))) == []


INPUTS: Signature = {"image": ((1, 3, 8, 8), "float32"), "memory": ((1, 6), "float32"), "token": ((2,), "int64")}
OUTPUTS: Signature = {
    "path": ((1, 10), "float32"),
    "half": ((1, 6), "float16"),
    "wide": ((12,), "float32"),
    "free": ((-1, 6), "float32"),
    "tokens": ((2,), "int64"),
}


def misfit(**change: Any) -> ModelError:
    state = change.pop("state", [])
    registers = change.pop("shift_registers", [])
    filled = {each["input"] for each in (*state, *registers)}
    inputs = {name: spec for name, spec in INPUTS.items() if name == "image" or name in filled}
    with pytest.raises(ModelError) as error:
        check_model(adapter_of(state=state, shift_registers=registers, **change), inputs, OUTPUTS, "model")
    return error.value


@pytest.mark.parametrize(
    ("change", "field", "facts"),
    [
        (path_of(points=6), "outputs.waypoints", ["12 numbers", "[1, 10]"]),
        (path_of(start=7), "outputs.waypoints", ["11", "[1, 10]"]),
        (path_of(name="paths"), "outputs.waypoints", ["'paths'", "path, half"]),
        (path_of(scale_start=7), "outputs.waypoints.scale_start", ["11"]),
        (path_of(scale_start=9, scale_name="wide"), "outputs.waypoints.scale_name", ["13", "'wide'"]),
        (path_of(by_command={"left": {"start": 8}}), "outputs.waypoints.by_command.left", ["12"]),
        (path_of(mixture={"count": 3, "stride": 4, "probability_start": 0}), "outputs.waypoints", ["12"]),
        (
            path_of(mixture={"count": 2, "stride": 4, "probability_start": 10}),
            "outputs.waypoints.mixture.probability_start",
            ["12"],
        ),
        (
            {"outputs": {"waypoints": PATH, "acceleration_mps2": [{"name": "wide"}, {"name": "wide", "index": 12}]}},
            "outputs.acceleration_mps2[1]",
            ["13 numbers", "[12]"],
        ),
        ({"outputs": {"waypoints": PATH, "lead": "wide"}}, "outputs.lead", ["2 numbers", "[12]"]),
        ({"state": [{"output": "gone", "input": "memory"}]}, "state[0].output", ["'gone'", "tokens"]),
        ({"state": [{"output": "wide", "input": "memory"}]}, "state[0]", ["12", "6", "start"]),
        ({"state": [{"output": "wide", "input": "memory", "start": 7}]}, "state[0]", ["6 numbers from 7", "12"]),
        ({"state": [{"output": "tokens", "input": "memory"}]}, "state[0]", ["int64", "float32"]),
        ({"state": [{"output": "tokens", "input": "token", "reset": 0.5}]}, "state[0]", ["0.5", "int64"]),
        ({"shift_registers": [{"output": "wide", "input": "memory", "axis": 2}]}, "shift_registers[0]", ["2 axes"]),
        ({"shift_registers": [{"output": "wide", "input": "memory"}]}, "shift_registers[0]", ["12", "1 are taken"]),
    ],
)
def test_a_field_that_does_not_fit_the_model_is_named(change: dict[str, Any], field: str, facts: list[str]) -> None:
    error = misfit(**change)
    assert error.field == field
    assert all(fact in str(error) for fact in facts)


@pytest.mark.parametrize(
    "state",
    [
        {"output": "half", "input": "memory"},
        {"output": "wide", "input": "memory", "start": 6},
        {"output": "free", "input": "memory"},
    ],
)
def test_a_state_that_fits_is_accepted(state: dict[str, Any]) -> None:
    inputs = {name: INPUTS[name] for name in ("image", "memory")}
    check_model(adapter_of(state=[state]), inputs, OUTPUTS, "model")


def test_each_output_is_asked_for_once() -> None:
    change = path_of(by_command={"left": {"name": "wide"}}, scale_start=4, scale_name="wide")
    registers = [{"output": "half", "input": "memory"}]
    assert outputs_read(adapter_of(**change, shift_registers=registers)) == ["path", "wide", "half"]


def test_the_outputs_in_the_documentation_are_sensible() -> None:
    text = (Path(__file__).parents[3] / "docs" / "adapter.md").read_text(encoding="utf-8")
    example = re.search(r"## Outputs.*?^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert example is not None
    adapter = adapter_of(outputs=msgspec.json.decode(example[1]))
    assert list(output_problems(adapter)) == []
    mixture = adapter.outputs.waypoints and adapter.outputs.waypoints.mixture
    assert mixture is not None
    assert mixture.stride == 33 * 4 * 2 + 1
