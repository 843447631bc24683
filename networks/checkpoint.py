"""A training run as one safetensors file: weights, their average, the optimiser's moments and the step reached.

Written beside the old one and renamed, so that a crash while writing loses nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from fsd.data.errors import ModelError, OutputError
from fsd.data.files import write_bytes
from fsd.networks.validation import Best

HEADER_KEY = "fsd-checkpoint"
OPTIMISER_STATE = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True)
class CheckpointHeader:
    """What a checkpoint says besides its tensors.

    Attributes:
        step: the last step done; best: the best held-out score until then.
        settings: name -> text of those that make the run what it is, see `check_settings`.
    """

    step: int
    settings: Mapping[str, str] = field(default_factory=dict)
    best: Best | None = None


def save_checkpoint(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    step: int,
    settings: Mapping[str, str],
    best: Best | None = None,
) -> None:
    """Write everything needed to resume a run after `step`."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("network", network), ("average", average)):
        tensors |= {f"{prefix}.{name}": value for name, value in module.state_dict().items()}
    for name, parameter in network.named_parameters():
        state = optimiser.state.get(parameter, {})
        tensors |= {f"{part}.{name}": state[part] for part in OPTIMISER_STATE if part in state}
    content = save(
        {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
        metadata={
            HEADER_KEY: json.dumps({"step": step, "settings": dict(settings), "best": msgspec.to_builtins(best)})
        },
    )
    write_bytes(path, content)


def read_checkpoint_header(path: Path) -> CheckpointHeader:
    """The header, without the tensors.

    Raises:
        ModelError: the file is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {})[HEADER_KEY])
        step = header["step"]
        if type(step) is not int or step < 0:
            raise ValueError(f"its step is {step!r}, which is no number of steps.")
        return msgspec.convert(header, CheckpointHeader)
    except (
        safetensors.SafetensorError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
        msgspec.ValidationError,
    ) as error:
        raise _unusable(path, error) from error


def check_settings(folder: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to continue a run with other settings than it began with.

    Raises:
        OutputError: names the settings that differ.
    """
    differing = [
        f"{name} was {before.get(name, 'absent')}, now {now.get(name, 'absent')}"
        for name in dict.fromkeys((*now, *before))
        if before.get(name) != now.get(name)
    ]
    if differing:
        raise OutputError(
            f"{folder} holds a training with other settings: {'; '.join(differing)}. Give the same settings to "
            "continue it, or name another folder with --out."
        )


def _unusable(path: Path, error: Exception) -> ModelError:
    reason = str(error).partition("\n")[0]
    return ModelError(f"The checkpoint {path} cannot be used: {reason} Delete it to train from the start.")


def load_checkpoint(path: Path, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Restore the state that `save_checkpoint` wrote; returns the last step done.

    Raises:
        ModelError: the file is damaged or belongs to another network.
    """
    step = read_checkpoint_header(path).step
    try:
        tensors = load_file(path)
        for prefix, module in (("network", network), ("average", average)):
            part = {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
            module.load_state_dict(part)
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise _unusable(path, error) from error
    for name, parameter in network.named_parameters():
        state = {part: tensors[f"{part}.{name}"] for part in OPTIMISER_STATE if f"{part}.{name}" in tensors}
        if state:
            # Not the step of the run: the optimiser skips gradients that are not finite.
            count = state.pop("step", torch.tensor(float(step)))
            placed = {part: value.to(parameter.device).clone() for part, value in state.items()}
            optimiser.state[parameter] = {"step": count, **placed}
    return step
