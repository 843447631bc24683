"""Augmentation: input dropout and noise, so that the network relies on the images and on no single source.

Cameras, ego motion, command and memory are dropped; exposure and colour vary; noise is added to the odometry, from
which the network could otherwise learn to continue as before. Works on batches of tensors with axes (clips, rows).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fsd.compression.tick import FILLED, MEMORY_SLOTS
from fsd.data.ego import COMMANDS
from fsd.data.frames import CAMERAS
from fsd.data.options import Options, option
from fsd.networks.encoders import PIXEL_MEAN

FRONT_CAMERAS = 3


@dataclass(frozen=True)
class AugmentationConfig(Options):
    """Probabilities and magnitudes.

    Attributes:
        camera_dropout: share of clips that lose one to three cameras; front_only: share that keep only the front
            cameras; one_front: share that keep only one front camera.
        ego_dropout: share of clips without ego motion; speed_noise: relative error of the speed in the others.
        command_dropout: share of clips whose command says "none".
        memory_dropout: share of clips without memory; slot_dropout: share of slots lost in the others.
        patch_dropout: share of clips without a random share of their patches.
        odometry_scale: relative error of the slots' distances; odometry_yaw_rad: error of their direction.
        gain, offset: standard deviation of contrast and brightness (in pixel values), common to all cameras of a clip,
            plus a third of it per camera; colour: that of chroma.
    """

    camera_dropout: float = option(0.2, at_least=0, at_most=1)
    front_only: float = option(0.05, at_least=0, at_most=1)
    one_front: float = option(0.03, at_least=0, at_most=1)
    ego_dropout: float = option(0.3, at_least=0, at_most=1)
    speed_noise: float = 0.05
    command_dropout: float = option(0.03, at_least=0, at_most=1)
    memory_dropout: float = option(0.2, at_least=0, at_most=1)
    slot_dropout: float = 0.1
    patch_dropout: float = option(0.2, at_least=0, at_most=1)
    odometry_scale: float = 0.2
    odometry_yaw_rad: float = 0.03
    gain: float = 0.15
    offset: float = 8.0
    colour: float = 0.15


class Randomness:
    """Random numbers for the clips of a batch: from one generator, or of each clip from a generator of its own.

    In the second case a clip's numbers do not depend on the batch that it is in.
    """

    def __init__(self, generator: torch.Generator | Sequence[torch.Generator]) -> None:
        self._one = generator if isinstance(generator, torch.Generator) else None
        self._each = () if isinstance(generator, torch.Generator) else tuple(generator)
        self.device = (self._one or self._each[0]).device

    def uniform(self, *shape: int) -> Tensor:
        """(clips, …) from 0 to 1."""
        return self._drawn(torch.rand, shape)

    def normal(self, *shape: int) -> Tensor:
        """(clips, …) of mean 0 and deviation 1."""
        return self._drawn(torch.randn, shape)

    def _drawn(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        if self._one is not None:
            return draw(shape, generator=self._one, device=self.device)
        return torch.stack([draw(shape[1:], generator=each, device=self.device) for each in self._each])


def augment(
    batch: dict[str, Tensor], config: AugmentationConfig, generator: torch.Generator | Sequence[torch.Generator]
) -> dict[str, Tensor]:
    """An augmented copy of a batch: inputs of the contract, axes (B, T, …), on the generator's device.

    Args:
        generator: one, or one per clip.
    """
    batch = dict(batch)
    clips, rows = batch["retina"].shape[:2]
    random = Randomness(generator)
    device, uniform, normal = random.device, random.uniform, random.normal

    keep = camera_mask(config, uniform(clips, 2), uniform(clips, len(CAMERAS)))  # (B, N)
    batch["camera_valid"] = batch["camera_valid"] * keep[:, None]
    has_ego = (uniform(clips, 1, 1) >= config.ego_dropout).float()
    batch["ego_valid"] = batch["ego_valid"] * has_ego
    batch["ego"] = batch["ego"] * (1.0 + config.speed_noise * normal(clips, 1, 1)) * has_ego
    has_command = uniform(clips, 1, 1) >= config.command_dropout
    no_command = torch.zeros(len(COMMANDS), device=device)
    no_command[COMMANDS.index("none")] = 1.0
    batch["command"] = torch.where(has_command, batch["command"], no_command)

    has_memory = (uniform(clips, 1, 1) >= config.memory_dropout).float()
    has_slot = (uniform(clips, 1, MEMORY_SLOTS) >= config.slot_dropout).float()
    batch["memory_valid"] = batch["memory_valid"] * has_memory * has_slot
    batch["memory_pose"] = _blur_odometry(
        batch["memory_pose"],
        1.0 + config.odometry_scale * normal(clips, 1, 1),
        config.odometry_yaw_rad * normal(clips, 1, 1),
    )

    lost = uniform(clips, 1, 1) * (uniform(clips, 1, 1) < config.patch_dropout)
    meta = batch["patch_meta"].clone()
    meta[..., FILLED] *= uniform(*meta.shape[:-1]) >= lost
    batch["patch_meta"] = meta
    # The same exposure in every row of a clip: its rows are close in time.
    gain = 1.0 + config.gain * (normal(clips, 1) + normal(clips, len(CAMERAS)) / 3)
    offset = config.offset * (normal(clips, 1) + normal(clips, len(CAMERAS)) / 3)
    colour = 1.0 + config.colour * normal(clips, 1).expand_as(gain)
    patch_camera = batch["patch_meta"][..., 0].long().clamp(min=0)  # (B, T, K)
    every = torch.arange(len(CAMERAS), device=device).expand(clips, rows, -1)
    inner = batch["retina"].shape[2]
    images = {"retina": every[..., :inner], "patches": patch_camera}
    if "retina_outer" in batch:
        images["retina_outer"] = every[..., inner:]
    for name, camera in images.items():
        of_image = [values[:, None].expand(-1, rows, -1).gather(2, camera) for values in (gain, offset, colour)]
        batch[name] = _expose(batch[name], *of_image)
    return batch


def camera_mask(config: AugmentationConfig, choice: Tensor, order: Tensor) -> Tensor:
    """(B, N) 1 for cameras kept, from uniform numbers `choice` (B, 2) and `order` (B, N)."""
    kind, amount = choice[:, :1], choice[:, 1:]
    rank = order.argsort(dim=1).argsort(dim=1)
    lost = 1 + (3 * amount).long()
    some = (rank >= lost).float()
    front = torch.zeros_like(order)
    front[:, :FRONT_CAMERAS] = 1.0
    one = torch.zeros_like(order)
    one[:, 0] = 1.0
    edges = (config.camera_dropout, config.front_only, config.one_front)
    keep = torch.ones_like(order)
    keep = torch.where(kind < sum(edges), one, keep)
    keep = torch.where(kind < sum(edges[:2]), front, keep)
    return torch.where(kind < edges[0], some, keep)


def _blur_odometry(pose: Tensor, scale: Tensor, yaw_rad: Tensor) -> Tensor:
    """Scale and rotate the slot poses (B, T, S, 6), as imprecise odometry would."""
    x, y, sin, cos = (pose[..., index] for index in range(4))
    turn_sin, turn_cos = torch.sin(yaw_rad), torch.cos(yaw_rad)
    moved = [
        scale * (x * turn_cos - y * turn_sin),
        scale * (x * turn_sin + y * turn_cos),
        sin * turn_cos + cos * turn_sin,
        cos * turn_cos - sin * turn_sin,
    ]
    return torch.cat([torch.stack(moved, dim=-1), pose[..., 4:]], dim=-1)


def _expose(images: Tensor, gain: Tensor, offset: Tensor, colour: Tensor) -> Tensor:
    """(B, T, M, 6, h, w) uint8 -> float, with gain, offset and colour (B, T, M); luma first, chroma last."""
    gain, offset, colour = (values[..., None, None, None] for values in (gain, offset, colour))
    centred = images.float() - PIXEL_MEAN
    luma = (centred[..., :4, :, :] * gain + offset).clamp(-128.0, 127.0)
    chroma = (centred[..., 4:, :, :] * gain * colour).clamp(-128.0, 127.0)
    return torch.cat([luma, chroma], dim=-3) + PIXEL_MEAN
