import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402

from fsd.networks.contract import output_shapes  # noqa: E402
from fsd.networks.dataset import LABEL_SHAPES  # noqa: E402
from fsd.networks.losses import LossWeights, imitation_loss  # noqa: E402


def outputs(value: float = 0.5) -> dict[str, Tensor]:
    return {name: torch.full((2, 3, *shape), value) for name, (shape, _) in output_shapes().items()}


def unknown() -> dict[str, Tensor]:
    return {
        name: torch.full((2, 3, *shape), float("nan") if dtype.startswith("float") else -1, dtype=getattr(torch, dtype))
        for name, (shape, dtype) in LABEL_SHAPES.items()
    }


def test_unknown_labels_cost_nothing_and_give_no_gradient() -> None:
    predicted = {name: value.requires_grad_() for name, value in outputs().items()}
    loss, _ = imitation_loss(predicted, unknown(), LossWeights())
    loss.backward()
    assert loss.item() == 0
    gradients = [value.grad for value in predicted.values() if value.grad is not None]
    assert all(torch.isfinite(gradient).all() and gradient.abs().max() == 0 for gradient in gradients)


def test_a_perfect_plan_costs_nothing() -> None:
    labels = unknown()
    labels["trajectory"] = outputs()["trajectory"].clone()
    _, terms = imitation_loss(outputs(), labels, LossWeights())
    assert float(terms["plan"]) == 0


def test_one_unknown_waypoint_leaves_the_others_in() -> None:
    labels = unknown()
    labels["trajectory"] = outputs()["trajectory"] + 1.0
    whole = imitation_loss(outputs(), labels, LossWeights())[1]["plan"]
    labels["trajectory"][0, 0, 15] = float("nan")
    part = imitation_loss(outputs(), labels, LossWeights())[1]["plan"]
    assert float(part) == pytest.approx(float(whole), rel=0.05)


def test_scales_learn_the_size_of_the_error_and_leave_the_plan_alone() -> None:
    labels = unknown()
    labels["curvature"] = torch.full((2, 3, 1), 0.5)
    predicted = outputs()
    predicted["curvature"] = torch.full((2, 3, 1), 0.7, requires_grad=True)
    costs = []
    for claimed in (0.05, 0.2, 0.8):
        predicted["curvature_scale"] = torch.full((2, 3, 1), claimed)
        costs.append(float(imitation_loss(predicted, labels, LossWeights())[1]["scale"]))
    assert costs[1] == min(costs)
    only_scale = LossWeights(curvature=0.0)
    imitation_loss(predicted, labels, only_scale)[0].backward()
    gradient = predicted["curvature"].grad
    assert gradient is None or gradient.abs().max() == 0


@pytest.mark.parametrize(("logit", "exists"), [(5.0, 1.0), (-5.0, 0.0)])
def test_a_lead_that_is_judged_rightly_costs_little(logit: float, exists: float) -> None:
    labels, predicted = unknown(), outputs()
    labels["lead"][..., 0], labels["lead"][..., 1] = 20.0 if exists else float("nan"), exists
    predicted["lead"] = torch.stack([torch.full((2, 3), 20.0), torch.full((2, 3), logit)], dim=-1)
    right = imitation_loss(predicted, labels, LossWeights())[1]["lead"]
    predicted["lead"] = predicted["lead"] * torch.tensor([1.0, -1.0])
    assert float(right) < 0.1 < float(imitation_loss(predicted, labels, LossWeights())[1]["lead"])


def test_an_occupied_cell_missed_costs_more_than_a_ghost() -> None:
    labels, predicted = unknown(), outputs()
    labels["occupancy"] = torch.zeros_like(labels["occupancy"])
    predicted["occupancy"] = torch.full_like(predicted["occupancy"], 2.0)
    ghost = imitation_loss(predicted, labels, LossWeights())[1]["occupancy"]
    labels["occupancy"] = torch.ones_like(labels["occupancy"])
    predicted["occupancy"] = torch.full_like(predicted["occupancy"], -2.0)
    missed = imitation_loss(predicted, labels, LossWeights())[1]["occupancy"]
    assert float(missed) > 4 * float(ghost)


def test_a_light_that_is_faced_weighs_more_than_none() -> None:
    labels, predicted = unknown(), outputs()
    costs = []
    for light in (0, 3):
        labels["light"] = torch.full_like(labels["light"], light)
        costs.append(float(imitation_loss(predicted, labels, LossWeights())[1]["light"]))
    assert costs[1] == pytest.approx(3 * costs[0])


def test_missing_a_person_costs_as_much_as_missing_a_car() -> None:
    nothing = torch.zeros(LABEL_SHAPES["occupancy"][0])
    person, car = nothing.clone(), nothing.clone()
    person[10, 8] = 1
    car[10:12, 7:9] = 1

    def cost_of_missing(label: Tensor) -> float:
        """Cost of an empty answer, above that of an empty answer to an empty road."""
        labels = unknown()
        costs = []
        for grid in (label, nothing):
            labels["occupancy"] = grid.expand(2, 3, *grid.shape)
            costs.append(float(imitation_loss(outputs(-3.0), labels, LossWeights())[1]["occupancy"]))
        return costs[0] - costs[1]

    assert cost_of_missing(person) == pytest.approx(cost_of_missing(car), rel=0.02)
