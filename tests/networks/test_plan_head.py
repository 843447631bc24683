import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from fsd.data.ego import COMMANDS  # noqa: E402
from fsd.networks.plan_head import (  # noqa: E402
    ANCHORS_MPS2,
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


HARD, STEADY = ANCHORS_MPS2.index(-4.0), ANCHORS_MPS2.index(0.0)


def torn_head(braking: float, taken_share: float = 0.8) -> PlanHead:
    """A head that gives braking hard a probability, and going on the rest; every hypothesis keeps its acceleration."""
    head = PlanHead(8, has_hypotheses=True).eval()
    head.hypotheses.taken_share = taken_share
    with torch.no_grad():
        for layer in (head.hypotheses.logits, head.hypotheses.courses):
            layer.weight.zero_()
        bias = torch.full((len(ANCHORS_MPS2),), -40.0)
        bias[HARD], bias[STEADY] = torch.tensor([braking, 1.0 - braking]).log()
        head.hypotheses.logits.bias.copy_(bias)
    return head


def drive(head: PlanHead, speed_mps: float = 20.0) -> dict[str, torch.Tensor]:
    command = torch.eye(len(COMMANDS))[:1]
    return head(torch.ones(1, 8), torch.tensor([[speed_mps, 0.0]]), torch.ones(1, 1), command)


@given(st.lists(st.floats(-50, 50), min_size=len(ANCHORS_MPS2), max_size=len(ANCHORS_MPS2)))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_the_plan_is_a_mean_of_hypotheses_that_brake_no_less_than_their_mean(logits: list[float]) -> None:
    head = PlanHead(8, has_hypotheses=True).eval()
    with torch.no_grad():
        head.hypotheses.logits.weight.zero_()
        head.hypotheses.logits.bias.copy_(torch.tensor(logits))
        outputs = drive(head)
    share = outputs["hypothesis_share"][0]
    assert float(share.sum()) == pytest.approx(1, abs=1e-5)
    assert float(share.min()) >= -1e-6
    mean = torch.softmax(outputs["hypothesis"][0], dim=-1) @ torch.tensor(ANCHORS_MPS2)
    assert float(outputs["acceleration"]) <= float(mean) + 1e-4


def test_the_more_probable_braking_is_the_more_the_plan_brakes() -> None:
    plans = [drive(torn_head(braking)) for braking in (0.05, 0.2, 0.4, 0.6, 0.8)]
    shares = [float(plan["hypothesis_share"][0, HARD]) for plan in plans]
    accelerations = [float(plan["acceleration"]) for plan in plans]
    assert shares == sorted(shares)
    assert accelerations == sorted(accelerations, reverse=True)


def test_who_is_torn_between_braking_and_going_on_brakes_more_than_the_mean() -> None:
    plan, mean = drive(torn_head(0.8)), drive(torn_head(0.8, taken_share=1.0))
    assert float(mean["acceleration"]) == pytest.approx(0.8 * -4.0, abs=1e-4)
    assert float(plan["acceleration"]) == pytest.approx(-4.0, abs=1e-4)  # as if going on were impossible
    assert float(plan["trajectory"][0, 3, 3]) == pytest.approx(16.0, abs=0.01)
    assert float(mean["trajectory"][0, 3, 3]) > 16.5


def test_the_plan_teaches_neither_the_courses_nor_their_probabilities() -> None:
    head = PlanHead(8, has_hypotheses=True).train()
    drive(head)["trajectory"].sum().backward()
    assert [name for name, weight in head.hypotheses.named_parameters() if weight.grad is not None] == []
    assert head.curvatures.weight.grad is not None


def test_hypotheses_are_finite_for_extreme_features() -> None:
    head = PlanHead(8, has_hypotheses=True).eval()
    command = torch.eye(len(COMMANDS))[:1]
    for feature in (-1e4, 1e4):
        outputs = head(torch.full((1, 8), feature), torch.zeros(1, 2), torch.zeros(1, 1), command)
        assert all(torch.isfinite(value).all() for value in outputs.values())
        assert outputs["hypothesis_speed"].min() >= 0
