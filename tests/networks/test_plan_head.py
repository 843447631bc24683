import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from fsd.data.ego import COMMANDS  # noqa: E402
from fsd.networks.plan_head import (  # noqa: E402
    KNOTS,
    MAX_ACCELERATION_MPS2,
    MAX_CURVATURE_PER_M,
    MAX_SPEED_MPS,
    PlanHead,
    squareplus,
)

HEAD = PlanHead(8)


def plan(features: torch.Tensor, speed_mps: float | None) -> dict[str, torch.Tensor]:
    valid = torch.tensor([[0.0 if speed_mps is None else 1.0]])
    with torch.no_grad():
        return HEAD(features, torch.tensor([[speed_mps or 0.0, 0.0]]), valid, torch.eye(len(COMMANDS))[:1])


def test_constant_speed_straight_ahead_is_a_line() -> None:
    trajectory = HEAD.integrate(torch.zeros(1, KNOTS), torch.full((1, KNOTS), 10.0))[0]
    assert torch.allclose(trajectory[:, 0], 2.5 * torch.arange(1, 17), atol=1e-4)
    assert trajectory[:, 1:3].abs().max() == 0


def test_constant_curvature_is_a_circle() -> None:
    radius_m, speed_mps = 20.0, 5.0
    trajectory = HEAD.integrate(torch.full((1, KNOTS), 1 / radius_m), torch.full((1, KNOTS), speed_mps))[0]
    angle = speed_mps / radius_m * 0.25 * torch.arange(1, 17)
    assert torch.allclose(trajectory[:, 2], angle, atol=1e-5)
    # The midpoint rule of 0.25 s steps is within a centimetre of the arc after 4 s.
    assert torch.allclose(trajectory[:, 0], radius_m * torch.sin(angle), atol=0.01)
    assert torch.allclose(trajectory[:, 1], radius_m * (1 - torch.cos(angle)), atol=0.01)


def test_an_untrained_head_goes_on_about_as_it_is() -> None:
    end = plan(torch.zeros(1, 8), speed_mps=8.0)["trajectory"][0, -1]
    assert 28 < end[0] < 36
    assert abs(end[1]) < 3


def test_left_is_positive() -> None:
    curvature = torch.full((1, KNOTS), 0.05)
    assert HEAD.integrate(curvature, torch.full((1, KNOTS), 5.0))[0, -1, 1] > 1


@given(st.floats(-1e4, 1e4), st.one_of(st.none(), st.floats(-1e3, 1e3)))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_every_output_is_bounded_whatever_the_features(feature: float, speed_mps: float | None) -> None:
    outputs = plan(torch.full((1, 8), feature), speed_mps)
    assert all(torch.isfinite(value).all() for value in outputs.values())
    assert outputs["curvature"].abs().max() <= MAX_CURVATURE_PER_M
    assert outputs["acceleration"].abs().max() <= MAX_ACCELERATION_MPS2
    assert outputs["trajectory"][..., 3].min() >= 0
    assert outputs["trajectory"][..., 3].max() <= MAX_SPEED_MPS + 4 * MAX_ACCELERATION_MPS2 + 1
    assert all(outputs[name].min() > 0 for name in outputs if name.endswith("scale"))


def test_a_stopped_plan_still_has_a_gradient_to_start() -> None:
    speed = torch.tensor(-2.0, requires_grad=True)
    squareplus(speed, 0.1).backward()
    assert speed.grad is not None
    assert speed.grad > 0.001


def test_each_command_learns_with_weights_of_its_own() -> None:
    head = PlanHead(8)
    outputs = head(torch.ones(1, 8), torch.zeros(1, 2), torch.ones(1, 1), torch.eye(len(COMMANDS))[4:5])
    outputs["curvature"].sum().backward()
    gradient = head.by_command.weight.grad
    assert gradient is not None
    touched = gradient.unflatten(0, (len(COMMANDS), -1)).abs().amax(dim=(1, 2)) > 0
    assert touched.nonzero().ravel().tolist() == [4]
