import math

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402

from fsd.networks.contract import WAYPOINT_TIMES_S  # noqa: E402
from fsd.networks.dataset import LABEL_SHAPES  # noqa: E402
from fsd.networks.losses import LossWeights, _between_anchors, driving_terms, row_losses  # noqa: E402
from fsd.networks.plan_head import ANCHORS_MPS2, KNOTS  # noqa: E402

COUNT, SPEED_MPS = len(ANCHORS_MPS2), 8.0
WEIGHTS = LossWeights()


def straight(acceleration_mps2: float) -> Tensor:
    """(1, 1, P, 4) of constant acceleration, from 8 m/s."""
    time_s = torch.tensor(WAYPOINT_TIMES_S, dtype=torch.float32)
    speed = SPEED_MPS + acceleration_mps2 * time_s
    x = SPEED_MPS * time_s + 0.5 * acceleration_mps2 * time_s**2
    return torch.stack([x, torch.zeros_like(x), torch.zeros_like(x), speed], dim=-1)[None, None]


def labels(acceleration_mps2: float, person: tuple[int, int] | None = None) -> dict[str, Tensor]:
    occupancy = torch.zeros(1, 1, *LABEL_SHAPES["occupancy"][0], dtype=torch.int8)
    if person is not None:
        occupancy[0, 0, *person] = 1
    return {
        "trajectory": straight(0.0 if math.isnan(acceleration_mps2) else acceleration_mps2),
        "curvature": torch.zeros(1, 1, 1),
        "acceleration": torch.full((1, 1, 1), acceleration_mps2),
        "occupancy": occupancy,
    }


def outputs(likely_mps2: float) -> dict[str, Tensor]:
    """Nearly certain of one hypothesis; each keeps its acceleration."""
    logits = torch.zeros(1, 1, COUNT)
    logits[..., ANCHORS_MPS2.index(likely_mps2)] = 10.0
    anchors = torch.tensor(ANCHORS_MPS2)
    return {
        "trajectory": straight(likely_mps2),
        "curvature": torch.zeros(1, 1, 1),
        "acceleration": torch.full((1, 1, 1), likely_mps2),
        "hypothesis": logits.requires_grad_(),
        "hypothesis_speed": (SPEED_MPS + anchors[:, None] * torch.arange(KNOTS) * 0.25)[None, None].requires_grad_(),
    }


def test_the_two_anchors_around_a_label_reproduce_it() -> None:
    accelerations = torch.tensor([[-9.0], [-6.0], [-5.0], [-0.31], [0.0], [0.1], [1.8], [4.0]])
    shares, is_known = _between_anchors(accelerations)
    assert torch.allclose(shares.sum(dim=-1), torch.ones(8))
    assert ((shares > 0).sum(dim=-1) <= 2).all()
    assert shares.min() >= 0
    assert torch.allclose(shares @ torch.tensor(ANCHORS_MPS2), accelerations[:, 0].clamp(-6.0, 1.8), atol=1e-6)
    assert is_known.all()


def test_an_unknown_acceleration_costs_nothing_and_gives_no_gradient() -> None:
    predicted = outputs(-4.0)
    terms = driving_terms(predicted, labels(float("nan"), person=(10, 8)), WEIGHTS)
    for name in ("hypothesis", "course", "caution"):
        assert float(terms[name].detach()) == 0
    (terms["hypothesis"] + terms["course"] + terms["caution"]).backward()
    for name in ("hypothesis", "hypothesis_speed"):
        assert predicted[name].grad.abs().max() == 0


def test_unknown_waypoints_give_finite_gradients() -> None:
    predicted, wanted = outputs(-0.8), labels(-0.8)
    wanted["trajectory"][..., 5:, :] = float("nan")
    term = driving_terms(predicted, wanted, WEIGHTS)["course"]
    term.backward()
    assert torch.isfinite(term)
    assert torch.isfinite(predicted["hypothesis_speed"].grad).all()


def test_the_right_hypothesis_costs_least() -> None:
    costs = {
        likely: float(driving_terms(outputs(likely), labels(-1.6), WEIGHTS)["hypothesis"].detach())
        for likely in ANCHORS_MPS2
    }
    assert min(costs, key=costs.__getitem__) == -1.6


def test_only_the_courses_around_the_label_are_trained_to_follow_it() -> None:
    predicted = outputs(0.0)
    wanted = labels(-1.2) | {"trajectory": straight(-3.0)}
    driving_terms(predicted, wanted, WEIGHTS)["course"].backward()
    touched = predicted["hypothesis_speed"].grad.abs().amax(dim=-1)[0, 0] > 0
    assert [ANCHORS_MPS2[index] for index in touched.nonzero().ravel()] == [-1.6, -0.8]


def test_a_course_that_is_driven_costs_nothing() -> None:
    # The course is integrated by the trapezoid rule, which is exact for a constant acceleration.
    assert float(driving_terms(outputs(-1.6), labels(-1.6), WEIGHTS)["course"].detach()) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("person", "is_near"), [((10, 8), True), ((3, 8), False), ((10, 1), False), (None, False)])
def test_caution_is_for_people_near_ahead(person: tuple[int, int] | None, is_near: bool) -> None:
    faster = driving_terms(outputs(1.8), labels(-1.6, person), WEIGHTS)["caution"]
    assert (float(faster.detach()) > 1) == is_near
    assert is_near or float(faster.detach()) == 0


def test_a_car_is_not_a_person_and_slower_is_cautious() -> None:
    car = labels(-1.6)
    car["occupancy"][0, 0, 10:12, 7:9] = 1
    assert float(driving_terms(outputs(1.8), car, WEIGHTS)["caution"].detach()) == 0
    assert float(driving_terms(outputs(-4.0), labels(-1.6, (10, 8)), WEIGHTS)["caution"].detach()) < 0.01


def test_rows_that_are_far_from_the_expert_have_a_larger_loss_without_gradient() -> None:
    near, far = (row_losses(outputs(likely), labels(-0.8), WEIGHTS) for likely in (-0.8, -6.0))
    assert near.shape == (1, 1)
    assert not far.requires_grad
    assert float(far) > float(near) + 1
    assert torch.isfinite(row_losses(outputs(0.0), labels(float("nan")), WEIGHTS)).all()
