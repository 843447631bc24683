import numpy as np
import pytest

from fsd.data.ego import EgoSample
from fsd.third_party.ego_inputs import EgoInputs
from fsd.third_party.input_fields import EgoInput

STEP_NS = 50_000_000
ALL = ("speed_mps", "yaw_rate_rps", "curvature_per_m", "acceleration_mps2")


def loaded(
    entry: EgoInput, samples: list[EgoSample | None], shape: tuple[int, ...], step_ns: int = STEP_NS
) -> np.ndarray:
    """What the input holds after each step: (steps, …)."""
    tensor = np.zeros(shape, np.float32)
    inputs = EgoInputs((entry,), {entry.name: tensor})
    found = []
    for step, sample in enumerate(samples):
        inputs.load(step * step_ns, sample)
        found.append(tensor.copy())
    return np.stack(found)


def speeds(*values: float) -> list[EgoSample | None]:
    return [EgoSample(value, 0.0) for value in values]


def test_quantities_come_in_order_each_times_its_scale() -> None:
    entry = EgoInput("e", ("yaw_rate_rps", "speed_mps", "curvature_per_m"), scale=(2.0, 0.1, 10.0))
    assert loaded(entry, [EgoSample(10.0, 0.5)], (1, 3))[0, 0] == pytest.approx([1.0, 1.0, 0.5])
    assert loaded(EgoInput("e", ("speed_mps",), scale=3.6), [EgoSample(10.0, 0.5)], ())[0] == pytest.approx(36.0)


@pytest.mark.parametrize("speed_mps", [0.0, 0.99, -0.99])
def test_curvature_is_0_below_walking_pace(speed_mps: float) -> None:
    assert loaded(EgoInput("e", ("curvature_per_m",)), [EgoSample(speed_mps, 0.5)], (1,))[0] == 0.0


def test_curvature_has_the_sign_of_the_steering_in_reverse_too() -> None:
    assert loaded(EgoInput("e", ("curvature_per_m",)), [EgoSample(-2.0, 0.5)], (1,))[0] == -0.25


@pytest.mark.parametrize("sample", [None, EgoSample(np.nan, np.nan), EgoSample(np.inf, np.nan)])
def test_what_is_unknown_is_0(sample: EgoSample | None) -> None:
    assert loaded(EgoInput("e", ALL), [*speeds(5.0, 6.0), sample], (4,))[-1].tolist() == [0.0] * 4  # type: ignore[arg-type]


def test_one_unknown_value_leaves_the_other() -> None:
    found = loaded(EgoInput("e", ("speed_mps", "yaw_rate_rps")), [EgoSample(np.nan, 0.5)], (2,))
    assert found[0].tolist() == [0.0, 0.5]


def test_history_has_all_quantities_of_a_step_then_of_the_next_and_repeats_the_oldest() -> None:
    entry = EgoInput("e", ("speed_mps", "yaw_rate_rps"), history=(2, 0))
    found = loaded(entry, [EgoSample(float(step), step / 10) for step in range(1, 5)], (1, 2, 2))
    assert found[:, 0].reshape(4, 4) == pytest.approx(
        np.array([[1, 0.1, 1, 0.1], [1, 0.1, 2, 0.2], [1, 0.1, 3, 0.3], [2, 0.2, 4, 0.4]])
    )


def test_acceleration_is_the_mean_of_the_last_quarter_of_a_second() -> None:
    steady = loaded(EgoInput("e", ("acceleration_mps2",)), speeds(*(10 + 0.1 * np.arange(20))), (1,))
    assert steady[0] == 0.0
    assert steady[1:, 0] == pytest.approx(2.0, abs=1e-5)
    jump = loaded(EgoInput("e", ("acceleration_mps2",)), speeds(*[10.0] * 10, *[11.0] * 10), (1,))
    assert jump[10:16, 0] == pytest.approx([4.0] * 5 + [0.0])  # 1 m/s in 0.25 s


def test_acceleration_of_a_slow_model_is_over_its_last_step() -> None:
    found = loaded(EgoInput("e", ("acceleration_mps2",)), speeds(1.0, 2.0, 4.0), (1,), step_ns=500_000_000)
    assert found[:, 0] == pytest.approx([0.0, 2.0, 4.0])


def test_there_is_no_acceleration_over_a_gap_of_unknown_speed() -> None:
    found = loaded(EgoInput("e", ("acceleration_mps2",)), [*speeds(1.0, 2.0), None, *speeds(20.0, 20.5)], (1,))
    assert found[2:, 0] == pytest.approx([0.0, 0.0, 10.0])


def test_a_reset_forgets_all_motion() -> None:
    tensor = np.zeros(2, np.float32)
    inputs = EgoInputs((EgoInput("e", ("speed_mps", "acceleration_mps2"), history=(1,)),), {"e": tensor})
    inputs.load(0, EgoSample(3.0, 0.0))
    inputs.reset()
    inputs.load(STEP_NS, EgoSample(9.0, 0.0))
    assert tensor.tolist() == [9.0, 0.0]
