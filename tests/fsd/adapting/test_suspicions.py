"""Each rule on a made run: what is wrong is found, and a good run is not suspicious."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fsd.adapting.check_record import CheckRecord
from fsd.adapting.suspicions import speed_ratio, suspicions, yaw_rate_correlation
from fsd.data.ego import EgoSample
from fsd.networks.contract import WAYPOINT_TIMES_S
from fsd.third_party.adapter import Adapter
from fsd.third_party.input_fields import EgoInput, ImageInput
from fsd.third_party.output_fields import Outputs, Waypoints
from fsd.third_party.state_fields import StatePair

TICKS = 40
SPEED_MPS = 12.0


def adapter(**image: Any) -> Adapter:
    return Adapter(
        name="net",
        outputs=Outputs(waypoints=Waypoints(name="path", points=4, step_s=0.5)),
        images=(ImageInput(name="image", camera="front_main", width_px=8, height_px=4, **image),),
        ego=(EgoInput(name="speed", quantities=("speed_mps",)),),
        state=(StatePair(output="h_out", input="h_in"),),
    )


def pixels(tick: int) -> np.ndarray:
    return np.random.default_rng(tick).integers(20, 230, (1, 3, 4, 8)).astype(np.float32)


def made_run(made_for: Adapter | None = None, **changes: Any) -> CheckRecord:
    """A good run, with what `changes` gives for a tick in place of: image, state, output, planned_mps, turn, x_m, y_m,
    ego, health."""
    record = CheckRecord(made_for or adapter())
    for tick in range(TICKS):

        def of(name: str, usual: Any, tick: int = tick) -> Any:
            return changes[name](tick) if name in changes else usual

        yaw_rate_rps = 0.2 * np.sin(tick / 6)
        speed = of("planned_mps", SPEED_MPS)
        trajectory = np.zeros((16, 4), np.float32)
        trajectory[:, 0], trajectory[:, 3] = speed * WAYPOINT_TIMES_S + of("x_m", 0.0), speed
        trajectory[:, 1] = of("y_m", 0.0)
        plan = SimpleNamespace(
            timestamp_ns=tick * 10**9 // 36,
            trajectory=trajectory,
            curvature_per_m=of("turn", yaw_rate_rps / SPEED_MPS),
            health=of("health", "ok"),
        )
        inputs = {
            "image": of("image", pixels(tick) / 255),
            "speed": np.array([[SPEED_MPS]]),
            "h_in": of("state", np.array([[np.sin(tick)]])),
        }
        outputs = {"path": of("output", np.array([[tick, 1.0]])), "h_out": inputs["h_in"]}
        result = SimpleNamespace(plan=plan, replaced=of("replaced", ""), plan_age_ticks=0)
        record.add(inputs, outputs, result, of("ego", EgoSample(SPEED_MPS, yaw_rate_rps)))  # type: ignore[arg-type]
    return record


def codes(record: CheckRecord, made_for: Adapter | None = None, ignores_pictures: bool = False) -> set[str]:
    return {finding.code for finding in suspicions(made_for or adapter(), record, ignores_pictures)}


def test_a_good_run_is_not_suspicious() -> None:
    assert codes(made_run()) == set()
    assert speed_ratio(made_run()) == pytest.approx(1.0)
    assert yaw_rate_correlation(made_run()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("constant_image", {"image": lambda tick: np.zeros((1, 3, 4, 8), np.float32)}),
        ("constant_image", {"image": lambda tick: np.full((1, 3, 4, 8), 255, np.uint8)}),
        ("still_image", {"image": lambda tick: pixels(0) / 255}),
        ("no_contrast", {"image": lambda tick: pixels(tick) / 255 / 255}),
        ("image_range", {"image": pixels}),
        ("input_not_finite", {"image": lambda tick: np.where(pixels(tick) > 200, np.nan, pixels(tick) / 255)}),
        ("state_still", {"state": lambda tick: np.zeros((1, 1))}),
        ("state_explodes", {"state": lambda tick: np.array([[1.5**tick]])}),
        ("constant_output", {"output": lambda tick: np.ones((1, 2))}),
        ("mirrored", {"turn": lambda tick: -0.2 * np.sin(tick / 6) / SPEED_MPS}),
        ("speed_unit", {"planned_mps": lambda tick: SPEED_MPS * 3.6}),
        ("speed_unit", {"planned_mps": lambda tick: SPEED_MPS / 3.6}),
        ("speed_unit", {"planned_mps": lambda tick: SPEED_MPS * 2.237}),
        ("speed_ratio", {"planned_mps": lambda tick: SPEED_MPS * 5}),
        ("far_start", {"x_m": lambda tick: 30.0}),
        ("far_start", {"y_m": lambda tick: 4.0}),
        ("always_stop", {"health": lambda tick: "plan=stop"}),
        ("always_stop", {"planned_mps": lambda tick: 0.01}),
        ("no_ego", {"ego": lambda tick: None}),
        ("replaced", {"replaced": lambda tick: "path" if tick == 3 else ""}),
    ],
)
def test_what_is_wrong_is_found(code: str, changes: dict[str, Any]) -> None:
    assert code in codes(made_run(**changes))


def test_a_camera_that_the_recording_lacks_is_found() -> None:
    found = suspicions(adapter(), made_run(), False, recorded=("rear",))
    assert [(finding.code, finding.place) for finding in found] == [("missing_camera", "image")]
    assert suspicions(adapter(), made_run(), False, recorded=("rear", "front_main")) == ()


def test_outputs_that_ignore_the_pictures_are_found() -> None:
    assert codes(made_run(), ignores_pictures=True) == {"ignores_pictures"}


def test_a_mean_of_pixels_beside_a_scale_to_one_is_found() -> None:
    twice = adapter(scale=1 / 255, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
    image = {"image": lambda tick: (pixels(tick) / 255 - 115) / 58}
    assert codes(made_run(twice, **image), twice) == {"scaled_twice"}


def test_pixels_as_they_are_are_meant_where_the_scale_says_so() -> None:
    raw = adapter(scale=1.0)
    assert codes(made_run(raw, image=pixels), raw) == set()


def test_wrong_speeds_are_not_also_a_path_that_begins_elsewhere() -> None:
    assert codes(made_run(planned_mps=lambda tick: SPEED_MPS * 3.6)) == {"speed_unit"}


def test_a_plan_that_hardly_steers_is_not_called_mirrored() -> None:
    assert codes(made_run(turn=lambda tick: -0.001 * np.sin(tick / 6) / SPEED_MPS)) == set()


def test_without_a_recorded_turn_there_is_no_correlation() -> None:
    assert yaw_rate_correlation(made_run(ego=lambda tick: EgoSample(SPEED_MPS, 0.0))) is None
    assert speed_ratio(made_run(ego=lambda tick: EgoSample(0.0, 0.0))) is None
