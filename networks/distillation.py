"""Train a small network to answer as a larger, trained one does: its tokens, its memory and its plan.

The teacher sees the same inputs, the student's memory included, so it needs no memory of its own.

Source: G. Hinton et al., Distilling the knowledge in a neural network (2015); on features, A. Romero et al., FitNets
(2015).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from fsd.data.errors import ModelError
from fsd.networks.config import NetworkConfig
from fsd.networks.losses import LossWeights, plan_distance
from fsd.networks.model import Content, DrivingNetwork
from fsd.networks.weights import load_weights


@dataclass(frozen=True)
class DistillationWeights:
    """Weights of the distances to the teacher.

    Attributes:
        tokens: mean squared distance of the image tokens; those of a trained network have a mean square of about 10.
        memory: mean squared distance of the keys and values, whose mean square is about 1.
        plan: distance of plan and controls, as in the imitation loss.
    """

    tokens: float = 1.0
    memory: float = 0.5
    plan: float = 1.0


def load_teacher(path: Path, student: NetworkConfig) -> DrivingNetwork:
    """The network of a weights file, which must have the student's budget and width.

    Raises:
        ModelError: the file cannot be used, or its network has others or is not trained.
    """
    teacher, header = load_weights(path)
    if not header.trained:
        raise ModelError(
            f"{path} cannot be the teacher: its weights are random. Train one with `fsd train --size wide`."
        )
    theirs, mine = (
        f"{each.width} features per token at the budget {each.budget.name}" for each in (teacher.config, student)
    )
    if (teacher.config.budget, teacher.config.width) != (student.budget, student.width):
        raise ModelError(
            f"{path} cannot be the teacher: its network has {theirs}, the one to train has {mine}. "
            "Train a teacher with `fsd train --size wide`."
        )
    return teacher


def token_distance(student: Content, teacher: Content) -> Tensor:
    """Mean squared distance over the tokens that are not masked; a token has the same mask in both."""
    is_used = student.mask == 0
    distance = (student.tokens.float() - teacher.tokens.float()).square().mean(dim=-1)
    return torch.where(is_used, distance, 0.0).sum() / is_used.sum().clamp(min=1)


def output_terms(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor], plan: LossWeights) -> dict[str, Tensor]:
    """Distances of the outputs, named as in `DistillationWeights`."""
    memory = [functional.mse_loss(student[name], teacher[name]) for name in ("new_k", "new_v")]
    return {"memory": torch.stack(memory).mean(), "plan": plan_distance(student, teacher, plan)}
