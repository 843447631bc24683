"""The imitation loss: distance from the expert's plan and controls, and auxiliary terms (lead, light, occupancy, gaze,
semantics, depth). Terms of outputs that a network does not have are left out.

Unknown labels (NaN, or -1 for classes) add no loss. Scales learn from detached errors, so that predicting a large scale
cannot reduce the gradient of the plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fsd.networks.contract import WAYPOINT_STEP_S, WAYPOINT_TIMES_S
from fsd.networks.hard_examples import BRAKE_MPS2, near_cells
from fsd.networks.plan_head import ANCHORS_MPS2
from fsd.networks.shared_batch import known_count


@dataclass(frozen=True)
class LossWeights:
    """Weights of the loss terms.

    Attributes:
        x, y, yaw, speed: per m, m, rad, m/s, one second ahead; a waypoint at t seconds has 1.5 / (0.5 + t) of it.
        curvature: per 1/m; acceleration: per m/s².
        scale: weight of the negative log-likelihood of all errors under the predicted scales.
        lead, light, occupancy, saliency: weights of the auxiliary terms, each about 1 for an untrained network.
        hypothesis: log-loss of the acceleration among the hypotheses; course: distance, as of the plan, of the
            hypotheses that the expert's acceleration is between.
        caution: per m/s² by which hypotheses are expected to be faster than the expert near people.
        value: log-loss of the gaze requests for blocks whose worth is known.
        semantic, depth: weights of what the cameras show, cell by cell.
    """

    x: float = 0.25
    y: float = 0.6
    yaw: float = 2.0
    speed: float = 0.3
    curvature: float = 15.0
    acceleration: float = 0.3
    scale: float = 0.02
    lead: float = 0.1
    light: float = 0.2
    occupancy: float = 0.3
    saliency: float = 0.3
    hypothesis: float = 0.5
    course: float = 1.0
    caution: float = 0.3
    value: float = 0.3
    semantic: float = 0.1
    depth: float = 0.1


OCCUPIED_WEIGHT, SALIENT_WEIGHT, LIGHT_WEIGHT = 8.0, 4.0, 3.0
"""Occupied cells, salient blocks and rows with a light are rare, and a miss is worse than a false alarm."""

BRAKE_WEIGHT = 1.0
NEAR_PEOPLE_MPS2, NEAR_PEOPLE_WEIGHT = -0.5, 2.0
"""Rows in which the expert brakes harder than `BRAKE_MPS2`, and those in which it brakes with a person near, weigh so
much more."""

CAUTION_MARGIN_MPS2 = 0.4

SEMANTIC_WEIGHTS = (0.5, 0.5, 0.5, 0.5, 1.0, 2.0, 3.0)
"""Of `contract.SEMANTICS`: things are rarer than surfaces."""

NEAREST_M = 0.5

CAR_CELLS = 4.0
LEAD_SCALE_M = 30.0


def imitation_loss(
    outputs: dict[str, Tensor], labels: dict[str, Tensor], weights: LossWeights, worth: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean loss over a batch, and its terms without their weights.

    Args:
        outputs: the network's outputs, with `semantic` and `depth` if it has them; labels: as in
            `dataset.LABEL_SHAPES`, and `patch_cell`; both with the same leading batch axes.
        worth: (…, K) 0 to 1 of the patches, see `gaze_value.py`.
    """
    terms = driving_terms(outputs, labels, weights) | {"scale": _scale_term(outputs, labels)}
    saliency = labels["saliency"]
    if "semantic" in outputs and "patch_cell" in labels:
        saliency = _without_patches(saliency, labels["patch_cell"])
    if worth is not None:
        terms["value"] = _value(outputs["saliency"], worth, labels["patch_cell"])
    terms |= {
        "lead": _lead(outputs["lead"], labels["lead"]),
        "light": _light(outputs["light"], labels["light"]),
        "occupancy": _cells(outputs["occupancy"], labels["occupancy"], _thing_weight(labels["occupancy"])),
        "saliency": _cells(outputs["saliency"], saliency, SALIENT_WEIGHT),
    }
    if "semantic" in outputs:
        terms |= _scene_terms(outputs, labels)
    return weighted(terms, weights), terms


def driving_terms(
    outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor], weights: LossWeights
) -> dict[str, Tensor]:
    """The terms that say how the car drives: plan, controls and hypotheses."""
    terms = {"plan": _waypoint_distance(outputs, labels, weights), **_control_distances(outputs, labels)}
    if "hypothesis" in outputs:
        terms |= _hypothesis_terms(outputs, labels, weights)
    return terms


