"""The imitation loss: distance from the expert's plan and controls, and auxiliary terms (lead, light, occupancy, gaze).

Unknown labels (NaN, or -1 for classes) add no loss. Scales learn from detached errors, so that predicting a large scale
cannot reduce the gradient of the plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fsd.networks.contract import WAYPOINT_TIMES_S


@dataclass(frozen=True)
class LossWeights:
    """Weights of the loss terms.

    Attributes:
        x, y, yaw, speed: per m, m, rad, m/s, one second ahead; a waypoint at t seconds has 1.5 / (0.5 + t) of it.
        curvature: per 1/m; acceleration: per m/s².
        scale: weight of the negative log-likelihood of all errors under the predicted scales.
        lead, light, occupancy, saliency: weights of the auxiliary terms, each about 1 for an untrained network.
    """

    x: float = 0.15
    y: float = 0.6
    yaw: float = 2.0
    speed: float = 0.2
    curvature: float = 15.0
    acceleration: float = 0.3
    scale: float = 0.02
    lead: float = 0.1
    light: float = 0.2
    occupancy: float = 0.3
    saliency: float = 0.3


OCCUPIED_WEIGHT, SALIENT_WEIGHT, LIGHT_WEIGHT = 8.0, 4.0, 3.0
"""Occupied cells, salient blocks and rows with a light are rare, and a miss is worse than a false alarm."""

CAR_CELLS = 4.0
LEAD_SCALE_M = 30.0


def imitation_loss(
    outputs: dict[str, Tensor], labels: dict[str, Tensor], weights: LossWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean loss over a batch, and its terms without their weights.

    Args:
        outputs: the network's outputs; labels: as in `dataset.LABEL_SHAPES`; both with the same leading batch axes.
    """
    plan, controls = _waypoint_distance(outputs, labels, weights), _control_distances(outputs, labels)
    scale = _scale_term(outputs, labels)
    auxiliary = {
        "lead": _lead(outputs["lead"], labels["lead"]),
        "light": _light(outputs["light"], labels["light"]),
        "occupancy": _cells(outputs["occupancy"], labels["occupancy"], _thing_weight(labels["occupancy"])),
        "saliency": _cells(outputs["saliency"], labels["saliency"], SALIENT_WEIGHT),
    }
    terms = {"plan": plan, "scale": scale, **controls, **auxiliary}
    total = plan + sum(getattr(weights, name) * term for name, term in terms.items() if name != "plan")
    return total, terms


def plan_distance(outputs: Mapping[str, Tensor], wanted: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
    """Mean distance from a plan and its controls, with the weights of the loss."""
    controls = _control_distances(outputs, wanted)
    return _waypoint_distance(outputs, wanted, weights) + sum(
        getattr(weights, name) * distance for name, distance in controls.items()
    )


def _waypoint_distance(outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
    error = outputs["trajectory"] - labels["trajectory"]
    time_s = torch.tensor(WAYPOINT_TIMES_S, dtype=torch.float32, device=error.device)
    costs = torch.tensor([weights.x, weights.y, weights.yaw, weights.speed], device=error.device)
    return 4.0 * _known_mean(error * (1.5 / (0.5 + time_s))[:, None] * costs)


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
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)
