"""A training run as one safetensors file: weights, their average, the optimiser's moments and the step reached.

Written beside the old one and renamed, so that a crash while writing loses nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from fsd.data.errors import ModelError
from fsd.data.files import write_bytes

HEADER_KEY = "fsd-checkpoint"
OPTIMISER_STATE = ("exp_avg", "exp_avg_sq", "step")


def save_checkpoint(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    step: int,
    settings: Mapping[str, object],
) -> None:
    """Write everything needed to resume a run after `step`; `settings` are JSON values for information."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("network", network), ("average", average)):
        tensors |= {f"{prefix}.{name}": value for name, value in module.state_dict().items()}
    for name, parameter in network.named_parameters():
        state = optimiser.state.get(parameter, {})
        tensors |= {f"{part}.{name}": state[part] for part in OPTIMISER_STATE if part in state}
    content = save(
        {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
        metadata={HEADER_KEY: json.dumps({"step": step, "settings": dict(settings)})},
    )
    write_bytes(path, content)


def load_checkpoint(path: Path, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Restore the state that `save_checkpoint` wrote; returns the last step done.

    Raises:
        ModelError: the file is damaged or belongs to another network.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            step = json.loads((file.metadata() or {})[HEADER_KEY])["step"]
        if type(step) is not int or step < 0:
            raise ValueError(f"its step is {step!r}, which is no number of steps.")
        tensors = load_file(path)
        for prefix, module in (("network", network), ("average", average)):
            part = {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
            module.load_state_dict(part)
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"The checkpoint {path} cannot be used: {reason} Delete it to train from the start."
        ) from error
    for name, parameter in network.named_parameters():
        state = {part: tensors[f"{part}.{name}"] for part in OPTIMISER_STATE if f"{part}.{name}" in tensors}
        if state:
            # Not the step of the run: the optimiser skips gradients that are not finite.
            count = state.pop("step", torch.tensor(float(step)))
            placed = {part: value.to(parameter.device).clone() for part, value in state.items()}
            optimiser.state[parameter] = {"step": count, **placed}
    return step
