from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("onnx")

from fsd.export.plan_measure import distances
from fsd.exporting.adapter_measure import AdapterMeasure
from fsd.third_party.adapter import Adapter
from tests.fsd.exporting.conftest import ADAPTER


def measure_of(**outputs: Any) -> AdapterMeasure:
    return AdapterMeasure(msgspec.convert({**ADAPTER, "outputs": outputs}, Adapter))


def path(points: int, step_m: float, aside_m: float = 0.0) -> np.ndarray:
    return np.stack([np.arange(1, points + 1) * step_m, np.full(points, aside_m)], axis=1).astype(np.float32)[None]


def test_paths_are_apart_in_metres_at_3_s() -> None:
    measure = measure_of(waypoints={"name": "path", "points": 8, "step_s": 0.5})
    assert (measure.headline, measure.strictest, measure.outputs) == ("position_3s", "anywhere", ("path",))
    found = distances(measure, {"path": path(8, 5.0)}, {"path": path(8, 5.1)})
    assert found["position_1s"] == pytest.approx(0.2, abs=1e-5)
    assert found["position_3s"] == pytest.approx(0.6, abs=1e-5)
    assert found["anywhere"] == pytest.approx(0.8, abs=1e-5)


def test_a_path_that_ends_earlier_is_measured_at_its_last_point() -> None:
    measure = measure_of(waypoints={"name": "path", "points": 4, "step_s": 0.5})
    assert [*measure.quantities][:2] == ["position_1s", "position_2s"]
    assert measure.headline == "position_2s"


def test_a_model_that_steers_is_measured_in_radians() -> None:
    measure = measure_of(
        steering={"name": "wheel", "wheelbase_m": 2.8, "steering_ratio": 15.0, "scale": 0.5},
        acceleration_mps2={"name": "pedal"},
    )
    assert measure.quantities["steering"].unit == "rad"
    assert measure.headline == measure.strictest == "steering"
    one, other = ({"wheel": np.float32([value]), "pedal": np.float32([0])} for value in (0.1, 0.3))
    assert distances(measure, one, other) == pytest.approx({"steering": 0.1, "acceleration": 0.0})


def test_of_several_branches_the_one_that_differs_most_counts() -> None:
    measure = measure_of(curvature_per_m={"name": "turns", "by_command": {"left": {"start": 1}}})
    found = distances(measure, {"turns": np.float32([0, 0.25])}, {"turns": np.float32([0, 0.5])})
    assert found == {"curvature": 0.25}
