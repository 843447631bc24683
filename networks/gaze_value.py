"""How much each patch of a tick matters to the plan: labels for the network's gaze requests.

The value of a block is the gradient of the driving loss with respect to the weight of its token in attention: one
backward pass through the attention layers values all patches at once. Its size is taken, not its sign: a trained
network already attends to a token as much as it should on average, so the sign is chance.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from fsd.networks.losses import LossWeights, driving_terms, weighted
from fsd.networks.shared_batch import of_all

TOP_SHARE = 0.1
"""The best tenth of the patches of a batch have a worth above one half."""


def patch_worth(
    outputs: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    weights: LossWeights,
    token_weight: Tensor,
    is_used: Tensor,
) -> Tensor:
    """(B, T, K) 0 to 1 for every patch, without gradient.

    Args:
        token_weight: (B, T, K) zeros that were added to the patches' attention scores, with gradient.
        is_used: (B, T, K) whether there is a patch.
    """
    value = patch_value(outputs, labels, weights, token_weight)
    every = of_all(torch.where(is_used, value, torch.nan))
    every = every[~torch.isnan(every)]
    if not every.numel():
        return torch.zeros_like(value)
    usual = torch.quantile(every, 1.0 - TOP_SHARE).clamp(min=1e-12)
    return value / (value + usual)


def patch_value(
    outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor], weights: LossWeights, token_weight: Tensor
) -> Tensor:
    """Size of the gradient of the driving loss, of the shape of `token_weight`; see `patch_worth`."""
    loss = weighted(driving_terms(outputs, labels, weights), weights)
    (gradient,) = torch.autograd.grad(loss, token_weight, retain_graph=True)
    return gradient.abs()