def weighted(terms: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
    """The sum of terms by their weights; the plan's are in the term."""
    return sum(
        (term if name == "plan" else getattr(weights, name) * term for name, term in terms.items()), torch.zeros(())
    )


def row_losses(outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
    """(…,) how far each row is from the expert, without gradient: to draw the rows that are not learned yet."""
    with torch.no_grad():
        error = (outputs["trajectory"] - labels["trajectory"]) * _waypoint_costs(weights, labels["trajectory"].device)
        loss = error.abs().nan_to_num().mean(dim=(-2, -1)) * 4.0
        if "hypothesis" in outputs:
            target, is_known = _between_anchors(labels["acceleration"])
            log_loss = -(target * torch.log_softmax(outputs["hypothesis"], dim=-1)).sum(dim=-1)
            loss = loss + weights.hypothesis * torch.where(is_known, log_loss, 0.0)
    return loss


def plan_distance(outputs: Mapping[str, Tensor], wanted: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
    """Mean distance from a plan and its controls, with the weights of the loss."""
    controls = _control_distances(outputs, wanted)
    return _waypoint_distance(outputs, wanted, weights) + sum(
        getattr(weights, name) * distance for name, distance in controls.items()
    )


def _waypoint_costs(weights: LossWeights, device: torch.device) -> Tensor:
    """(P, 4) per m, m, rad, m/s."""
    time_s = torch.tensor(WAYPOINT_TIMES_S, dtype=torch.float32, device=device)
    costs = torch.tensor([weights.x, weights.y, weights.yaw, weights.speed], device=device)
    return (1.5 / (0.5 + time_s))[:, None] * costs


def _waypoint_distance(outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
    error = outputs["trajectory"] - labels["trajectory"]
    return 4.0 * _known_mean(error * _waypoint_costs(weights, error.device))


def _between_anchors(acceleration: Tensor) -> tuple[Tensor, Tensor]:
    """(…, 1) m/s² -> (…, M) shares of the two anchors that it is between, and (…,) whether it is known."""
    anchors = torch.tensor(ANCHORS_MPS2, device=acceleration.device)
    is_known = ~torch.isnan(acceleration[..., 0])
    value = torch.where(is_known[..., None], acceleration, 0.0).clamp(ANCHORS_MPS2[0], ANCHORS_MPS2[-1])
    above = torch.searchsorted(anchors, value.contiguous()).clamp(1, len(anchors) - 1)
    below = above - 1
    part = (value - anchors[below]) / (anchors[above] - anchors[below])
    shares = torch.zeros(*value.shape[:-1], len(anchors), device=acceleration.device)
    return shares.scatter(-1, below, 1.0 - part).scatter(-1, above, part), is_known


def _hypothesis_terms(
    outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor], weights: LossWeights
) -> dict[str, Tensor]:
    target, is_known = _between_anchors(labels["acceleration"])
    log_probability = torch.log_softmax(outputs["hypothesis"], dim=-1)
    acceleration = labels["acceleration"][..., 0].nan_to_num()
    near = _person_near(labels["occupancy"])
    row_weight = 1.0 + BRAKE_WEIGHT * (acceleration < BRAKE_MPS2).float()
    row_weight = row_weight + NEAR_PEOPLE_WEIGHT * (near & (acceleration < NEAR_PEOPLE_MPS2)).float()
    log_loss = _masked_mean(-(target * log_probability).sum(dim=-1) * row_weight, is_known)
    anchors = torch.tensor(ANCHORS_MPS2, device=acceleration.device)
    faster = (anchors - acceleration[..., None] - CAUTION_MARGIN_MPS2).clamp(min=0.0)
    expected_faster = (log_probability.exp() * faster).sum(dim=-1)
    return {
        "hypothesis": log_loss,
        "course": _course_distance(
            outputs["hypothesis_speed"], labels["trajectory"], target * is_known[..., None], weights
        ),
        "caution": _masked_mean(torch.where(near, expected_faster, 0.0), is_known),
    }


def _course_distance(speed: Tensor, trajectory: Tensor, share: Tensor, weights: LossWeights) -> Tensor:
    """Distance of the courses (…, M, P + 1) from the expert's path length and speed, by the share of each in it."""
    moved = torch.diff(trajectory[..., :2], dim=-2, prepend=torch.zeros_like(trajectory[..., :1, :2]))
    length = torch.linalg.vector_norm(moved, dim=-1).cumsum(dim=-1).unsqueeze(-2)  # (…, 1, P)
    driven = (0.5 * (speed[..., 1:] + speed[..., :-1]) * WAYPOINT_STEP_S).cumsum(dim=-1)
    costs = _waypoint_costs(weights, speed.device)
    error = (driven - length).abs() * costs[:, 0] + (speed[..., 1:] - trajectory[..., 3].unsqueeze(-2)).abs() * costs[
        :, 3
    ]
    known = ~torch.isnan(error)
    return 2.0 * _masked_mean((torch.where(known, error, 0.0) * share.unsqueeze(-1)).sum(dim=-2), known.all(dim=-2))


def _person_near(occupancy: Tensor) -> Tensor:
    """(…, R, C) -> (…,) whether an occupied cell with only free neighbours is near ahead; cars fill several cells."""
    grid = (occupancy > 0).float().flatten(0, -3)[:, None]
    alone = (grid > 0) & (functional.avg_pool2d(grid, 3, stride=1, padding=1) * 9.0 < 1.5)
    near = torch.from_numpy(near_cells()).to(occupancy.device)
    return (alone[:, 0] & near).flatten(1).any(dim=1).view(occupancy.shape[:-2])


def _value(saliency: Tensor, worth: Tensor, cell: Tensor) -> Tensor:
    """Log-loss of the requests for the blocks that patches showed."""
    request = saliency.flatten(-3).gather(-1, cell.clamp(min=0).long())
    loss = functional.binary_cross_entropy_with_logits(request, worth, reduction="none")
    return _masked_mean(loss, cell >= 0)


def _without_patches(label: Tensor, cell: Tensor) -> Tensor:
    """The saliency label with -1 at the blocks that patches showed: their worth is known instead."""
    place, rest = cell.clamp(min=0).long(), label.flatten(-3)
    # The lowest, since several fine patches show one block, and unused slots have the place 0.
    rest = rest.scatter_reduce(-1, place, torch.where(cell >= 0, -1, rest.gather(-1, place)).to(rest.dtype), "amin")
    return rest.view_as(label)


def _scene_terms(outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
    depth = outputs["depth"]
    if "semantic" not in labels:  # still a function of the outputs: several processes need a gradient of every weight
        return {"semantic": 0.0 * outputs["semantic"].sum(), "depth": 0.0 * depth.sum()}
    wanted = torch.log(labels["depth"].float().clamp(min=NEAREST_M))
    return {"semantic": _semantic(outputs["semantic"], labels["semantic"]), "depth": _known_mean(depth - wanted)}


def _semantic(output: Tensor, label: Tensor) -> Tensor:
    """Log-loss of the cells (…, S, R, C) against classes (…, R, C)."""
    logits, wanted = output.movedim(-3, 1), label.long()
    class_weights = torch.tensor(SEMANTIC_WEIGHTS, device=output.device)
    loss = functional.cross_entropy(logits, wanted.clamp(min=0), reduction="none")
    return _masked_mean(loss * class_weights[wanted.clamp(min=0)], wanted >= 0)


def _control_distances(outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: _known_mean(outputs[name] - labels[name]) for name in ("curvature", "acceleration")}


def _scale_term(outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
    likelihoods = [
        _laplace(outputs[name] - labels[name], outputs[f"{name}_scale"])
        for name in ("trajectory", "curvature", "acceleration")
    ]
    return torch.stack(likelihoods).mean()


def _laplace(error: Tensor, scale: Tensor) -> Tensor:
    """Mean negative log-likelihood of detached errors; NaN is masked before it can reach a gradient."""
    known = ~torch.isnan(error)
    size = torch.where(known, error, 0.0).detach().abs()
    return _masked_mean(size / scale + torch.log(scale), known)


def _known_mean(values: Tensor) -> Tensor:
    """Mean absolute value without NaN; 0 if nothing is known."""
    return _masked_mean(values.abs(), ~torch.isnan(values))


def _lead(output: Tensor, label: Tensor) -> Tensor:
    """Existence of a lead (log-loss), and its distance where there is one (relative to 30 m)."""
    exists, distance = label[..., 1], label[..., 0]
    is_known = ~torch.isnan(exists)
    target = torch.where(is_known, exists, 0.0)
    existence = functional.binary_cross_entropy_with_logits(output[..., 1], target, reduction="none")
    there = is_known & (target > 0.5) & ~torch.isnan(distance)
    far = (output[..., 0] - torch.where(there, distance, 0.0)).abs() / LEAD_SCALE_M
    return _masked_mean(existence, is_known) + 2.0 * _masked_mean(far, there)


def _light(output: Tensor, label: Tensor) -> Tensor:
    """Log-loss of the light that the car faces; rows with a light weigh more because they are rare."""
    label = label[..., 0].long()
    is_known = label >= 0
    loss = functional.cross_entropy(output.movedim(-1, 1), label.clamp(min=0), reduction="none")
    return _masked_mean(loss * torch.where(label > 0, LIGHT_WEIGHT, 1.0), is_known)


def _thing_weight(label: Tensor) -> Tensor:
    """Weight of each cell (…, R, C): a person fills one cell, a car about four, and both get the same total weight."""
    grid = (label > 0).float().flatten(0, -3)[:, None]
    around = functional.avg_pool2d(grid, 3, stride=1, padding=1) * 9.0
    return (OCCUPIED_WEIGHT * (CAR_CELLS / around.clamp(min=1.0)).clamp(min=1.0))[:, 0].view_as(label)


def _cells(output: Tensor, label: Tensor, positive_weight: Tensor | float) -> Tensor:
    """Log-loss of a grid of logits; positive cells weigh more."""
    target = label.to(output.dtype).clamp(min=0)
    loss = functional.binary_cross_entropy_with_logits(output, target, reduction="none")
    return _masked_mean(loss * (1.0 + (positive_weight - 1.0) * target), label >= 0)


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, values, 0.0).sum() / known_count(mask)
