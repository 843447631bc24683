"""One batch over several processes, as if one process had it: counts, statistics and quantiles are of all clips.

Where no batch is shared, nothing here changes anything. Gradients are averaged by `DistributedDataParallel`, so a loss
of one process is its sum over the number that all processes count, divided by the number of processes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

_IS_SHARED: ContextVar[bool] = ContextVar("is_shared", default=False)


@contextmanager
def shared_batch(is_shared: bool = True) -> Iterator[None]:
    """Inside, the batches of all processes count as one; every process computes the same."""
    token = _IS_SHARED.set(is_shared)
    try:
        yield
    finally:
        _IS_SHARED.reset(token)


def known_count(mask: Tensor) -> Tensor:
    """How many values a mean over known ones divides by, at least 1: those of all processes, per process."""
    if not _IS_SHARED.get():
        return mask.sum().clamp(min=1)
    count = mask.sum().float()
    torch.distributed.all_reduce(count)
    return count.clamp(min=1) / torch.distributed.get_world_size()


def of_all(values: Tensor) -> Tensor:
    """(n, …) -> (world * n, …) without gradient: the values of all processes, in the order of their ranks."""
    if not _IS_SHARED.get():
        return values
    found = [torch.empty_like(values) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(found, values.contiguous())
    return torch.cat(found)


class _Mean(torch.autograd.Function):
    """Mean over all processes; its gradient is the mean of theirs, too."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return _mean(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return _mean(gradients[0])


def _mean(values: Tensor) -> Tensor:
    total = values.clone()
    torch.distributed.all_reduce(total)
    return total / torch.distributed.get_world_size()


class SharedBatchNorm(nn.BatchNorm2d):
    """BatchNorm whose statistics are of the batches of all processes, which have equal sizes."""

    def forward(self, input: Tensor) -> Tensor:
        """(M, C, h, w) -> the same."""
        if not (self.training and _IS_SHARED.get()):
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        values = input.float()
        mean = _Mean.apply(values.mean(dim=(0, 2, 3), keepdim=True))
        variance = _Mean.apply((values - mean).square().mean(dim=(0, 2, 3), keepdim=True))
        count = values.numel() // values.shape[1] * torch.distributed.get_world_size()
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.flatten(), self.momentum or 0.0)
            self.running_var.lerp_(variance.flatten() * count / (count - 1), self.momentum or 0.0)
        normal = (values - mean) * torch.rsqrt(variance + self.eps)
        return (normal * self.weight[:, None, None] + self.bias[:, None, None]).to(input.dtype)


def share_batch_norm(network: nn.Module) -> None:
    """Let the BatchNorm layers of a network be `SharedBatchNorm`; names and weights stay."""
    for part in network.modules():
        if type(part) is nn.BatchNorm2d:
            part.__class__ = SharedBatchNorm
