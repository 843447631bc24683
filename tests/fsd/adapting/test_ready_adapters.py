"""Each ready adapter drives a stand-in model of exactly its network's inputs and outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd.data.errors import ModelError
from fsd.data.frame_source import FrameSource
from fsd.data.open_clip import open_clip
from fsd.runtime.planner import StepResult
from fsd.third_party.adapter import load_adapter
from fsd.third_party.adapter_planner import AdapterPlanner
from fsd.third_party.ready_adapters import adapter_file, ready_names

TICKS = 24
SPEED_MPS = 10.0
"""Of the small clip, and of the plans that the stand-in models make."""

YUV = ((1, 12, 128, 256), "uint8")
TIMES_S = 10 * (np.arange(33) / 32) ** 2


def openpilot_plan(size: int, start: int = 0, count: int = 1) -> np.ndarray:
    """Plans ahead at 10 m/s in a flat output; of several, the second is most probable and drifts 2 m to the right."""
    output = np.zeros(size)
    for index in range(count):
        plan = np.zeros((33, 15))
        plan[:, 0], plan[:, 3] = SPEED_MPS * TIMES_S, SPEED_MPS
        plan[:, 1] = np.linspace(0, 2, 33) if index == 1 else 0.0
        begin = start + 991 * index
        output[begin : begin + 495] = plan.ravel()
        if count > 1:
            output[begin + 990] = 5.0 if index == 1 else 0.0
    return output


def carla_waypoints() -> np.ndarray:
    """Four points, x to the right and y backwards: 0.5 s apart at 10 m/s, drifting to the right."""
    return np.stack([np.arange(1, 5) * 0.1, -SPEED_MPS * 0.5 * np.arange(1, 5)], axis=1)


@dataclass(frozen=True)
class Network:
    """Inputs and outputs of one file each, and what its outputs are."""

    models: list[tuple[str, dict[str, Any], dict[str, Any]]]
    base: dict[str, np.ndarray]
    drifts: float = 0.0
    """Sign of the plan's y at its end: the side that its outputs turn to."""
    gain: float = 1e-6
    state: tuple[str, ...] = ()
    """Inputs that the outputs fill."""


SUPERCOMBO = {
    "input_imgs": ((1, 12, 128, 256), "float32"),
    "big_input_imgs": ((1, 12, 128, 256), "float32"),
    "traffic_convention": ((1, 2), "float32"),
}
NETWORKS = {
    "openpilot": Network(
        [
            (
                "supercombo",
                {
                    **SUPERCOMBO,
                    "desire": ((1, 100, 8), "float32"),
                    "lateral_control_params": ((1, 2), "float32"),
                    "prev_desired_curv": ((1, 100, 1), "float32"),
                    "features_buffer": ((1, 99, 512), "float32"),
                },
                {"outputs": ((1, 6504), "float32")},
            )
        ],
        {"outputs": openpilot_plan(6504, count=5)},
        drifts=-1.0,
        state=("features_buffer", "prev_desired_curv"),
    ),
    "openpilot_20hz": Network(
        [
            (
                "supercombo",
                {
                    **{name: (shape, "float16") for name, (shape, _) in SUPERCOMBO.items()},
                    "desire": ((1, 25, 8), "float16"),
                    "features_buffer": ((1, 24, 512), "float16"),
                },
                {"outputs": ((1, 6500), "float16")},
            )
        ],
        {"outputs": openpilot_plan(6500, count=5)},
        drifts=-1.0,
        state=("features_buffer",),
    ),
    "openpilot_split": Network(
        [
            ("driving_vision", {"img": YUV, "big_img": YUV}, {"outputs": ((1, 1576), "float32")}),
            (
                "driving_policy",
                {
                    "desire_pulse": ((1, 25, 8), "float32"),
                    "traffic_convention": ((1, 2), "float32"),
                    "features_buffer": ((1, 25, 512), "float32"),
                },
                {"outputs": ((1, 1000), "float32")},
            ),
        ],
        {"driving_policy.outputs": openpilot_plan(1000)},
        state=("features_buffer",),
    ),
    "auto_e2e": Network(
        [
            (
                "auto_e2e",
                {
                    "camera_tiles": ((1, 7, 3, 256, 256), "float32"),
                    "map_context": ((1, 3, 256, 256), "float32"),
                    "visual_history": ((1, 896), "float32"),
                    "egomotion_history": ((1, 256), "float32"),
                },
                {"trajectory": ((1, 128), "float32")},
            )
        ],
        {"trajectory": np.tile([0.0, 0.01], 64)},
        drifts=1.0,
    ),
    "pilotnet": Network(
        [("pilotnet", {"image": ((1, 3, 66, 200), "float32")}, {"inverse_radius": ((1, 1), "float32")})],
        {"inverse_radius": np.array([[0.01]])},
        drifts=-1.0,
    ),
    "conditional_imitation": Network(
        [
            (
                "cil",
                {"image": ((1, 88, 200, 3), "float32"), "speed": ((1, 1), "float32")},
                {"branches": ((1, 4, 3), "float32")},
            )
        ],
        {"branches": np.array([[-0.02, 0.0, 0.0], [0.02, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])},
        drifts=-1.0,
    ),
    "waypoints_aim": Network(
        [
            (
                "aim",
                {"image": ((1, 3, 256, 256), "float32"), "target_point": ((1, 2), "float32")},
                {"pred_wp": ((1, 4, 2), "float32")},
            )
        ],
        {"pred_wp": carla_waypoints()},
        drifts=-1.0,
    ),
    "tcp": Network(
        [
            (
                "tcp",
                {
                    "img": ((1, 3, 256, 900), "float32"),
                    "speed": ((1, 1), "float32"),
                    "target_point": ((1, 2), "float32"),
                    "command": ((1, 6), "float32"),
                },
                {"pred_wp": ((1, 4, 2), "float32")},
            )
        ],
        {"pred_wp": carla_waypoints()},
        drifts=-1.0,
    ),
    "birds_eye": Network(
        [
            (
                "planner",
                {
                    "img": ((1, 6, 3, 384, 640), "float32"),
                    "lidar2img": ((1, 6, 4, 4), "float32"),
                    "ego_fut_cmd": ((1, 3), "float32"),
                    "prev_bev": ((10000, 1, 16), "float32"),
                },
                {"bev_embed": ((10000, 1, 16), "float32"), "ego_fut_preds": ((1, 3, 6, 2), "float32")},
            )
        ],
        {"ego_fut_preds": np.broadcast_to([-0.1, SPEED_MPS * 0.5], (1, 3, 6, 2))},
        drifts=1.0,
        state=("prev_bev",),
    ),
}


@pytest.fixture(scope="module")
def drive(stand_in: Callable[..., Path], small_clip: Path) -> Callable[[str], tuple[AdapterPlanner, list[StepResult]]]:
    """Call it with the name of a ready adapter: the planner after `TICKS` ticks, and all results."""
    clip = open_clip(small_clip)
    done: dict[str, tuple[AdapterPlanner, list[StepResult]]] = {}

    def run(name: str) -> tuple[AdapterPlanner, list[StepResult]]:
        if name not in done:
            network = NETWORKS[name]
            base = {place.rpartition(".")[2] if "." in place else place: each for place, each in network.base.items()}
            models = [
                stand_in(inputs, outputs, {} if number < len(network.models) - 1 else base, network.gain, file)
                for number, (file, inputs, outputs) in enumerate(network.models)
            ]
            planner = AdapterPlanner(models, Path(name), rig=clip.rig)
            with FrameSource(clip, max_ticks=TICKS) as source:
                results = [
                    planner.step(each, clip.ego.sample_at(each.timestamp_ns) if clip.ego else None, "straight")
                    for each in source
                ]
            done[name] = planner, results
        return done[name]

    return run


def test_every_ready_adapter_has_a_stand_in() -> None:
    assert set(ready_names()) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_plan_of_a_ready_adapter_goes_where_the_network_says(
    drive: Callable[[str], tuple[AdapterPlanner, list[StepResult]]], name: str
) -> None:
    _, results = drive(name)
    plan = results[-1].plan
    assert plan.health == "ok"
    assert not any(result.replaced for result in results)
    assert plan.trajectory[3, 0] == pytest.approx(SPEED_MPS, abs=0.3)  # after 1 s
    assert plan.trajectory[3, 3] == pytest.approx(SPEED_MPS, abs=0.3)
    assert np.sign(np.round(plan.trajectory[-1, 1], 2)) == NETWORKS[name].drifts


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if network.state])
def test_the_state_of_a_ready_adapter_is_what_the_network_gave(
    drive: Callable[[str], tuple[AdapterPlanner, list[StepResult]]], name: str
) -> None:
    planner, _ = drive(name)
    for each in NETWORKS[name].state:
        assert np.any(planner.inputs[each] != 0), each


@pytest.mark.parametrize("name", ["openpilot", "openpilot_20hz", "openpilot_split"])
def test_openpilot_sees_two_frames_of_both_cameras_in_pixels(
    drive: Callable[[str], tuple[AdapterPlanner, list[StepResult]]], name: str
) -> None:
    planner, _ = drive(name)
    for image in planner.adapter.images:
        values = planner.inputs[image.name]
        assert values.max() > 100  # luma as it is
        assert not np.array_equal(values[:, :6], values[:, 6:])  # the square has moved between the two


def test_openpilot_takes_its_most_probable_plan(
    drive: Callable[[str], tuple[AdapterPlanner, list[StepResult]]],
) -> None:
    _, results = drive("openpilot")
    assert results[-1].plan.trajectory[-1, 1] < -0.5  # the second of five, which ends 2 m to the right


def test_the_policy_gets_the_features_of_the_same_step(
    drive: Callable[[str], tuple[AdapterPlanner, list[StepResult]]],
) -> None:
    planner, _ = drive("openpilot_split")
    newest = planner.inputs["features_buffer"][0, -1]
    np.testing.assert_array_equal(newest, planner.outputs["outputs"][0, 1064:1576])


def test_a_name_is_a_ready_adapter_only_where_there_is_no_such_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert adapter_file(Path("openpilot")).name == "openpilot.json"
    assert load_adapter(Path("openpilot")).rate_hz == 20
    (tmp_path / "openpilot").write_text("{}")
    assert adapter_file(Path("openpilot")) == Path("openpilot")
    with pytest.raises(ModelError, match="pilotnet"):
        load_adapter(Path("pilotnett"))
